import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, it } from 'vitest';

import type { Group } from '../../../src/tidemark/platform/group.ts';
import { type HealthContext, projectionComplaints } from '../../../src/tidemark/monitoring/health.ts';
import { manualClock } from '../../../src/tidemark/testing/manual-clock.ts';
import { CHECKPOINT_TABLES } from '../../support/checkpoints.ts';
import { faultyDatabase } from '../../support/database.ts';
import { meteredDatabase } from '../../support/metered-database.ts';
import {
  bareProjection,
  bareRegistry,
  setBuild,
  setCheckpoints,
  setDeadLetter,
  setPointer,
} from '../../support/projections.ts';

const near: Group = { name: 'near', batchWaitMs: 1_000 };
const far: Group = { name: 'far', batchWaitMs: 10_000 };

function contextOf(overrides: Partial<HealthContext> = {}): HealthContext {
  return {
    registry: bareRegistry(
      [near, far],
      [bareProjection('seats', near, ['seat']), bareProjection('guests', far, ['seat'])],
    ),
    databaseOf: (group) => (group === near ? env.SERVING_DB : env.REPORTING_DB),
    clock: manualClock(),
    storageRefusedAt: new Map(),
    report: () => undefined,
    ...overrides,
  };
}

const complaints = () => projectionComplaints(contextOf());

beforeEach(async () => {
  for (const database of [env.SERVING_DB, env.REPORTING_DB]) {
    await database.batch(
      [...CHECKPOINT_TABLES, 'dead_letter', 'projection_pointer', 'projection_build', 'projection_fault'].map((table) =>
        database.prepare(`DELETE FROM ${table}`),
      ),
    );
  }
  await setPointer(env.SERVING_DB, 'seats');
  await setPointer(env.REPORTING_DB, 'guests');
});

/** A statement of a database that has so many bytes. */
function sized(statement: D1PreparedStatement, bytes: number): D1PreparedStatement {
  return new Proxy(statement, {
    get(target, property) {
      if (property === 'bind') return (...values: unknown[]) => sized(target.bind(...values), bytes);
      if (property !== 'all') return Reflect.get(target, property) as unknown;
      return async () => {
        const { meta, ...result } = await target.all();
        return { ...result, meta: { ...meta, size_after: bytes } };
      };
    },
  });
}

