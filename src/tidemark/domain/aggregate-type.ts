import type { DomainEvent } from './event.ts';
import type { Command, Decider, Rejection } from './decider.ts';
import type { EventTypes } from './upcaster.ts';

/** Everything the kernel has to know about one kind of aggregate. */
export interface AggregateType<
  State extends object = object,
  C extends Command = Command,
  Event extends DomainEvent = DomainEvent,
  Refusal extends Rejection = Rejection,
> {
  /** The first part of its streams' ids: one lower-case word. */
  readonly category: string;
  readonly decider: Decider<State, C, Event, Refusal>;
  /** Its event types and how old shapes of them are lifted. */
  readonly events: EventTypes<Event>;
  /** Raise it when the shape or the meaning of the state changes: snapshots of another number are ignored. From 1. */
  readonly stateVersion: number;
}

/**
 * An aggregate type whose own types were checked where it was made: what a registry of many holds. The kernel hands a decider only
 * commands and events of its own category.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- existential: no single type argument fits every aggregate
export type AnyAggregateType = AggregateType<any, any, any, any>;
