import type { StoredEvent } from '../domain/event.ts';
import { CodeTooOldError } from '../platform/faults.ts';
import type { Group } from '../platform/group.ts';
import type { Hint } from '../write/message.ts';
import type { EventSourcedModule } from '../projections/event-sourced-module.ts';
import { createRegistry } from '../projections/registry.ts';
import { UNSEEN } from '../domain/seen.ts';
import type { StreamId } from '../domain/stream.ts';
import type { AggregateOptions } from '../write/aggregate.ts';
import type { Aggregates } from '../write/aggregates.ts';
import { type CommandContext, createCommandBus } from '../write/command-bus.ts';
import {
  type InMemoryDisk,
  type InMemoryHost,
  type InMemoryObject,
  inMemoryDisk,
  inMemoryObject,
} from './in-memory-object.ts';
import { type ManualClock, manualClock } from './manual-clock.ts';

type HandlersOf<Modules extends readonly EventSourcedModule[]> = {
  readonly [Index in keyof Modules]: ReturnType<Modules[Index]['commands']>;
};

/** A message from the relay. */
export interface PublishedHint {
  readonly group: Group;
  readonly hint: Hint;
}

/** The complete write side of a system, in memory. */
export interface InMemorySystem<Modules extends readonly EventSourcedModule[]> {
  readonly bus: ReturnType<typeof createCommandBus<HandlersOf<Modules>>>;
  readonly aggregates: Aggregates;
  readonly clock: ManualClock;
  /** Every event of every stream, in the sequence of recording. */
  readonly events: readonly StoredEvent[];
  /** Every message that the relay has sent so far. */
  readonly published: readonly PublishedHint[];
  /** The context of a command from an anonymous sender who has seen nothing. `overrides` replaces parts of it. */
  context(overrides?: Partial<CommandContext>): CommandContext;
  /** Evicts all aggregates. Their next operation starts cold, from the stored events. */
  evict(): void;
}

export interface InMemoryOptions {
  readonly clock?: ManualClock;
  readonly aggregateOptions?: AggregateOptions;
}

/**
 * Combines modules, so that whole command handlers run in memory, without Workers. The command bus, aggregates and relay are those of production.
 * Storage, queue and time are replaced.
 *
 *     const memory = inMemorySystem([seats]);
 *     await memory.bus.dispatch({ type: 'ReserveSeat', data: { seatId: '12', guest: 'Ada' } }, memory.context());
 *
 *     const page = await memory.aggregates.load(streamId('seat', '12'), 1, 100);
 *     memory.published[0]?.hint; // { stream: 'seat-12', fromVersion: 1, toVersion: 1, … }
 */
export function inMemorySystem<const Modules extends readonly EventSourcedModule[]>(
  modules: Modules,
  options: InMemoryOptions = {},
): InMemorySystem<Modules> {
  const { clock = manualClock(), aggregateOptions } = options;
  const groups = new Set(modules.flatMap(({ projections }) => projections.map(({ group }) => group)));
  const registry = createRegistry(modules, [...groups]);
  const events: StoredEvent[] = [];
  const published: PublishedHint[] = [];
  const disks = new Map<StreamId, InMemoryDisk>();
  const objects = new Map<StreamId, InMemoryObject>();

  const host: InMemoryHost = {
    clock,
    typeOf: (stream) => registry.typeOf(stream),
    groupsOf: (stream) => registry.groupsOf(stream),
    async send(group, { hints }) {
      published.push(...structuredClone(hints).map((hint) => ({ group, hint })));
    },
    // No alarm fires here, so the delivery check never asks.
    versionsReached: async () => new Map(),
    report(event, details) {
      throw new Error(`unexpected: ${event} ${JSON.stringify(details)}`);
    },
    ...(aggregateOptions && { aggregateOptions }),
  };

  function diskOf(stream: StreamId): InMemoryDisk {
    const known = disks.get(stream);
    if (known) return known;
    const { storage, alarm } = inMemoryDisk();
    const commit: typeof storage.commit = (whole) => {
      storage.commit(whole);
      events.push(...whole.events);
    };
    const disk = { storage: { ...storage, commit }, alarm };
    disks.set(stream, disk);
    return disk;
  }

  function objectOf(stream: StreamId): InMemoryObject {
    const object = objects.get(stream) ?? inMemoryObject(host, diskOf(stream));
    objects.set(stream, object);
    return object;
  }

  const aggregates: Aggregates = {
    async execute(request) {
      const object = objectOf(request.stream);
      // A copy, since RPC passes only plain data.
      const result = await object.execute(structuredClone(request));
      await object.settled();
      if (result.outcome === 'code-too-old') throw new CodeTooOldError(result.reason);
      return structuredClone(result);
    },
    replay: async (request) => structuredClone(await objectOf(request.stream).replay(structuredClone(request))),
    load: (stream, fromVersion, limit) => objectOf(stream).load(fromVersion, limit),
    currentVersion: (stream) => objectOf(stream).currentVersion(),
    async state(stream, asOf) {
      const state = await objectOf(stream).state(stream, asOf);
      if (state && 'outcome' in state) throw new CodeTooOldError(state.reason);
      return structuredClone(state);
    },
  };

  const handlers = modules.map(({ commands }) => commands({ aggregates, clock })) as unknown as HandlersOf<Modules>;
  return {
    bus: createCommandBus<HandlersOf<Modules>>(...handlers),
    aggregates,
    clock,
    events,
    published,
    context(overrides = {}) {
      const id = clock.newId();
      return {
        commandId: id,
        correlationId: id,
        causationId: id,
        principal: { kind: 'user', id: 'staff/tester' },
        seen: () => UNSEEN,
        ...overrides,
      };
    },
    evict: () => objects.clear(),
  };
}
