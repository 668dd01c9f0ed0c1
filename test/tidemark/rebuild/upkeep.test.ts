import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, it } from 'vitest';

import { BUILDS_KEPT, activeBuilds, buildOf } from '../../../src/tidemark/projections/build.ts';
import { cancelBuild, requestBuild } from '../../../src/tidemark/rebuild/build-requests.ts';
import { WAY_BACK_MS } from '../../../src/tidemark/rebuild/former-slot.ts';
import { release } from '../../../src/tidemark/rebuild/former-slot.ts';
import { type Pointer, readPointer } from '../../../src/tidemark/projections/pointer.ts';
import { projectionStatuses } from '../../../src/tidemark/monitoring/projection-status.ts';
import type { Slot } from '../../../src/tidemark/projections/slot-tables.ts';
import { type UpkeepContext, type UpkeepOptions, upkeepStep } from '../../../src/tidemark/rebuild/upkeep.ts';
import { checkpointOf, forgetDeadLetters, tallyOf } from '../../support/boards.ts';
import { idleRunner, rollBack, stepsHere, work } from '../../support/builds.ts';
import { faultyDatabase } from '../../support/database.ts';
import { meteredDatabase } from '../../support/metered-database.ts';
import { ports } from '../../support/platform.ts';
import { add, system } from '../../support/system.ts';
import { POISON, broken, tallyBoard } from '../../support/tally.ts';

const database = env.SERVING_DB;
const { name } = tallyBoard;
const DAY_MS = 24 * 60 * 60 * 1000;

beforeEach(async () => {
  const runner = idleRunner();
  ports.buildRunner = () => runner;
  for (const { id } of await activeBuilds(database, name)) await cancelBuild(system, tallyBoard, id);
  await forgetDeadLetters();
  await clearAll();
});

/** Runs the upkeep until it finds nothing to clear. Returns the number of runs. A test has few rows, so a hundred runs suffice. */
async function clearAll(options: UpkeepOptions = {}): Promise<number> {
  for (let runs = 0; runs < 100; runs += 1) if ((await upkeep({}, options)).cleared === 0) return runs;
  throw new Error('the upkeep finds something to clear for ever');
}

function upkeep(otherwise: Partial<UpkeepContext> = {}, options: UpkeepOptions = {}) {
  return upkeepStep({ ...system, ...otherwise }, options);
}

async function order(wishes: Parameters<typeof requestBuild>[2] = { acceptsDifferences: true }): Promise<string> {
  const requested = await requestBuild(system, tallyBoard, wishes);
  if (requested.outcome !== 'started') throw new Error(requested.outcome);
  return requested.id;
}

const pointerNow = async () => (await readPointer(database, name)) as Pointer;
const hasWayBack = async () => (await pointerNow()).moved.length === 2;
const otherSlot = async (): Promise<Slot> => ((await pointerNow()).live.slot === 'a' ? 'b' : 'a');

/** The number of rows and checkpoints of the board in a slot. */
async function countIn(slot: Slot): Promise<number> {
  const counts = ['board', 'entries', 'totals'].map((table) => `(SELECT count(*) FROM tally_${table}_${slot})`);
  const n = await database
    .prepare(
      `SELECT ${counts.join(' + ')} + (SELECT count(*) FROM target_position WHERE projection = ? AND slot = ?) AS n`,
    )
    .bind(name, slot)
    .first<number>('n');
  return n ?? -1;
}

/** Puts some tallies on the board. */
async function fill(): Promise<void> {
  for (const additions of [[1, 2], [3], [4, 5, 6]]) {
    const { stream } = await tallyOf(...additions);
    await system.catchUp(tallyBoard, [{ stream, wanted: 'head' }]);
  }
}