describe('a reason in the health check', () => {
  it('is absent if all projections are live and move', async () => {
    await setCheckpoints(env.SERVING_DB, 'seats', [{ stream: 'seat-1', version: 1 }]);
    expect(await complaints()).toEqual([]);
  });

  it('is a database that is nearly full, before it refuses writes', async () => {
    const nearlyFull = new Proxy(env.REPORTING_DB, {
      get: (target, property) =>
        property === 'prepare'
          ? (sql: string) => sized(target.prepare(sql), 9_700_000_000)
          : (Reflect.get(target, property) as unknown),
    });
    const context = contextOf({ databaseOf: (group) => (group === near ? env.SERVING_DB : nearlyFull) });
    expect(await projectionComplaints(context)).toEqual([
      expect.stringContaining('the database of the group "far" has 9.7 of 10 GB'),
    ]);
  });

  it('is a database that has recently refused writes because its storage is full', async () => {
    const clock = manualClock();
    const context = contextOf({ clock, storageRefusedAt: new Map([['near', clock.now()]]) });
    expect(await projectionComplaints(context)).toEqual([
      expect.stringContaining('the database of the group "near" takes no writes'),
    ]);
    clock.advance(16 * 60_000);
    expect(await projectionComplaints(context)).toEqual([]);
  });

  it.each([
    ['fails', () => Promise.reject(new Error('D1_ERROR: Network connection lost.'))],
    ['hangs', () => new Promise<never>(() => undefined)],
  ])('is a database that %s, and the other databases are checked all the same', async (_, beforeQuery) => {
    await setPointer(env.SERVING_DB, 'seats', 0);
    const { database } = faultyDatabase(env.REPORTING_DB, { beforeQuery });
    const context = contextOf({ databaseOf: (group) => (group === near ? env.SERVING_DB : database) });
    expect(await projectionComplaints(context, { timeoutMs: 200 })).toEqual([
      expect.stringContaining('seats has not been built yet'),
      expect.stringMatching(/^the database of the group "far" does not answer/),
    ]);
  });

  it('is a database that the spending limit has switched off, without advice to apply migrations', async () => {
    const beforeQuery = () => Promise.reject(new Error("D1_ERROR: Exceeded the account's spending cap for D1."));
    const { database } = faultyDatabase(env.REPORTING_DB, { beforeQuery });
    const clock = manualClock();
    const context = contextOf({
      clock,
      databaseOf: (group) => (group === near ? env.SERVING_DB : database),
      storageRefusedAt: new Map([['far', clock.now()]]),
    });
    expect(await projectionComplaints(context)).toEqual([
      expect.stringMatching(
        /^the database of the group "far" takes neither reads nor writes: the account's spending limit/,
      ),
    ]);
  });

  it('is the number of a projection’s open dead letters, and never names their streams', async () => {
    await setDeadLetter(env.SERVING_DB, 'seats', 'seat-secret-1', 1);
    expect(await complaints()).toEqual([
      'the projection seats has 1 open dead letter: deploy a repaired handler, then replay or skip them',
    ]);
    await setDeadLetter(env.SERVING_DB, 'seats', 'seat-secret-2', 1);
    await setDeadLetter(env.SERVING_DB, 'seats', 'seat-suspicion', 1, false);
    await setDeadLetter(env.SERVING_DB, 'seats', 'seat-passed', 1);
    await setCheckpoints(env.SERVING_DB, 'seats', [{ stream: 'seat-passed', version: 1 }]);
    const [complaint, ...others] = await complaints();
    expect(complaint).toContain('seats has 2 open dead letters');
    expect(complaint).not.toMatch(/secret|Ada/);
    expect(others).toEqual([]);
  });

  it('is a restored log, with other advice than for a failing handler', async () => {
    await setDeadLetter(env.SERVING_DB, 'seats', 'seat-1', 1, true, 'log-restored');
    const restored = expect.stringMatching(
      /seats has 1 open dead letter because logs were restored to an earlier time: rebuild the projection/,
    ) as unknown;
    expect(await complaints()).toEqual([restored]);
    await setDeadLetter(env.SERVING_DB, 'seats', 'seat-2', 1);
    await setDeadLetter(env.SERVING_DB, 'seats', 'seat-3', 1);
    expect(await complaints()).toEqual([
      'the projection seats has 2 open dead letters: deploy a repaired handler, then replay or skip them',
      restored,
    ]);
  });

  it('is a restored log in the archive, which no rebuild can repair', async () => {
    await setDeadLetter(env.REPORTING_DB, 'archive', 'seat-1', 1, true, 'log-restored');
    await setPointer(env.REPORTING_DB, 'archive');
    const seats = bareProjection('seats', near, ['seat']);
    const archive = { ...bareProjection('archive', far, ['seat']), everyEvent: { append: () => ({}) } };
    const [complaint, ...others] = await projectionComplaints(
      contextOf({ registry: bareRegistry([near, far], [seats, archive]) }),
    );
    expect(complaint).toMatch(/archive has 1 open dead letter because .*by hand/);
    expect(others).toEqual([]);
  });

  it('is a fault of every stream, and its start', async () => {
    const fault = env.SERVING_DB.prepare(
      `INSERT INTO projection_fault VALUES ('seats', 'no such table: main.gone', '2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.000Z', NULL, NULL)`,
    );
    await fault.run();
    expect(await complaints()).toEqual([
      expect.stringContaining(
        'seats cannot be written since 2026-01-01T00:00:00.000Z, whatever the stream: no such table: main.gone. Repair',
      ),
    ]);
    await env.SERVING_DB.prepare(`UPDATE projection_fault SET applied_at = '2026-01-03T00:00:00.000Z'`).run();
    expect(await complaints()).toEqual([]);
  });

  it('is a failed build, unless a later one succeeded', async () => {
    await setBuild(env.REPORTING_DB, 'guests', 'failed', { startedAt: '2026-01-01T00:00:00.000Z' });
    const [complaint = '', ...others] = await complaints();
    expect(complaint).toMatch(/latest build of the projection guests failed/);
    expect(complaint).not.toContain('secret');
    expect(others).toEqual([]);
    await setBuild(env.REPORTING_DB, 'guests', 'swapped', { startedAt: '2026-01-02T00:00:00.000Z' });
    expect(await complaints()).toEqual([]);
    await setBuild(env.REPORTING_DB, 'guests', 'failed', { startedAt: '2026-01-03T00:00:00.000Z' });
    expect(await complaints()).toHaveLength(1);
  });

  it('is a live revision without code in this Worker, with the first thing to do', async () => {
    await setPointer(env.REPORTING_DB, 'guests', 3);
    const [complaint] = await complaints();
    expect(complaint).toMatch(/guests is live at revision 3.*roll back the projection before the Worker/);
  });

  it('is a projection without a live slot, whether a build is active or not', async () => {
    await setPointer(env.REPORTING_DB, 'guests', 0);
    expect(await complaints()).toEqual([expect.stringMatching(/guests has not been built yet.*by itself/)]);
    await setBuild(env.REPORTING_DB, 'guests', 'building');
    expect(await complaints()).toEqual([expect.stringContaining('guests is being built for the first time')]);
  });
});

describe('the cost of the health check', () => {
  async function rowsRead(): Promise<number> {
    const { database, bill } = meteredDatabase(env.SERVING_DB);
    await projectionComplaints(
      contextOf({
        databaseOf: () => database,
        registry: bareRegistry([near], [bareProjection('seats', near, ['seat'])]),
      }),
    );
    expect(bill.rowsWritten).toBe(0);
    return bill.rowsRead;
  }

  it('is a few rows for each projection, however many streams there are', async () => {
    const before = await rowsRead();
    // The projection's name, its pointer, and one search each for dead letters and builds.
    expect(before).toBeLessThanOrEqual(4);
    await setCheckpoints(
      env.SERVING_DB,
      'seats',
      Array.from({ length: 2_000 }, (_, index) => ({ stream: `seat-${index}`, version: 1 })),
    );
    expect(await rowsRead()).toBe(before);
  });

  it('is bounded, however many dead letters there are', async () => {
    for (let index = 0; index < 1_200; index += 1) await setDeadLetter(env.SERVING_DB, 'seats', `seat-${index}`, 1);
    expect(await complaints()).toEqual([expect.stringContaining('more than 1000 open dead letters')]);
    expect(await rowsRead()).toBeLessThan(2_100);
  });
});
