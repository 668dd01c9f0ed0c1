import type { DomainEvent, RecordedEvent } from './event.ts';
import type { JsonObject } from './json.ts';

/** A command as a decider sees it: an imperative name and its data. */
export interface Command<Type extends string = string, Data extends object = object> {
  readonly type: Type;
  readonly data: Data;
}

/** A refusal by the domain: a value, never an exception, since it has to travel over RPC and is no fault. */
export interface Rejection<Code extends string = string> {
  /** Stable and machine-readable, for example `wrong-state`. */
  readonly code: Code;
  /** What is wrong and what to do about it, for a person. */
  readonly message: string;
  /** Further members of the problem document, for example which seats were unknown. */
  readonly details?: JsonObject;
}

/**
 * What a decider answers: the events that happened (none is allowed), or why the command is refused. On a stream that does not exist, refuse
 * a command that has nothing to do: without an event nothing is stored there, so its idempotency key is not remembered.
 */
export type Decision<Event extends DomainEvent, Refusal extends Rejection = Rejection> = readonly Event[] | Refusal;

/**
 * The decider pattern (Jérémie Chassaing, https://thinkbeforecoding.com/post/2021/12/17/functional-event-sourcing-decider):
 * an aggregate as three pure members.
 *
 * `decide` and `evolve` look at nothing but their arguments: no clock, no random, no I/O. `evolve` never fails.
 */
export interface Decider<
  State extends object,
  C extends Command = Command,
  Event extends DomainEvent = DomainEvent,
  Refusal extends Rejection = Rejection,
> {
  readonly initialState: State;
  decide(this: void, command: C, state: State): Decision<Event, Refusal>;
  evolve(this: void, state: State, event: RecordedEvent<Event>): State;
}

/** Whether a decision refuses the command. */
export function isRejection<Event extends DomainEvent, Refusal extends Rejection>(
  decision: Decision<Event, Refusal>,
): decision is Refusal {
  return !Array.isArray(decision);
}

/** Whether it is a decision at all: a `switch` that has no case for a command, since it is older than the command, lets it fall through. */
export function isDecision(decided: unknown): boolean {
  if (Array.isArray(decided)) return true;
  return typeof decided === 'object' && decided !== null && 'code' in decided && typeof decided.code === 'string';
}
