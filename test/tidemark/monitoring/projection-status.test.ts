import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, it } from 'vitest';

import type { Group } from '../../../src/tidemark/platform/group.ts';
import {
  type ProjectionStatus,
  type ProjectionStatusContext,
  isStalled,
  projectionStatuses,
} from '../../../src/tidemark/monitoring/projection-status.ts';
import { manualClock } from '../../../src/tidemark/testing/manual-clock.ts';
import { CHECKPOINT_TABLES } from '../../support/checkpoints.ts';
import { faultyDatabase } from '../../support/database.ts';
import {
  bareProjection,
  bareRegistry,
  logsRead,
  setBuild,
  setCheckpoints,
  setDeadLetter,
  setPointer,
} from '../../support/projections.ts';

const near: Group = { name: 'near', batchWaitMs: 1_000 };
const far: Group = { name: 'far', batchWaitMs: 10_000 };
const databases = new Map([
  [near, env.SERVING_DB],
  [far, env.REPORTING_DB],
]);

/** The age, in ms, of an event read from a log. By default one second for each version that is missing up to 10. */
let ageOf = (_stream: string, version: number) => (10 - version) * 1_000;

function contextOf(overrides: Partial<ProjectionStatusContext> = {}) {
  const clock = manualClock();
  const reads: string[] = [];
  const reading = { now: 0, most: 0 };
  const context: ProjectionStatusContext = {
    registry: bareRegistry(
      [near, far],
      [
        bareProjection('seats', near, ['seat']),
        bareProjection('guests', far, ['seat', 'guest'], 2),
        bareProjection('guests', far, ['seat', 'guest'], 1),
      ].slice(0, 2),
    ),
    databaseOf: (group) => databases.get(group) as D1Database,
    aggregates: logsRead(async (stream, fromVersion) => {
      reads.push(`${stream}@${fromVersion}`);
      reading.now += 1;
      reading.most = Math.max(reading.most, reading.now);
      await Promise.resolve();
      reading.now -= 1;
      const recordedAt = new Date(clock.now() - ageOf(stream, fromVersion)).toISOString();
      const event = { id: 'e', stream, version: fromVersion, type: 'Any', schemaVersion: 1, data: {}, recordedAt };
      return { events: [event as never], previousId: null, head: 10 };
    }),
    clock,
    samples: new Map(),
    storageRefusedAt: new Map(),
    report: () => undefined,
    ...overrides,
  };
  return { context, clock, reads, reading };
}

async function statusOf(name: string, context: ProjectionStatusContext): Promise<ProjectionStatus> {
  const [status] = await projectionStatuses(context, name);
  return status as ProjectionStatus;
}

beforeEach(async () => {
  ageOf = (_stream, version) => (10 - version) * 1_000;
  for (const database of databases.values()) {
    await database.batch(
      [...CHECKPOINT_TABLES, 'dead_letter', 'projection_pointer', 'projection_build'].map((table) =>
        database.prepare(`DELETE FROM ${table}`),
      ),
    );
  }
  await setPointer(env.SERVING_DB, 'seats');
  await setPointer(env.REPORTING_DB, 'guests', 2);
});

/** Puts the stream `seat-1` at these versions, and a stream of `guest`, which only one projection follows. */
async function seatAt(seats: number, guests: number): Promise<void> {
  await setCheckpoints(env.SERVING_DB, 'seats', [{ stream: 'seat-1', version: seats, at: seats }]);
  await setCheckpoints(env.REPORTING_DB, 'guests', [
    { stream: 'seat-1', version: guests, at: guests },
    { stream: 'guest-1', version: 50, at: 50 },
  ]);
}

