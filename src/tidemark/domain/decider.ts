import type { DomainEvent, RecordedEvent } from './event.ts';
import type { JsonObject } from './json.ts';
import type { Principal } from './principal.ts';

/** A command, as a decider gets it: an imperative name and its data. */
export interface Command<Type extends string = string, Data extends object = object> {
  readonly type: Type;
  readonly data: Data;
}

/** A refusal by the domain. It is a value and not an exception: it travels over RPC, and it is no fault. */
export interface Rejection<Code extends string = string> {
  /** Stable and machine-readable, for example `wrong-state`. */
  readonly code: Code;
  /** Tells a person what is wrong and what to do about it. */
  readonly message: string;
  /** Further members of the problem document, for example the unknown seats. */
  readonly details?: JsonObject;
}

/**
 * The result of a decider: the events that happened (possibly none), or the reason for a refusal. On a stream that does not exist, refuse a command
 * that changes nothing. Without an event the stream stores nothing, so it does not remember the command's idempotency key.
 */
export type Decision<Event extends DomainEvent, Refusal extends Rejection = Rejection> = readonly Event[] | Refusal;

/**
 * The decider pattern (Jérémie Chassaing, https://thinkbeforecoding.com/post/2021/12/17/functional-event-sourcing-decider): an aggregate as three
 * pure members.
 *
 * `decide` and `evolve` use only their arguments: no clock, no random source, no I/O. `evolve` never fails.
 */
export interface Decider<
  State extends object,
  C extends Command = Command,
  Event extends DomainEvent = DomainEvent,
  Refusal extends Rejection = Rejection,
> {
  readonly initialState: State;
  /** `by` is the principal who sends the command. */
  decide(this: void, command: C, state: State, by: Principal): Decision<Event, Refusal>;
  evolve(this: void, state: State, event: RecordedEvent<Event>): State;
}

/** Whether a decision refuses the command. */
export function isRejection<Event extends DomainEvent, Refusal extends Rejection>(
  decision: Decision<Event, Refusal>,
): decision is Refusal {
  return !Array.isArray(decision);
}

/** Whether it is a decision at all. If the code is older than the command, its `switch` has no case for it and returns undefined. */
export function isDecision(decided: unknown): boolean {
  if (Array.isArray(decided)) return true;
  return typeof decided === 'object' && decided !== null && 'code' in decided && typeof decided.code === 'string';
}
