import type { Clock } from '../platform/clock.ts';
import type { Projection } from './projection.ts';
import type { AnyAggregateType } from '../domain/aggregate-type.ts';
import type { Aggregates } from '../write/aggregates.ts';
import type { CommandHandlers } from '../write/command-bus.ts';

/** What command handlers may use: the write side, and nothing of the read side. */
export interface WriteSide {
  readonly aggregates: Aggregates;
  readonly clock: Clock;
}

/** What one subject of the domain brings to the kernel. */
export interface EventSourcedModule {
  readonly aggregate: AnyAggregateType;
  /** Its command handlers, by command type. */
  readonly commands: (write: WriteSide) => CommandHandlers;
  /** Its projections; for a while during a rollout, two revisions of one. */
  readonly projections: readonly Projection[];
}
