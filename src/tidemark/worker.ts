import { type AccessTable, accessTable } from './access/access.ts';
import { archiveOf } from './archive/archive.ts';
import { rebuildWorkflow } from './rebuild/rebuild-workflow.ts';
import { consumeHints } from './catch-up/projection-worker.ts';
import { aggregateObject } from './write/aggregate-object.ts';
import { createRegistry } from './projections/registry.ts';
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
import { type Bindings, type Platform, cloudflare, groupOfQueue } from './runtime/platform.ts';
import { type Runtime, createRuntime } from './runtime/runtime.ts';
import { runScheduledJobs } from './runtime/scheduled-jobs.ts';
import type { Settings } from './runtime/settings.ts';

export type { Bindings, GroupBinding, Platform } from './runtime/platform.ts';
export { cloudflare } from './runtime/platform.ts';
export type { Module } from './authoring/registered-module.ts';
export type { Group } from './platform/group.ts';
export type { RebuildParams } from './rebuild/rebuild-workflow.ts';
export type { Settings } from './runtime/settings.ts';
export type { AccessTable } from './access/access.ts';

/** What `tidemark` makes a Worker of. */
export interface WorkerOptions<Env> {
  /** The domain: one module for each subject. */
  readonly modules: readonly Module[];
  readonly bindings: Bindings<Env>;
  /** The title and the description of the API, in its OpenAPI document. */
  readonly info?: ApiInfo;
  /** The scopes that the domain's routes need, and the roles. Default: only the framework's scopes. */
  readonly access?: Partial<AccessTable>;
  /** Default: Cloudflare's. Tests replace ports of it. */
  readonly platform?: Platform<Env>;
}

/** An API without a title of its own. */
const ANY_API: ApiInfo = { title: 'Tidemark', description: 'Event-sourced at the edge.' };

/**
 * Makes a Worker of a domain: its handlers, its Durable Object class and its Workflow class. Throws when the domain contradicts itself.
 *
 *     const { handler, Aggregate, Rebuild } = tidemark({ modules: domain, bindings });
 *     export { Aggregate, Rebuild };
 *     export default handler;
 */
export function tidemark<Env extends Settings>(options: WorkerOptions<Env>) {
  const { modules, bindings, info = ANY_API, platform = cloudflare(bindings) } = options;
  const access = accessTable(options.access);
  const groups = bindings.groups.map(({ group }) => group);
  const archive = archiveOf(
    modules.map(({ aggregate }) => aggregate),
    bindings.archive,
    platform.clock.random,
  );
  // Now, not at the first request: a domain that contradicts itself must fail the deployment.
  const registry = createRegistry(modules, groups, [archive]);
  const runtimes = new WeakMap<Env, Runtime>();
  function runtimeOf(env: Env): Runtime {
    const known = runtimes.get(env) ?? createRuntime(env, { modules, registry, archive, platform });
    runtimes.set(env, known);
    return known;
  }

  const problems = mergeProblems(PROBLEMS, ...modules.map((module) => module.problems));
  const eventsOf: Record<string, EventSchemas> = Object.fromEntries(
    modules.map(({ aggregate, events: schemas }) => [aggregate.category, withFormerTypes(aggregate.events, schemas)]),
  );
  const events = mergeEventSchemas(...Object.values(eventsOf));
  const tags = Object.assign({}, ...modules.map((module) => module.tags), OPERATIONS_TAGS) as Record<string, string>;
  const routes = [
    ...modules.flatMap((module) => module.routes),
    streamRoute(events),
    feedRoute(archive, events, eventsOf),
    ...rebuildRoutes,
    ...deadLetterRoutes,
    ...projectionRoutes,
    sweepRoute,
  ];
  const app = createApp({
    runtimeOf: (env) => runtimeOf(env as Env),
    routes: [...routes, ...metaRoutes(info, routes, problems, tags, access)],
    problems,
    access,
    authentication: { now: platform.clock.now, ...platform.authenticationOptions },
  });

  const handler: ExportedHandler<Env> = {
    fetch: app.fetch,
    async queue(batch, env) {
      const group = groupOfQueue(batch.queue, groups);
      if (!group) {
        log('queue.unknown', { queue: batch.queue });
        batch.retryAll();
        return;
      }
      const runtime = runtimeOf(env);
      const { clock } = runtime;
      const startedAt = clock.now();
      await consumeHints(runtime, group, batch.messages);
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
    Rebuild: rebuildWorkflow<Env>((env) => runtimeOf(env)),
    runtimeOf,
  };
}
