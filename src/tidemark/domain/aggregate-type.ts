import type { DomainEvent } from './event.ts';
import type { Command, Decider, Rejection } from './decider.ts';
import type { EventTypes } from './upcaster.ts';

/** The kernel's knowledge of one kind of aggregate. */
export interface AggregateType<
  State extends object = object,
  C extends Command = Command,
  Event extends DomainEvent = DomainEvent,
  Refusal extends Rejection = Rejection,
> {
  /** The first part of the ids of its streams: one lower-case word. */
  readonly category: string;
  readonly decider: Decider<State, C, Event, Refusal>;
  /** Its event types, each with the steps that lift old shapes. */
  readonly events: EventTypes<Event>;
  /** An integer from 1. Raise it when the shape or the meaning of the state changes: snapshots with another number are ignored. */
  readonly stateVersion: number;
  /**
   * The customer to whom an aggregate with this state belongs. A principal of another customer gets the answers of a stream that does not exist. Null,
   * or without this function: it belongs to no customer, so no principal of a customer may use it. It is never called with the initial state.
   */
  readonly owner?: (state: State) => string | null;
}

/**
 * An aggregate type whose own types were checked where it was made. A registry holds many of them. The kernel passes a decider only commands and
 * events of its own category.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- existential: no single type argument fits every aggregate
export type AnyAggregateType = AggregateType<any, any, any, any>;
