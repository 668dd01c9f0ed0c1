import * as z from 'zod/mini';

import type { RecordedEvent } from '../domain/event.ts';
import { type StreamId, streamId } from '../domain/stream.ts';
import type { AggregateType } from '../domain/aggregate-type.ts';
import type { Decision, Rejection } from '../domain/decider.ts';
import type { Principal } from '../domain/principal.ts';
import type { EventTypes } from '../domain/upcaster.ts';
import { type EventSchemas, namedSchemas } from '../http/event-schemas.ts';
import type { PROBLEMS, ProblemType } from '../http/problem.ts';
import type { CommandDeclarations, CommandOf } from './command-declarations.ts';
import type { EventDeclarations, EventOf } from './event-declarations.ts';

/** The problem type of a refusal of the domain, and the commands that it can refuse. */
export interface RefusalFace<CommandType extends string = string> extends ProblemType {
  readonly of: readonly CommandType[];
}

/** A refusal with a problem type of the framework: only the commands that it can refuse. */
interface KnownRefusal<CommandType extends string> {
  readonly of: readonly CommandType[];
}

/**
 * A problem type for each refusal code of the decider. For a code of the framework, such as `wrong-state`, only the commands are named. `not-found` is
 * left out, since it can refuse every command on an existing aggregate.
 */
export type Refusals<Code extends string, CommandType extends string> = {
  readonly [Own in Exclude<Code, keyof typeof PROBLEMS>]: RefusalFace<CommandType>;
} & {
  readonly [Known in Exclude<Extract<Code, keyof typeof PROBLEMS>, 'not-found'>]: KnownRefusal<CommandType>;
};

/** The declaration of one kind of aggregate. */
interface AggregateDeclaration<
  State extends object,
  Absent extends State,
  Commands extends CommandDeclarations,
  Events extends EventDeclarations,
  Refusal extends Rejection,
> {
  /** The first part of the ids of its streams: one lower-case word. */
  readonly category: string;
  /** The events, from `events`. */
  readonly events: Events;
  /** The commands, from `commands`. */
  readonly commands: Commands;
  readonly decider: {
    /** The state of a stream without events. */
    readonly initialState: Absent;
    decide(this: void, command: CommandOf<Commands>, state: State, by: Principal): Decision<EventOf<Events>, Refusal>;
    evolve(this: void, state: State, event: RecordedEvent<EventOf<Events>>): State;
  };
  /** An integer from 1. Raise it when the shape or the meaning of the state changes: snapshots with another number are ignored. */
  readonly stateVersion: number;
  readonly refusals: Refusals<Refusal['code'], CommandOf<Commands>['type']>;
  /**
   * The customer to whom the aggregate belongs; null: to none. Principals of other customers get 404, for commands and reads. Needed if a route is for
   * customers (`whose: 'customer'`). Default: it belongs to no customer.
   */
  readonly owner?: (state: Exclude<State, Absent>) => string | null;
}

/** One kind of aggregate, as `aggregate` makes it. */
export interface Aggregate<
  State extends object = object,
  Absent extends State = State,
  Commands extends CommandDeclarations = CommandDeclarations,
  Events extends EventDeclarations = EventDeclarations,
  Refusal extends Rejection = Rejection,
> extends AggregateType<State, CommandOf<Commands>, EventOf<Events>, Refusal> {
  readonly commands: Commands;
  /** The schemas of its events over HTTP, by stored type. */
  readonly schemas: EventSchemas;
  readonly refusals: Readonly<Record<string, RefusalFace | KnownRefusal<string>>>;
  /** The stream of the aggregate with this id. Throws when the two make no valid stream id. */
  streamOf(this: void, id: string): StreamId;
  /** Only a type: the states of a stream that has events. */
  readonly existing?: Exclude<State, Absent>;
}

/** An aggregate whose own types were checked where it was declared. */
// oxlint-disable-next-line typescript/no-explicit-any -- existential: no single type argument fits every aggregate
export type AnyAggregate = Aggregate<any, any, any, any, any>;

/**
 * Declares one kind of aggregate: its events, its commands, its decider, and the problem type of each refusal. `decide` returns events or a refusal,
 * and throws nothing. `evolve` never fails. Both are pure: they read neither a clock nor a random source. The Worker does not start when two
 * aggregates have the same category.
 *
 *     export const seat = aggregate({
 *       category: 'seat',
 *       events: seatEvents,
 *       commands: seatCommands,
 *       decider: { initialState: { status: 'absent' }, decide, evolve },
 *       stateVersion: 1,
 *       refusals: {
 *         'seat-exists': { status: 409, title: 'Seat exists', advice: 'Choose another id.', of: ['AddSeat'] },
 *         'seat-taken': { status: 409, title: 'Seat taken', advice: 'Choose another seat.', of: ['ReserveSeat'] },
 *         'seat-free': { status: 409, title: 'Seat free', advice: 'There is nothing to release.', of: ['ReleaseSeat'] },
 *       },
 *     });
 */
export function aggregate<
  State extends object,
  const Absent extends State,
  Commands extends CommandDeclarations,
  Events extends EventDeclarations,
  Refusal extends Rejection,
>(
  declaration: AggregateDeclaration<State, Absent, Commands, Events, Refusal>,
): Aggregate<State, Absent, Commands, Events, Refusal> {
  const { category, events, commands, decider, stateVersion, refusals, owner } = declaration;
  const types = Object.entries(events).map(([type, { steps }]) => [type, steps] as const);
  const schemas = Object.entries(events).flatMap(([type, { stored, steps }]) => [
    [type, z.strictObject(stored)] as const,
    ...steps.flatMap((step) => ('shape' in step ? [[step.formerType, z.strictObject(step.shape)] as const] : [])),
  ]);
  return {
    category,
    decider,
    events: Object.fromEntries(types) as unknown as EventTypes<EventOf<Events>>,
    stateVersion,
    commands,
    schemas: namedSchemas(schemas),
    refusals,
    ...(owner && { owner: owner as (state: State) => string | null }),
    streamOf: (id) => streamId(category, id),
  };
}