describe('the lag of a projection', () => {
  it('is zero if all projections are equally far, without a read of any log', async () => {
    await seatAt(5, 5);
    const { context, reads } = contextOf();
    const statuses = await projectionStatuses(context);
    expect(statuses.map(({ name, lag, stalled }) => [name, lag, stalled])).toEqual([
      ['seats', { events: 0, ms: 0 }, false],
      ['guests', { events: 0, ms: 0 }, false],
    ]);
    expect(reads).toEqual([]);
  });

  it('is counted against the projection, in any database, that has applied the most of each category', async () => {
    await seatAt(5, 8);
    const { context, reads } = contextOf();
    expect(await statusOf('seats', context)).toMatchObject({ lag: { events: 3, ms: 4_000 }, state: 'live' });
    expect(reads).toEqual(['seat-1@6']);
    await seatAt(9, 8);
    expect(await statusOf('guests', context)).toMatchObject({ lag: { events: 1, ms: 1_000 } });
  });

  it('is everything if a projection has no row at all', async () => {
    await setCheckpoints(env.SERVING_DB, 'seats', [{ stream: 'seat-1', version: 4 }]);
    const { context, reads } = contextOf();
    expect((await statusOf('guests', context)).lag).toEqual({ events: 4, ms: 9_000 });
    expect(reads).toEqual(['seat-1@1']);
  });

  it('counts only the live slot', async () => {
    await seatAt(5, 8);
    await setCheckpoints(env.REPORTING_DB, 'guests', [{ stream: 'seat-1', version: 100 }], 'b');
    expect((await statusOf('seats', contextOf().context)).lag?.events).toBe(3);
  });

  it('is as old as the oldest event in some of the lagging streams, whose logs are read six at a time', async () => {
    const streams = Array.from({ length: 60 }, (_, index) => ({ stream: `seat-${index}`, version: 2, at: index }));
    await setCheckpoints(env.REPORTING_DB, 'guests', streams);
    await setCheckpoints(
      env.SERVING_DB,
      'seats',
      streams.map((row) => ({ ...row, version: 1, at: 0 })),
    );
    ageOf = (stream) => (stream === 'seat-7' ? 90_000 : 5_000);
    const { context, reads, reading } = contextOf();
    expect((await statusOf('seats', context)).lag).toEqual({ events: 60, ms: 90_000 });
    expect(reads).toHaveLength(20);
    expect(reading.most).toBe(6);
  });

  it('starts where a projection stopped, however much has happened since', async () => {
    const streams = Array.from({ length: 3_000 }, (_, index) => ({ stream: `seat-${index}`, version: 1, at: index }));
    await setCheckpoints(env.REPORTING_DB, 'guests', streams);
    await setCheckpoints(env.SERVING_DB, 'seats', streams.slice(0, 500));
    ageOf = (stream) => (3_000 - Number(stream.slice('seat-'.length))) * 1_000;
    expect((await statusOf('seats', contextOf().context)).lag).toEqual({ events: 2_500, ms: 2_500_000 });
  });

  it('is a lower bound if the lagging stream changed before all compared ones', async () => {
    const streams = Array.from({ length: 1_200 }, (_, index) => ({ stream: `seat-${index}`, version: 1, at: index }));
    await setCheckpoints(env.REPORTING_DB, 'guests', streams);
    await setCheckpoints(env.SERVING_DB, 'seats', streams.slice(1));
    ageOf = (stream) => (1_200 - Number(stream.slice('seat-'.length))) * 1_000;
    expect((await statusOf('seats', contextOf().context)).lag).toEqual({ events: 1, ms: 1_000_000 });
  });

  it('has no age if no log answers', async () => {
    await seatAt(5, 8);
    const aggregates = logsRead(() => Promise.reject(new Error('overloaded')));
    expect(await statusOf('seats', contextOf({ aggregates }).context)).toMatchObject({
      lag: { events: 3, ms: null },
      stalled: false,
    });
  });

  it('is never negative, whatever the clocks say', async () => {
    await seatAt(5, 8);
    ageOf = () => -60_000;
    expect((await statusOf('seats', contextOf().context)).lag).toEqual({ events: 3, ms: 0 });
  });
});