describe('a former slot', () => {
  it('allows a rollback for seven days after the swap, and is then released', async () => {
    expect(WAY_BACK_MS).toBe(7 * DAY_MS);
    await work(name, await order());
    ports.clockOffsetMs += WAY_BACK_MS - 60_000;
    expect(await upkeep()).toMatchObject({ released: 0 });
    expect(await hasWayBack()).toBe(true);
    ports.clockOffsetMs += 60_000;
    expect(await upkeep()).toMatchObject({ released: 1 });
    expect(await hasWayBack()).toBe(false);
    expect(await rollBack(database, name)).toEqual({ outcome: 'no-former' });
  });

  it('has its seven days from the last rollback, whatever has changed the pointer since', async () => {
    await work(name, await order());
    ports.clockOffsetMs += 5 * DAY_MS;
    expect(await rollBack(database, name)).toMatchObject({ outcome: 'changed' });
    ports.clockOffsetMs += 6 * DAY_MS;
    // A skip does the same.
    await database.prepare(`UPDATE projection_pointer SET epoch = epoch + 1 WHERE projection = ?`).bind(name).run();
    expect(await upkeep()).toMatchObject({ released: 0 });
    ports.clockOffsetMs += DAY_MS;
    expect(await upkeep()).toMatchObject({ released: 1 });
  });

  it.each([
    ['nothing', null],
    ['an earlier swap', '2020-01-01T00:00:00.000Z'],
  ])(
    'of a swap by a former Worker, with %s recorded, has its seven days from the end of the build',
    async (_, since) => {
      await work(name, await order());
      await database
        .prepare(`UPDATE projection_pointer SET former_since = ?2 WHERE projection = ?1`)
        .bind(name, since)
        .run();
      ports.clockOffsetMs += WAY_BACK_MS - 60_000;
      expect(await upkeep()).toMatchObject({ released: 0 });
      ports.clockOffsetMs += 60_000;
      expect(await upkeep()).toMatchObject({ released: 1 });
    },
  );

  it('is shown with the end of its time', async () => {
    await work(name, await order());
    const former = await otherSlot();
    const { endedAt } = (await buildOf(database, name, (await latest()).id)) ?? {};
    const [status] = await projectionStatuses(system, name);
    expect(status?.rollback).toEqual({
      revision: 1,
      slot: former,
      until: new Date(Date.parse(endedAt ?? '') + WAY_BACK_MS).toISOString(),
    });
    expect(await release(database, name)).toBe(true);
    const [released] = await projectionStatuses(system, name);
    expect(released?.rollback).toBeNull();
  });

  it('is never confused with a build that has joined', async () => {
    const id = await order({ isTrial: true });
    await work(name, id);
    expect(await hasWayBack()).toBe(true);
    ports.clockOffsetMs += 2 * WAY_BACK_MS;
    expect(await upkeep()).toMatchObject({ released: 0, cleared: 0 });
    expect((await projectionStatuses(system, name))[0]?.rollback).toBeNull();
    expect(await hasWayBack()).toBe(true);
  });
});

async function latest(): Promise<{ readonly id: string }> {
  const row = await database
    .prepare(`SELECT id FROM projection_build WHERE projection = ? ORDER BY started_at DESC, id DESC LIMIT 1`)
    .bind(name)
    .first<{ id: string }>();
  if (!row) throw new Error('there is no build');
  return row;
}

