import {
  type Aggregate,
  type AggregateOptions,
  type AggregatePorts,
  type ExecuteAnswer,
  type ExecuteRequest,
  createAggregate,
} from '../write/aggregate.ts';
import type { AggregateRpc } from '../write/aggregates.ts';
import type { Alarm } from '../write/kept-alarm.ts';
import { type RelayOptions, type RelayPorts, createRelay } from '../write/relay.ts';
import { type InMemoryStorage, inMemoryStorage } from './in-memory-storage.ts';

/** An object's only alarm. It fires only when a test fires it. */
export interface ManualAlarm extends Alarm {
  /** When it is due, in ms since the epoch. Null if it is not set. */
  readonly dueAt: number | null;
}

function manualAlarm(): ManualAlarm {
  let dueAt: number | null = null;
  return {
    get dueAt() {
      return dueAt;
    },
    at: async () => dueAt,
    async set(at) {
      dueAt = at;
    },
    clear() {
      dueAt = null;
    },
  };
}

/** The parts of an object that survive its eviction. */
export interface InMemoryDisk {
  readonly storage: InMemoryStorage;
  readonly alarm: ManualAlarm;
}

export function inMemoryDisk(): InMemoryDisk {
  return { storage: inMemoryStorage(), alarm: manualAlarm() };
}

/** The dependencies that objects share, as on the platform. */
export interface InMemoryHost
  extends
    Pick<RelayPorts, 'groupsOf' | 'send' | 'versionsReached' | 'report' | 'clock'>,
    Pick<AggregatePorts, 'typeOf'> {
  readonly aggregateOptions?: AggregateOptions;
  readonly relayOptions?: RelayOptions;
}

/** One lifetime of an aggregate's object. To evict the object, make a new one on the same disk. */
export interface InMemoryObject extends Required<AggregateRpc> {
  readonly aggregate: Aggregate;
  /** Runs the alarm handler at once, as the platform does when the alarm is due, or with `isRetry` after a run that failed. */
  fireAlarm(options?: { readonly isRetry?: boolean }): Promise<void>;
  /** Waits for all background work. */
  settled(): Promise<void>;
}

/**
 * One aggregate's object in memory. It connects the aggregate and relay of production as the Durable Object class does. Its disk can outlive it.
 *
 *     const disk = inMemoryDisk();
 *     const before = inMemoryObject(host, disk);
 *     await before.execute(request);
 *     const afterEviction = inMemoryObject(host, disk);
 */
export function inMemoryObject(host: InMemoryHost, { storage, alarm }: InMemoryDisk = inMemoryDisk()): InMemoryObject {
  const background = new Set<Promise<void>>();
  const relay = createRelay(
    {
      ...host,
      storage,
      alarm,
      inBackground(work) {
        const done = work.finally(() => background.delete(done));
        background.add(done);
      },
    },
    // By default, nothing waits for real time.
    { coalesceMs: 0, ...host.relayOptions },
  );
  const aggregate = createAggregate(
    { ...host, storage, armAlarm: (stream, from, to) => relay.expect(stream, from, to) },
    host.aggregateOptions,
  );

  async function execute(request: ExecuteRequest): Promise<ExecuteAnswer> {
    await relay.prepare();
    relay.rescueAlarm();
    return aggregate.execute(request);
  }

  return {
    aggregate,
    execute,
    executeOwned: execute,
    async replay(request) {
      relay.rescueAlarm();
      return aggregate.replay(request);
    },
    async load(fromVersion, limit) {
      relay.rescueAlarm();
      return aggregate.load(fromVersion, limit);
    },
    async currentVersion() {
      relay.rescueAlarm();
      return aggregate.currentVersion();
    },
    async state(stream, asOf) {
      relay.rescueAlarm();
      return aggregate.state(stream, asOf);
    },
    async fireAlarm(options) {
      // While the handler runs, the platform reports that no alarm is set.
      alarm.clear();
      await relay.onAlarm(options);
    },
    async settled() {
      while (background.size > 0) await Promise.all(background);
    },
  };
}