describe('a database that does not answer', () => {
  const away = () => {
    throw new Error('D1_ERROR: Network connection lost.');
  };
  const hung = () => new Promise<never>(() => undefined);

  it.each([
    ['fails', away],
    ['hangs', hung],
  ])('makes only its own projections unreachable if it %s', async (_, beforeBatch) => {
    await seatAt(5, 8);
    const { database } = faultyDatabase(env.REPORTING_DB, { beforeBatch });
    const { context } = contextOf({ databaseOf: (group) => (group === far ? database : env.SERVING_DB) });
    const [seats, guests] = await projectionStatuses(context, undefined, { timeoutMs: 200 });
    expect(seats).toMatchObject({ state: 'live', lag: { events: 0, ms: 0 } });
    expect(guests).toEqual({
      name: 'guests',
      group: 'far',
      mode: 'asynchronous',
      revision: null,
      codeRevision: 2,
      slot: null,
      rollback: null,
      state: 'unreachable',
      lag: null,
      rate: null,
      stalled: true,
      deadLetters: null,
      fault: null,
      build: null,
    });
  });

  it.each([
    ['fails', away],
    ['hangs', hung],
  ])('leaves only the age of the lag unknown if it %s after the first query', async (_, beforeQuery) => {
    await seatAt(5, 8);
    const { database } = faultyDatabase(env.REPORTING_DB, { beforeQuery });
    const { context } = contextOf({ databaseOf: (group) => (group === far ? database : env.SERVING_DB) });
    const [seats] = await projectionStatuses(context, 'seats', { timeoutMs: 200 });
    expect(seats).toMatchObject({ state: 'live', lag: { events: 3, ms: null } });
  });
});

describe('the live slot', () => {
  it('is shown with its revision, beside the newest revision of the code', async () => {
    await setPointer(env.REPORTING_DB, 'guests', 1, 'b');
    const { context } = contextOf({
      registry: bareRegistry(
        [near, far],
        [bareProjection('guests', far, ['guest'], 2), bareProjection('guests', far, ['guest'], 1)],
      ),
    });
    expect(await statusOf('guests', context)).toMatchObject({ revision: 1, codeRevision: 2, slot: 'b', state: 'live' });
  });

  it('has the state no-code, and is stalled, if this Worker has no code for it', async () => {
    await setPointer(env.REPORTING_DB, 'guests', 3);
    expect(await statusOf('guests', contextOf().context)).toMatchObject({
      revision: 3,
      codeRevision: 2,
      state: 'no-code',
      stalled: true,
    });
  });

  it.each(['no pointer', 'a pointer to revision 0'])(
    'is absent with %s, and the projection is stalled unless a build is active',
    async (what) => {
      if (what === 'no pointer') await env.REPORTING_DB.prepare('DELETE FROM projection_pointer').run();
      else await setPointer(env.REPORTING_DB, 'guests', 0);
      const { context } = contextOf();
      const nothing = { revision: null, slot: null, state: 'building', lag: null, rate: null };
      expect(await statusOf('guests', context)).toMatchObject({ ...nothing, stalled: true, build: null });
      const id = await setBuild(env.REPORTING_DB, 'guests', 'building');
      const build = { id, state: 'building', replayed: 40, total: 100 };
      expect(await statusOf('guests', context)).toMatchObject({ ...nothing, stalled: false, build });
    },
  );

  it.each(['swapped', 'failed', 'cancelled'])('has no active build if the latest is %s', async (state) => {
    await setBuild(env.REPORTING_DB, 'guests', state);
    expect(await statusOf('guests', contextOf().context)).toMatchObject({ build: null, state: 'live' });
  });
});

