import type { BuildRunner } from '../../src/tidemark/rebuild/build-requests.ts';
import type { Group } from '../../src/tidemark/platform/group.ts';
import type { Hint } from '../../src/tidemark/write/message.ts';
import type { StreamId } from '../../src/tidemark/domain/stream.ts';
import type { AggregateRpc } from '../../src/tidemark/write/aggregates.ts';
import { fetchKeys } from './key-server.ts';
import { type Env, bindings } from '../../src/bindings.ts';
import { type Platform, cloudflare } from '../../src/tidemark/runtime/platform.ts';

/** A message that the relay sent, caught before the queue. */
export interface SentHint {
  readonly group: Group;
  readonly hint: Hint;
}

/** The platform as production uses it. */
export const production = cloudflare(bindings);

interface Ports {
  /** Default: the message is caught in `sent`, and a test delivers it when it likes. */
  sendHint: (env: Env, group: Group, hint: Hint) => Promise<void>;
  database: (env: Env, group: Group) => D1Database;
  aggregateStub: (env: Env, stream: StreamId) => AggregateRpc;
  buildRunner: (env: Env) => BuildRunner;
  /** Added to the real time, in ms. */
  clockOffsetMs: number;
  /** Whether the Worker applies events after its answers. Default: no, so that a projection is behind until a test delivers a message. */
  appliesAfterAnswer: boolean;
}

/** Everything the relay sent since the last `resetPorts`. */
export const sent: SentHint[] = [];

const defaults = (): Ports => ({
  sendHint: async (_env, group, hint) => {
    sent.push({ group, hint });
  },
  database: production.database,
  aggregateStub: production.aggregateStub,
  buildRunner: production.buildRunner,
  clockOffsetMs: 0,
  appliesAfterAnswer: false,
});

/** The current ports. A test assigns those that it replaces, and `resetPorts`, which runs after each test, restores all. */
export const ports: Ports = defaults();

export function resetPorts(): void {
  Object.assign(ports, defaults());
  sent.length = 0;
}

/** The platform of the Worker under test. */
export const platform: Platform<Env> = {
  clock: { ...production.clock, now: () => Date.now() + ports.clockOffsetMs },
  aggregateStub: (env, stream) => ports.aggregateStub(env, stream),
  async send(env, group, { hints }) {
    for (const hint of hints) await ports.sendHint(env, group, hint);
  },
  database: (env, group) => ports.database(env, group),
  // A test finds the first message right after the command.
  relayOptions: { coalesceMs: 20, gatherMs: 0, timeoutMs: 300 },
  authenticationOptions: { fetch: fetchKeys, pauseMs: 50 },
  afterAnswerOptions: {
    get isOn() {
      return ports.appliesAfterAnswer;
    },
  },
  causalTimeoutMs: 1_000,
  buildRunner: (env) => ({
    launch: (projection, build) => ports.buildRunner(env).launch(projection, build),
    revive: (projection, build) => ports.buildRunner(env).revive(projection, build),
    stop: (build) => ports.buildRunner(env).stop(build),
  }),
};
