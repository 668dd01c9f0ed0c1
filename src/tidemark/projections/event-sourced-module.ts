import type { Clock } from '../platform/clock.ts';
import type { Projection } from './projection.ts';
import type { AnyAggregateType } from '../domain/aggregate-type.ts';
import type { Aggregates } from '../write/aggregates.ts';
import type { CommandHandlers } from '../write/command-bus.ts';

/** The ports that command handlers may use: the write side only. */
export interface WriteSide {
  readonly aggregates: Aggregates;
  readonly clock: Clock;
}

/** The parts of one subject of the domain that the kernel uses. */
export interface EventSourcedModule {
  readonly aggregate: AnyAggregateType;
  /** Its command handlers, by command type. */
  readonly commands: (write: WriteSide) => CommandHandlers;
  /** Its projections. During a rollout, two revisions of one. */
  readonly projections: readonly Projection[];
}
