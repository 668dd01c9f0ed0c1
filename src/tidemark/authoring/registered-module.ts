import type { EventSourcedModule } from '../projections/event-sourced-module.ts';
import type { EventSchemas } from '../http/event-schemas.ts';
import type { ProblemTypes } from '../http/problem.ts';
import type { Route } from '../http/route.ts';

/** One subject of the domain, whole. `domain.ts` lists all of them. */
export interface Module extends EventSourcedModule {
  readonly routes: readonly Route[];
  /** What each tag of its routes groups together, by the tag. */
  readonly tags: Readonly<Record<string, string>>;
  /** How the data of its events look over HTTP, by event type. */
  readonly events: EventSchemas;
  /** How the refusals of its deciders look over HTTP, by their code. */
  readonly problems: ProblemTypes;
}
