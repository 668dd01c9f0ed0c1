import { type Env, groupOfQueue } from '../bindings.ts';
import { archiveOf } from './archive/archive.ts';
import { rebuildWorkflow } from './rebuild/rebuild-workflow.ts';
import { consumeHints } from './catch-up/projection-worker.ts';
import { aggregateObject } from './write/aggregate-object.ts';
import { createRegistry } from './projections/registry.ts';
import { groups, reporting } from '../groups.ts';
import { createApp } from './http/app.ts';
import type { ApiInfo } from './http/openapi.ts';
import { type EventSchemas, mergeEventSchemas, withFormerTypes } from './http/event-schemas.ts';
import { log } from './platform/log.ts';
import type { Module } from './authoring/registered-module.ts';
import { PROBLEMS, mergeProblems } from './http/problem.ts';
import { deadLetterRoutes } from './operations/dead-letter-routes.ts';
import { OPERATIONS_TAGS, metaRoutes } from './operations/meta-routes.ts';
import { rebuildRoutes } from './operations/rebuild-routes.ts';
import { feedRoute } from './operations/feed-route.ts';
import { projectionRoutes } from './operations/projection-routes.ts';
import { streamRoute } from './operations/stream-routes.ts';
import { sweepRoute } from './operations/sweep-route.ts';
import { type Platform, type Runtime, createRuntime } from './runtime/runtime.ts';
import { runScheduledJobs } from './runtime/scheduled-jobs.ts';

/** What an API without a description says of itself. */
const ANY_API: ApiInfo = { title: 'Tidemark', description: 'Event-sourced at the edge.' };

/** Runs a domain on a platform: makes the Worker's handlers, its Durable Object class and its Workflow class. */
export function tidemark(domain: readonly Module[], platform: Platform, info: ApiInfo = ANY_API) {
  // Now, not at the first request: a domain that contradicts itself must fail the deployment.
  const archive = archiveOf(
    domain.map(({ aggregate }) => aggregate),
    reporting,
    platform.clock.random,
  );
  const registry = createRegistry(domain, groups, [archive]);
  const runtimes = new WeakMap<Env, Runtime>();
  function runtimeOf(env: Env): Runtime {
    const known = runtimes.get(env) ?? createRuntime(env, domain, registry, archive, platform);
    runtimes.set(env, known);
    return known;
  }

  const problems = mergeProblems(PROBLEMS, ...domain.map((module) => module.problems));
  const eventsOf: Record<string, EventSchemas> = Object.fromEntries(
    domain.map(({ aggregate, events: schemas }) => [aggregate.category, withFormerTypes(aggregate.events, schemas)]),
  );
  const events = mergeEventSchemas(...Object.values(eventsOf));
  const tags = Object.assign({}, ...domain.map((module) => module.tags), OPERATIONS_TAGS) as Record<string, string>;
  const routes = [
    ...domain.flatMap((module) => module.routes),
    streamRoute(events),
    feedRoute(archive, events, eventsOf),
    ...rebuildRoutes,
    ...deadLetterRoutes,
    ...projectionRoutes,
    sweepRoute,
  ];
  const app = createApp(runtimeOf, [...routes, ...metaRoutes(info, routes, problems, tags)], problems);

  const handler: ExportedHandler<Env> = {
    fetch: app.fetch,
    async queue(batch, env) {
      const group = groupOfQueue(batch.queue);
      if (!group) {
        log('queue.unknown', { queue: batch.queue });
        batch.retryAll();
        return;
      }
      const { worker, clock } = runtimeOf(env);
      const startedAt = clock.now();
      await consumeHints(worker, group, batch.messages);
      log('queue.batch', {
        group: group.name,
        messages: batch.messages.length,
        durationMs: clock.now() - startedAt,
      });
    },
    async scheduled(_controller, env) {
      await runScheduledJobs(runtimeOf(env));
    },
  };
  return {
    handler,
    Aggregate: aggregateObject<Env>((env) => runtimeOf(env).aggregateHost),
    Rebuild: rebuildWorkflow<Env>((env) => runtimeOf(env).builds),
    runtimeOf,
  };
}
