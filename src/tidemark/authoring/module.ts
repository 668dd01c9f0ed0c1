import type { WriteSide } from '../projections/event-sourced-module.ts';
import type { Projection } from '../projections/projection.ts';
import {
  type CommandContext,
  type CommandHandler,
  type CommandHandlers,
  type Executed,
  executeRequest,
  replayOf,
} from '../write/command-bus.ts';
import type { Command } from '../domain/decider.ts';
import type { ProblemType } from '../http/problem.ts';
import type { Route } from '../http/route.ts';
import type { Module } from './registered-module.ts';
import type { Aggregate, AnyAggregate } from './aggregate.ts';
import type { AddedTo, CommandDeclarations, CommandOf, PreparedTypes } from './command-declarations.ts';

/** How the write side found what a command needs: `prepared`, or the sender has seen more of a stream than its log holds. */
export type Preparation<Added> =
  | { readonly outcome: 'prepared'; readonly added: Added }
  | Extract<Executed, { outcome: 'token-ahead' }>;

/** Finds what is added to a command, from the state of other aggregates. It changes nothing. */
type Prepare<Commands extends CommandDeclarations, Type extends keyof Commands['types']> = (
  data: Omit<CommandOf<Commands, Type>['data'], keyof AddedTo<Commands, Type>>,
  context: CommandContext,
) => Promise<Preparation<AddedTo<Commands, Type>>>;

interface ModuleDeclaration<Commands extends CommandDeclarations> {
  readonly aggregate: Aggregate<any, any, Commands, any, any>; // oxlint-disable-line typescript/no-explicit-any -- existential
  /** Its read models; for a while during a rollout, two revisions of one. */
  readonly readModels: readonly Projection[];
  readonly routes: readonly Route[];
  /** What each tag of its routes groups together, by the tag: a sentence for the OpenAPI document. */
  readonly tags: Readonly<Record<string, string>>;
}

/** Only where a command is `prepared`. */
type Prepares<Commands extends CommandDeclarations> = [PreparedTypes<Commands>] extends [never]
  ? { readonly prepare?: never }
  : {
      /** For each `prepared` command, what finds that which is added. It is made once in each isolate, with the write side. */
      readonly prepare: { readonly [Type in PreparedTypes<Commands>]: (write: WriteSide) => Prepare<Commands, Type> };
    };

/**
 * Ties one subject of the domain together: its aggregate, read models and routes. `domain.ts` lists the modules.
 *
 *     export const seats = module({ aggregate: seat, readModels: [seatMap], routes: seatRoutes, tags: { seats: 'The seats of a hall.' } });
 */
export function module<Commands extends CommandDeclarations>(
  declaration: ModuleDeclaration<Commands> & Prepares<Commands>,
): Module {
  const { aggregate, readModels, routes, tags } = declaration;
  const prepare = (declaration.prepare ?? {}) as Readonly<Record<string, (write: WriteSide) => AnyPrepare>>;
  return {
    aggregate,
    commands: (write) => handlersOf(aggregate, prepare, write),
    projections: readModels,
    routes,
    tags,
    events: aggregate.schemas,
    problems: ownProblems(aggregate),
  };
}

type AnyPrepare = (data: object, context: CommandContext) => Promise<Preparation<object>>;

/** Sends each command to the aggregate that its id names, with what is added. */
function handlersOf(
  { commands, streamOf }: AnyAggregate,
  prepare: Readonly<Record<string, (write: WriteSide) => AnyPrepare>>,
  write: WriteSide,
): CommandHandlers {
  const { id, types } = commands as CommandDeclarations;
  const { aggregates } = write;

  function handlerOf(type: string): CommandHandler<Command, Executed> {
    const prepares = prepare[type]?.(write);
    return async (command, context) => {
      const stream = streamOf((command.data as Readonly<Record<string, string>>)[id] ?? '');
      const execute = async (data: object) => ({
        ...(await aggregates.execute(executeRequest(stream, { type, data }, context))),
        stream,
      });
      if (!prepares) return execute(command.data);
      // What was done before with the same key is answered without a look at other aggregates (I3).
      const before = await replayOf(aggregates, stream, context);
      if (before) return before;
      const preparation = await prepares(command.data, context);
      if (preparation.outcome !== 'prepared') return preparation;
      return execute({ ...command.data, ...preparation.added });
    };
  }

  return Object.fromEntries(Object.keys(types).map((type) => [type, handlerOf(type)]));
}

/** The refusals that have an HTTP face of their own. */
function ownProblems({ refusals }: AnyAggregate): Readonly<Record<string, ProblemType>> {
  const own = Object.entries(refusals).flatMap(([code, face]) => {
    if (!('status' in face)) return [];
    const { of: _, ...type } = face;
    return [[code, type] as const];
  });
  return Object.fromEntries(own);
}
