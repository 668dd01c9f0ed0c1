import type { Bindings, RebuildParams, Settings } from '#tidemark/worker';
import { reporting, serving } from './groups.ts';

/** What wrangler.toml binds, beside the variables and secrets of the framework. */
export interface Env extends Settings {
  readonly AGGREGATES: DurableObjectNamespace;
  readonly REBUILDS: Workflow<RebuildParams>;
  readonly SERVING_QUEUE: Queue;
  readonly SERVING_DB: D1Database;
  readonly REPORTING_QUEUE: Queue;
  readonly REPORTING_DB: D1Database;
}

/** The groups stand in the order of urgency: events reach the first one at once, and the others through its consumer. */
export const bindings: Bindings<Env> = {
  aggregates: (env) => env.AGGREGATES,
  rebuilds: (env) => env.REBUILDS,
  groups: [
    { group: serving, queue: (env) => env.SERVING_QUEUE, database: (env) => env.SERVING_DB },
    { group: reporting, queue: (env) => env.REPORTING_QUEUE, database: (env) => env.REPORTING_DB },
  ],
  archive: reporting,
};
