import type { WriteSide } from '../projections/event-sourced-module.ts';
import type { Projection } from '../projections/projection.ts';
import {
  type CommandContext,
  type CommandHandler,
  type CommandHandlers,
  type Executed,
  executeRequest,
  replayOf,
  replayOnly,
} from '../write/command-bus.ts';
import type { Command } from '../domain/decider.ts';
import type { ProblemType } from '../http/problem.ts';
import type { Route } from '../http/route.ts';
import type { Module } from './registered-module.ts';
import type { Aggregate, AnyAggregate } from './aggregate.ts';
import type { AddedTo, CommandDeclarations, CommandOf, PreparedTypes } from './command-declarations.ts';

/**
 * The result of a `prepare` function: `prepared` with the data added to the command, or `token-ahead` when the sender has seen more of a stream than
 * its log holds. The client then gets 409 `causal-token-ahead`.
 *
 *     const preparation: Preparation<{ row: number }> = { outcome: 'prepared', added: { row: 12 } };
 */
export type Preparation<Added> =
  | { readonly outcome: 'prepared'; readonly added: Added }
  | Extract<Executed, { outcome: 'token-ahead' }>;

/** Finds the data to add to a command, from the states of other aggregates. It changes nothing. */
type Prepare<Commands extends CommandDeclarations, Type extends keyof Commands['types']> = (
  data: Omit<CommandOf<Commands, Type>['data'], keyof AddedTo<Commands, Type>>,
  context: CommandContext,
) => Promise<Preparation<AddedTo<Commands, Type>>>;

interface ModuleDeclaration<Commands extends CommandDeclarations> {
  readonly aggregate: Aggregate<any, any, Commands, any, any>; // oxlint-disable-line typescript/no-explicit-any -- existential
  /** The read models. During a rollout, two revisions of one. */
  readonly readModels: readonly Projection[];
  readonly routes: readonly Route[];
  /** A description of each tag of the routes, by tag, for the OpenAPI document. */
  readonly tags: Readonly<Record<string, string>>;
}

/** Required if a command is declared with `prepared`. */
type Prepares<Commands extends CommandDeclarations> = [PreparedTypes<Commands>] extends [never]
  ? { readonly prepare?: never }
  : {
      /** For each `prepared` command, a function that makes its `prepare` function. It runs once in each isolate, with the write side. */
      readonly prepare: { readonly [Type in PreparedTypes<Commands>]: (write: WriteSide) => Prepare<Commands, Type> };
    };

/**
 * Combines one subject of the domain: its aggregate, read models and routes. `domain.ts` lists the modules. The Worker does not start when two
 * modules declare the same category, event type, problem code or operation id.
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

/** Sends each command, with the added data, to the aggregate that its id names. */
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
      if (context.isReplayOnly) return replayOnly(aggregates, stream, context);
      if (!prepares) return execute(command.data);
      // A command that the same key already applied gets its first outcome, whatever the other aggregates are now (I3).
      const before = await replayOf(aggregates, stream, context);
      if (before) return before;
      const preparation = await prepares(command.data, context);
      if (preparation.outcome !== 'prepared') return preparation;
      return execute({ ...command.data, ...preparation.added });
    };
  }

  return Object.fromEntries(Object.keys(types).map((type) => [type, handlerOf(type)]));
}

/** The refusals for which the aggregate declares a problem type. */
function ownProblems({ refusals }: AnyAggregate): Readonly<Record<string, ProblemType>> {
  const own = Object.entries(refusals).flatMap(([code, face]) => {
    if (!('status' in face)) return [];
    const { of: _, ...type } = face;
    return [[code, type] as const];
  });
  return Object.fromEntries(own);
}
