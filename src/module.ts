import type { EventSourcedModule } from './eventsourcing/module.ts';
import type { ProblemTypes } from './http/problem.ts';
import type { Route } from './http/route.ts';

/** One subject of the domain, whole. `domain.ts` lists all of them. */
export interface Module extends EventSourcedModule {
  readonly routes: readonly Route[];
  /** How the refusals of its deciders look over HTTP, by their code. */
  readonly problems: ProblemTypes;
}
