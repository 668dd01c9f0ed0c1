import type { ApiKeyCheckOptions } from '../access/api-key-check.ts';
import type { TokenCheckOptions } from '../access/json-web-token.ts';
import type { Clock } from '../platform/clock.ts';
import type { Group } from '../platform/group.ts';
import { systemClock } from '../platform/system-clock.ts';
import type { StreamId } from '../domain/stream.ts';
import type { AggregateOptions } from '../write/aggregate.ts';
import type { AggregateRpc } from '../write/aggregates.ts';
import type { HintMessage } from '../write/message.ts';
import type { RelayOptions } from '../write/relay.ts';
import type { AfterAnswerOptions } from '../catch-up/after-answer.ts';
import type { BuildRunner } from '../rebuild/build-requests.ts';
import { type RebuildParams, workflowRunner } from '../rebuild/rebuild-workflow.ts';

/** A group of projections, with its queue and its database in the environment. */
export interface GroupBinding<Env> {
  readonly group: Group;
  readonly queue: (env: Env) => Queue;
  readonly database: (env: Env) => D1Database;
}

/** The bindings that the framework needs from the environment: one in wrangler.toml for each. */
export interface Bindings<Env> {
  /** The class `Aggregate`: an object for each aggregate. */
  readonly aggregates: (env: Env) => DurableObjectNamespace;
  /** The class `Rebuild`: an instance for each build of a projection. */
  readonly rebuilds: (env: Env) => Workflow<RebuildParams>;
  /**
   * Every group, in the order of urgency. An object sends new events to the first group that follows its stream. The consumer of that group
   * passes them on to the others.
   */
  readonly groups: readonly GroupBinding<Env>[];
  /** The group whose database keeps the archive of all events. */
  readonly archive: Group;
}

/** The ports to the platform. A test can replace one of them, to inject faults. */
export interface Platform<Env> {
  readonly clock: Clock;
  readonly aggregateStub: (env: Env, stream: StreamId) => AggregateRpc;
  /** `delaySeconds`: how long the queue holds the message back. Default: not at all. */
  readonly send: (
    env: Env,
    group: Group,
    message: HintMessage,
    options?: { readonly delaySeconds?: number },
  ) => Promise<void>;
  readonly database: (env: Env, group: Group) => D1Database;
  readonly buildRunner: (env: Env) => BuildRunner;
  readonly aggregateOptions?: AggregateOptions;
  readonly relayOptions?: RelayOptions;
  readonly afterAnswerOptions?: AfterAnswerOptions;
  readonly authenticationOptions?: TokenCheckOptions & ApiKeyCheckOptions;
  /** The longest wait of a causal read, in ms. Default: that of `causalRead`. */
  readonly causalTimeoutMs?: number;
}

/** Cloudflare's platform, as production uses it. */
export function cloudflare<Env>({ aggregates, rebuilds, groups }: Bindings<Env>): Platform<Env> {
  function bindingOf(group: Group): GroupBinding<Env> {
    const binding = groups.find((one) => one.group === group);
    if (!binding) throw new Error(`the group "${group.name}" has no binding`);
    return binding;
  }

  return {
    clock: systemClock,
    aggregateStub(env, stream) {
      const objects = aggregates(env);
      return objects.get(objects.idFromName(stream)) as unknown as AggregateRpc;
    },
    async send(env, group, message, options = {}) {
      await bindingOf(group)
        .queue(env)
        .send(message, { ...options, contentType: 'json' });
    },
    database: (env, group) => bindingOf(group).database(env),
    buildRunner: (env) => workflowRunner(rebuilds(env)),
  };
}

/** The group of a queue. The name of a queue ends with that of its group: `<prefix>-<group>`. */
export function groupOfQueue(queue: string, groups: readonly Group[]): Group | undefined {
  return groups.find(({ name }) => queue.endsWith(`-${name}`));
}