describe('dead letters', () => {
  it('count while they are open and the checkpoint has not passed them', async () => {
    await setCheckpoints(
      env.SERVING_DB,
      'seats',
      [1, 2, 3, 4].map((number) => ({ stream: `seat-${number}`, version: 4 })),
    );
    await setDeadLetter(env.SERVING_DB, 'seats', 'seat-1', 5);
    await setDeadLetter(env.SERVING_DB, 'seats', 'seat-2', 5, false);
    await setDeadLetter(env.SERVING_DB, 'seats', 'seat-3', 4);
    await setDeadLetter(env.SERVING_DB, 'seats', 'seat-new', 1);
    await setDeadLetter(env.SERVING_DB, 'another', 'seat-1', 5);
    expect((await statusOf('seats', contextOf().context)).deadLetters).toBe(2);
  });

  it('age the lag, but never make a projection stalled that has applied everything else', async () => {
    await seatAt(5, 8);
    await setDeadLetter(env.SERVING_DB, 'seats', 'seat-1', 6);
    ageOf = () => 24 * 60 * 60_000;
    const status = await statusOf('seats', contextOf().context);
    expect(status).toMatchObject({ deadLetters: 1, lag: { events: 3, ms: 24 * 60 * 60_000 }, stalled: false });

    await setCheckpoints(env.REPORTING_DB, 'guests', [{ stream: 'seat-2', version: 1, at: 90 }]);
    expect((await statusOf('seats', contextOf().context)).stalled).toBe(true);
  });
});

describe('the rate', () => {
  it('is unknown in the first status, and then counts events since the previous one', async () => {
    await seatAt(5, 5);
    const { context, clock } = contextOf();
    expect((await statusOf('seats', context)).rate).toBeNull();
    clock.advance(2_000);
    await seatAt(9, 5);
    expect((await statusOf('seats', context)).rate).toBe(2);
    clock.advance(500);
    expect((await statusOf('seats', context)).rate).toBe(0);
    // The same moment again: there is no interval.
    expect((await statusOf('seats', context)).rate).toBeNull();
  });

  it('is separate for each projection', async () => {
    await seatAt(5, 5);
    const { context, clock } = contextOf();
    await projectionStatuses(context);
    clock.advance(1_000);
    await statusOf('guests', context);
    await seatAt(8, 5);
    clock.advance(2_000);
    expect((await statusOf('seats', context)).rate).toBe(1);
  });

  it('is unknown again after a swap, and after five minutes without a status', async () => {
    await seatAt(5, 5);
    const { context, clock } = contextOf();
    await statusOf('seats', context);
    clock.advance(1_000);
    await setPointer(env.SERVING_DB, 'seats', 1, 'b');
    expect((await statusOf('seats', context)).rate).toBeNull();
    clock.advance(5 * 60_000);
    expect((await statusOf('seats', context)).rate).toBe(0);
    clock.advance(5 * 60_000 + 1);
    expect((await statusOf('seats', context)).rate).toBeNull();
  });
});

describe('a projection is stalled', () => {
  it('once an event has waited for too long and nothing moves, until something moves', async () => {
    await seatAt(5, 8);
    const recordedAt = manualClock().now();
    const { context, clock } = contextOf();
    ageOf = () => clock.now() - recordedAt;
    clock.advance(60_000);
    expect(await statusOf('seats', context)).toMatchObject({ lag: { ms: 60_000 }, stalled: false });
    clock.advance(1);
    expect(await statusOf('seats', context)).toMatchObject({ lag: { ms: 60_001 }, rate: 0, stalled: true });
    await seatAt(6, 8);
    clock.advance(1_000);
    expect(await statusOf('seats', context)).toMatchObject({ lag: { events: 2 }, rate: 1, stalled: false });
  });

  it.each([
    [60_000, 1_000, null, false],
    [60_001, 1_000, null, true],
    [60_001, 1_000, 0, true],
    [60_001, 1_000, 0.1, false],
    [100_000, 10_000, 0, false],
    [100_001, 10_000, 0, true],
    [null, 1_000, 0, false],
  ] as const)('with a lag of %j ms, a batch wait of %j ms and a rate of %j: %j', (movableMs, batchWaitMs, rate, is) => {
    expect(isStalled({ state: 'live', build: null, movableMs, rate }, { batchWaitMs })).toBe(is);
  });
});
