import { accessTable } from './access/access.ts';
import { archiveOf } from './archive/archive.ts';
import { rebuildWorkflow } from './rebuild/rebuild-workflow.ts';
import { consumeHints } from './catch-up/projection-worker.ts';
import { aggregateObject } from './write/aggregate-object.ts';
import { createRegistry } from './projections/registry.ts';
import { createApp } from './http/app.ts';
import { log } from './platform/log.ts';
import { PROBLEMS, type ProblemHead, mergeProblems } from './http/problem.ts';
import { apiOf } from './runtime/api.ts';
import { cloudflare, groupOfQueue } from './runtime/platform.ts';
import { type Runtime, createRuntime } from './runtime/runtime.ts';
import { runScheduledJobs } from './runtime/scheduled-jobs.ts';
import type { Settings } from './runtime/settings.ts';
import type { WorkerOptions } from './worker-options.ts';

export type { Bindings, GroupBinding, Platform } from './runtime/platform.ts';
export { cloudflare } from './runtime/platform.ts';
export type { Module } from './authoring/registered-module.ts';
export type { Group } from './platform/group.ts';
export type { RebuildParams } from './rebuild/rebuild-workflow.ts';
export type { Settings } from './runtime/settings.ts';
export type { AccessTable } from './access/access.ts';
export type { WorkerOptions } from './worker-options.ts';

/**
 * Makes a Worker of a domain: its handlers, its Durable Object class and its Workflow class. Throws when the domain contradicts itself.
 *
 *     const { handler, Aggregate, Rebuild } = tidemark({ modules: domain, bindings });
 *     export { Aggregate, Rebuild };
 *     export default handler;
 */
export function tidemark<Env extends Settings>(options: WorkerOptions<Env>) {
  const { modules, bindings, platform = cloudflare(bindings) } = options;
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

  const app = createApp({
    runtimeOf: (env) => runtimeOf(env as Env),
    routes: apiOf(modules, archive).routes,
    problems: mergeProblems<ProblemHead>(PROBLEMS, ...modules.map((module) => module.problems)),
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
