import type { Clock } from './eventsourcing/clock.ts';
import type { EventSourcedModule } from './eventsourcing/registry.ts';
import type { Aggregates } from './eventsourcing/write/aggregates.ts';
import type { CommandHandlers } from './eventsourcing/write/command-bus.ts';
import type { ProblemTypes } from './http/problem.ts';
import type { Route } from './http/route.ts';

/** What command handlers may use: the write side, and nothing of the read side. */
export interface WriteSide {
  readonly aggregates: Aggregates;
  readonly clock: Clock;
}

/** One subject of the domain, whole. `domain.ts` lists all of them. */
export interface Module extends EventSourcedModule {
  readonly commands: (write: WriteSide) => CommandHandlers;
  readonly routes: readonly Route[];
  /** How the refusals of its deciders look over HTTP, by their code. */
  readonly problems: ProblemTypes;
}
