import type { Group } from './tidemark/platform/group.ts';
import type { RebuildParams } from './tidemark/rebuild/rebuild-workflow.ts';
import { reporting, serving } from './groups.ts';

/** Everything that wrangler.toml, the secrets and the variables of a deployment provide. */
export interface Env {
  readonly AGGREGATES: DurableObjectNamespace;
  readonly SERVING_QUEUE: Queue;
  readonly SERVING_DB: D1Database;
  readonly REPORTING_QUEUE: Queue;
  readonly REPORTING_DB: D1Database;
  readonly REBUILDS: Workflow<RebuildParams>;
  /** Secret, of at least 32 bytes: encrypts causal tokens. */
  readonly CAUSAL_TOKEN_KEY?: string;
  /** Secret, only while keys are rotated: tokens made with it are still accepted. */
  readonly CAUSAL_TOKEN_PREVIOUS_KEY?: string;
  /** `1` writes causal tokens as the release before does, for as long as a Worker of it serves. Default: `2`. Both are read. */
  readonly CAUSAL_TOKEN_FORMAT?: string;
  /** Raised by one after a database was restored: tokens of before that are no longer taken at their bookmarks. Default: 0. */
  readonly RESTORE_EPOCH?: string;
  /** Secret: opens the operations routes, the feed and the history. */
  readonly OPERATIONS_KEY?: string;
  /** `open` lets everybody use the operations routes: only for a local server. */
  readonly OPERATIONS_ACCESS?: string;
  /** Names that a local server answers to beside those of this machine, separated by spaces. Default: none. */
  readonly LOCAL_HOSTS?: string;
  /** How long a build of a new revision waits for Workers without its code to end, in seconds. Default: 1200. */
  readonly BUILD_GRACE_S?: string;
  /** Origins whose pages may call from a browser, and change state, separated by spaces; `*` for all. Default: none. */
  readonly CORS_ORIGINS?: string;
}

/** What each group of projections has of its own. */
const GROUP_BINDINGS = new Map<
  Group,
  { readonly queue: (env: Env) => Queue; readonly database: (env: Env) => D1Database }
>([
  [serving, { queue: (env) => env.SERVING_QUEUE, database: (env) => env.SERVING_DB }],
  [reporting, { queue: (env) => env.REPORTING_QUEUE, database: (env) => env.REPORTING_DB }],
]);

export function queueOf(env: Env, group: Group): Queue {
  return bindingsOf(group).queue(env);
}

export function databaseOf(env: Env, group: Group): D1Database {
  return bindingsOf(group).database(env);
}

/** The group that a queue belongs to: queues are named `<prefix>-<group>`. */
export function groupOfQueue(queue: string): Group | undefined {
  return [...GROUP_BINDINGS.keys()].find((group) => queue.endsWith(`-${group.name}`));
}

function bindingsOf(group: Group) {
  const bindings = GROUP_BINDINGS.get(group);
  if (!bindings) throw new Error(`the group "${group.name}" has no bindings in src/bindings.ts`);
  return bindings;
}
