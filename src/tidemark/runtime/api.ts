import type { archiveOf } from '../archive/archive.ts';
import type { Module } from '../authoring/registered-module.ts';
import { type EventSchemas, mergeEventSchemas, withFormerTypes } from '../http/event-schemas.ts';
import type { Route } from '../http/route.ts';
import { deadLetterRoutes } from '../operations/dead-letter-routes.ts';
import { feedRoute } from '../operations/feed-route.ts';
import { metaRoutes } from '../operations/meta-routes.ts';
import { projectionRoutes } from '../operations/projection-routes.ts';
import { rebuildRoutes } from '../operations/rebuild-routes.ts';
import { streamRoute } from '../operations/stream-routes.ts';
import { sweepRoute } from '../operations/sweep-route.ts';

/** The routes of a domain and of the framework. */
export interface Api {
  readonly routes: readonly Route[];
  /** The schema of each event type of the domain, by the type. */
  readonly events: EventSchemas;
}

/** Puts the API of a domain together. Throws when the modules contradict each other. */
export function apiOf(modules: readonly Module[], archive: ReturnType<typeof archiveOf>): Api {
  const eventsOf: Record<string, EventSchemas> = Object.fromEntries(
    modules.map(({ aggregate, events: schemas }) => [aggregate.category, withFormerTypes(aggregate.events, schemas)]),
  );
  const events = mergeEventSchemas(...Object.values(eventsOf));
  const routes = [
    ...modules.flatMap((module) => module.routes),
    streamRoute,
    feedRoute(archive, events, eventsOf),
    ...rebuildRoutes,
    ...deadLetterRoutes,
    ...projectionRoutes,
    sweepRoute,
    ...metaRoutes(),
  ];
  return { routes, events };
}