describe('a slot that nothing uses any more', () => {
  it.each<[string, () => Promise<void>]>([
    [
      'after a release',
      async () => {
        await work(name, await order());
        await release(database, name);
      },
    ],
    [
      'after a cancel',
      async () => {
        const id = await order({ isTrial: true });
        await work(name, id);
        await cancelBuild(system, tallyBoard, id);
      },
    ],
    [
      'after a failure',
      async () => {
        const { stream } = await tallyOf(1, POISON);
        await system.catchUp(tallyBoard, [{ stream, wanted: 'head' }]);
        broken.handler = true;
        await work(name, await order());
        broken.handler = false;
      },
    ],
  ])('%s is emptied, and the live one is not', async (_, leave) => {
    await fill();
    await leave();
    const [unused, live] = [await otherSlot(), (await pointerNow()).live.slot];
    expect(await countIn(unused)).toBeGreaterThan(0);
    const before = await countIn(live);
    await clearAll();
    expect(await countIn(unused)).toBe(0);
    expect(await countIn(live)).toBe(before);
  });

  it('is emptied in steps, so that one run never exceeds its bound', async () => {
    await fill();
    await work(name, await order());
    await release(database, name);
    const unused = await otherSlot();
    const before = await countIn(unused);
    expect(await upkeep({}, { maxChunks: 1 })).toMatchObject({ cleared: 1 });
    const after = await countIn(unused);
    expect(after).toBeLessThan(before);
    expect(after).toBeGreaterThan(0);
    expect(await clearAll({ maxChunks: 1 })).toBeGreaterThan(1);
    expect(await countIn(unused)).toBe(0);
  });

  it('loses its name in the checkpoints that it shared with the live slot, which keeps its own', async () => {
    await fill();
    await work(name, await order());
    const { tallyId, stream } = await tallyOf(1);
    await system.catchUp(tallyBoard, [{ stream, wanted: 'head' }]);
    const [unused, { live }] = [await otherSlot(), await pointerNow()];
    const vouches = () =>
      database.prepare('SELECT vouches FROM shared_checkpoint WHERE stream = ?').bind(stream).first<string>('vouches');
    expect(await vouches()).toBe('["tally-board/a","tally-board/b"]');
    const before = await countIn(live.slot);
    await release(database, name);
    await clearAll({ maxChunks: 1 });
    expect(await vouches()).toBe(`["tally-board/${live.slot}"]`);
    expect([await countIn(unused), await countIn(live.slot)]).toEqual([0, before]);
    // The stream's next event leaves the cleared slot at its start.
    await add(tallyId, 2);
    await system.catchUp(tallyBoard, [{ stream, wanted: 'head' }]);
    expect(await checkpointOf(stream, name, live.slot)).toBe(2);
    expect(await checkpointOf(stream, name, unused)).toBe(0);
  });

  it('costs a few rows read and none written if every slot is empty', async () => {
    const { database: metered, bill } = meteredDatabase(database);
    await upkeep({ databaseOf: (group) => (group === tallyBoard.group ? metered : system.databaseOf(group)) });
    expect(bill.rowsWritten).toBe(0);
    expect(bill.rowsRead).toBeLessThan(500);
  });

  it('is not touched by an upkeep that a build has overtaken', async () => {
    await fill();
    await work(name, await order());
    await release(database, name);
    const unused = await otherSlot();
    let id: string | undefined;
    const faulty = faultyDatabase(database, {
      async beforeBatch() {
        if (id !== undefined) return;
        id = await order();
        const { steps } = stepsHere(async (step, run) => (step === 'join' ? { outcome: 'ended' } : run()));
        await work(name, id, steps);
      },
    });
    await upkeep({
      databaseOf: (group) => (group === tallyBoard.group ? faulty.database : system.databaseOf(group)),
    });
    expect(await countIn(unused)).toBe(await countIn((await pointerNow()).live.slot));
    await work(name, id ?? '');
    expect(await buildOf(database, name, id ?? '')).toMatchObject({ state: 'swapped' });
  });

  it.each<[string, () => Promise<void>]>([
    ['a former slot', async () => work(name, await order())],
    [
      'the slot of an active build',
      async () => {
        const { steps } = stepsHere(async (step, run) => (step === 'join' ? { outcome: 'ended' } : run()));
        await work(name, await order(), steps);
      },
    ],
  ])('is not %s', async (_, leave) => {
    await fill();
    await leave();
    const before = await countIn(await otherSlot());
    expect(before).toBeGreaterThan(0);
    expect(await upkeep()).toMatchObject({ cleared: 0 });
    expect(await countIn(await otherSlot())).toBe(before);
  });
});

describe('builds that have ended', () => {
  it('are kept while they are among the newest 20, and an active one always', async () => {
    const active = await order({ isTrial: true });
    const row = (id: string, startedAt: string) =>
      database
        .prepare(
          `INSERT INTO projection_build
          SELECT ?2, projection, revision, slot, live_revision, 'cancelled', accepts_differences, is_trial, cleared_at,
            replayed, total, comparison, error, ?3, ?3, ?3
          FROM projection_build WHERE id = ?1`,
        )
        .bind(active, id, startedAt);
    const ids = Array.from(
      { length: BUILDS_KEPT + 5 },
      (_, index) => `of-the-future-${String(index).padStart(2, '0')}`,
    );
    await database.batch(ids.map((id, index) => row(id, `2990-01-01T00:00:${String(index).padStart(2, '0')}.000Z`)));
    expect((await upkeep()).builds).toBeGreaterThanOrEqual(6);
    const { results } = await database
      .prepare(`SELECT id FROM projection_build WHERE projection = ? ORDER BY id`)
      .bind(name)
      .all<{ id: string }>();
    expect(results.map(({ id }) => id)).toEqual([active, ...ids.slice(-(BUILDS_KEPT - 1))].toSorted());
    expect(await buildOf(database, name, ids[0] ?? '')).toBeUndefined();
    expect(await upkeep()).toMatchObject({ builds: 0 });
  });
});

it('the upkeep of one group goes on while the database of another is away', async () => {
  await work(name, await order());
  ports.clockOffsetMs += WAY_BACK_MS;
  const away = {
    prepare: () => {
      throw new Error('D1_ERROR: overloaded');
    },
  } as unknown as D1Database;
  const failed: string[] = [];
  const done = await upkeep({
    databaseOf: (group) => (group === tallyBoard.group ? database : away),
    report: (event, details) => void (event === 'upkeep.failed' && failed.push(String(details['group']))),
  });
  expect(done).toMatchObject({ released: 1 });
  expect(new Set(failed)).toEqual(new Set(['reporting']));
});
