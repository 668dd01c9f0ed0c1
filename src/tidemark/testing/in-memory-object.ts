import { type Aggregate, type AggregateOptions, type AggregatePorts, createAggregate } from '../write/aggregate.ts';
import type { AggregateRpc } from '../write/aggregates.ts';
import type { Alarm } from '../write/kept-alarm.ts';
import { type RelayOptions, type RelayPorts, createRelay } from '../write/relay.ts';
import { type InMemoryStorage, inMemoryStorage } from './in-memory-storage.ts';

/** An object's one alarm, which goes off only when a test says so. */
export interface ManualAlarm extends Alarm {
  /** When it is due, in ms since the epoch; null when it is not set. */
  readonly dueAt: number | null;
}

/** An alarm that is not set. */
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

/** What outlives an object's eviction. */
export interface InMemoryDisk {
  readonly storage: InMemoryStorage;
  readonly alarm: ManualAlarm;
}

export function inMemoryDisk(): InMemoryDisk {
  return { storage: inMemoryStorage(), alarm: manualAlarm() };
}

/** What objects share, as on the platform. */
export interface InMemoryHost
  extends
    Pick<RelayPorts, 'groupsOf' | 'send' | 'versionsReached' | 'report' | 'clock'>,
    Pick<AggregatePorts, 'typeOf'> {
  readonly aggregateOptions?: AggregateOptions;
  readonly relayOptions?: RelayOptions;
}

/** An aggregate's object as it is while it lives: a new one on the same disk is what an eviction leaves. */
export interface InMemoryObject extends Required<AggregateRpc> {
  readonly aggregate: Aggregate;
  /** Does at once what the platform does when the alarm is due. */
  fireAlarm(): Promise<void>;
  /** Waits for everything that was left to the background. */
  settled(): Promise<void>;
}

/**
 * One aggregate's object in plain memory: the aggregate and relay of production, put together as the Durable Object class does it, on a
 * disk that can be kept while the object is evicted.
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
    // Without another wish nothing waits for real time.
    { coalesceMs: 0, ...host.relayOptions },
  );
  const aggregate = createAggregate(
    { ...host, storage, armAlarm: (stream, from, to) => relay.expect(stream, from, to) },
    host.aggregateOptions,
  );

  return {
    aggregate,
    async execute(request) {
      await relay.prepare();
      relay.rescueAlarm();
      return aggregate.execute(request);
    },
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
    async fireAlarm() {
      // While its handler runs, the platform says that no alarm is set.
      alarm.clear();
      await relay.onAlarm();
    },
    async settled() {
      while (background.size > 0) await Promise.all(background);
    },
  };
}
