import { env } from 'cloudflare:workers';
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import { beforeEach, describe, expect, it } from 'vitest';

import { ignored, projectionOf } from '../../../src/tidemark/projections/projection.ts';
import { clearSlot, isSlotEmpty } from '../../../src/tidemark/rebuild/slot-clearing.ts';
import { type Slot, slotTables } from '../../../src/tidemark/projections/slot-tables.ts';
import { serving } from '../../../src/groups.ts';
import { CHECKPOINT_TABLES } from '../../support/checkpoints.ts';
import { faultyDatabase } from '../../support/database.ts';
import { meteredDatabase } from '../../support/metered-database.ts';
import { tallyBoard, tallyType } from '../../support/tally.ts';

const SEVEN = `WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 7)`;
const TABLES = ['tally_board', 'tally_entries', 'tally_totals'];
const FULL = { tally_board: 7, tally_entries: 14, tally_totals: 7, checkpoint: 7 };
const EMPTY = { tally_board: 0, tally_entries: 0, tally_totals: 0, checkpoint: 0 };

async function run(...statements: readonly string[]): Promise<void> {
  await env.SERVING_DB.batch(statements.map((sql) => env.SERVING_DB.prepare(sql)));
}

/** Fills both slots, with the pointer at epoch 5 and slot `a` live, and the checkpoints of another projection. */
async function fill(): Promise<void> {
  await run(
    ...CHECKPOINT_TABLES.map((table) => `DELETE FROM ${table}`),
    `INSERT OR REPLACE INTO projection_pointer (projection, epoch, live_revision, live_slot) VALUES ('tally-board', 5, 1, 'a')`,
    ...['a', 'b'].flatMap((slot) => [
      ...TABLES.map((table) => `DELETE FROM ${table}_${slot}`),
      `INSERT INTO tally_board_${slot} ${SEVEN} SELECT 't' || n, 1, n FROM number`,
      `INSERT INTO tally_entries_${slot} ${SEVEN} SELECT 't' || n, 1, n FROM number`,
      `INSERT INTO tally_entries_${slot} ${SEVEN} SELECT 't' || n, 2, n FROM number`,
      `INSERT INTO tally_totals_${slot} ${SEVEN} SELECT 'p' || n, 1, n FROM number`,
      ...['tally-board', 'tally-count'].map(
        (projection) =>
          `INSERT INTO checkpoint ${SEVEN} SELECT '${projection}', '${slot}', 'tally-t' || n, 1, 'e' || n FROM number`,
      ),
    ]),
  );
}

/** The same, where all targets of a stream share its checkpoint. */
async function fillShared(): Promise<void> {
  await fill();
  await run(
    'DELETE FROM checkpoint',
    `INSERT INTO shared_checkpoint ${SEVEN} SELECT 'tally-t' || n, 1, 'e' || n,
      json_array('tally-board/a', 'tally-board/b', 'tally-count/a', 'tally-count/b') FROM number`,
  );
}

beforeEach(fill);

async function countOf(table: string, database = env.SERVING_DB): Promise<number> {
  return (await database.prepare(`SELECT count(*) AS n FROM ${table}`).first<number>('n')) ?? -1;
}

/** The number of rows and checkpoints of the board in a slot. */
async function contents(slot: Slot): Promise<Record<string, number>> {
  const counts = TABLES.map(async (table) => [table, await countOf(`${table}_${slot}`)] as const);
  const checkpoints = await countOf(`target_position WHERE projection = 'tally-board' AND slot = '${slot}'`);
  return { ...Object.fromEntries(await Promise.all(counts)), checkpoint: checkpoints };
}

const point = (set: string) => run(`UPDATE projection_pointer SET ${set} WHERE projection = 'tally-board'`);

describe('clearing a slot', () => {
  it.each([1, 3, 7, 1_000])('deletes only its own rows and checkpoints, in chunks of %i', async (chunkSize) => {
    expect(await clearSlot(env.SERVING_DB, tallyBoard, 'b', { epoch: 5 }, { chunkSize })).toBe('cleared');
    expect(await contents('b')).toEqual(EMPTY);
    expect(await contents('a')).toEqual(FULL);
    expect(await countOf(`checkpoint WHERE projection = 'tally-count'`)).toBe(14);
    expect(await countOf('guard')).toBe(0);
  });

  it('can be repeated', async () => {
    await clearSlot(env.SERVING_DB, tallyBoard, 'b', { epoch: 5 });
    expect(await clearSlot(env.SERVING_DB, tallyBoard, 'b', { epoch: 5 })).toBe('cleared');
    expect(await contents('b')).toEqual(EMPTY);
  });

  it('works in the slot that the pointer names while nothing is live', async () => {
    await point('live_revision = 0');
    expect(await clearSlot(env.SERVING_DB, tallyBoard, 'a', { epoch: 5 })).toBe('cleared');
    expect(await contents('a')).toEqual(EMPTY);
  });

  it('leaves the tables of another revision in that slot to another call', async () => {
    await run(
      'CREATE TABLE IF NOT EXISTS former_board_b (tally_id TEXT PRIMARY KEY, version INTEGER NOT NULL)',
      `INSERT INTO former_board_b VALUES ('t1', 1)`,
    );
    const former = projectionOf(tallyType)({
      name: 'tally-board',
      revision: 7,
      group: serving,
      row: {
        tables: slotTables((slot) =>
          sqliteTable(`former_board_${slot}`, {
            tallyId: text('tally_id').primaryKey(),
            version: integer('version').notNull(),
          }),
        ),
        key: 'tallyId',
      },
      handlers: { Added: ignored, Reset: ignored },
    });
    await clearSlot(env.SERVING_DB, tallyBoard, 'b', { epoch: 5 });
    expect(await countOf('former_board_b')).toBe(1);
    await clearSlot(env.SERVING_DB, former, 'b', { epoch: 5 });
    expect(await countOf('former_board_b')).toBe(0);
  });

  it('reads and deletes a bounded number of rows at a time', async () => {
    await run(
      `WITH RECURSIVE number (n) AS (SELECT 100 UNION ALL SELECT n + 1 FROM number WHERE n < 899)
      INSERT INTO tally_entries_b SELECT 't' || n % 10, n, n FROM number`,
    );
    const { database, bill } = meteredDatabase(env.SERVING_DB);
    await clearSlot(database, tallyBoard, 'b', { epoch: 5 }, { chunkSize: 20 });
    expect(bill.mostRowsRead).toBeLessThan(5 * 20);
    expect(bill.rowsRead).toBeLessThan(5 * (800 + 35) + bill.statements);
  });

  it.each([1, 3, 7, 1_000])(
    'takes its name out of the shared checkpoints, in chunks of %i, and leaves the others there',
    async (chunkSize) => {
      await fillShared();
      const { database, calls } = faultyDatabase(env.SERVING_DB);
      expect(await clearSlot(database, tallyBoard, 'b', { epoch: 5 }, { chunkSize })).toBe('cleared');
      // At least one batch for each chunk of the names, and of each table.
      expect(calls.batches).toBeGreaterThanOrEqual(Math.ceil(7 / chunkSize) * 3 + Math.ceil(14 / chunkSize));
      expect(await contents('b')).toEqual(EMPTY);
      expect(await contents('a')).toEqual(FULL);
      const { results } = await env.SERVING_DB.prepare('SELECT * FROM shared_checkpoint ORDER BY stream').all();
      expect(results).toEqual(
        [1, 2, 3, 4, 5, 6, 7].map((n) => ({
          stream: `tally-t${n}`,
          version: 1,
          event_id: `e${n}`,
          vouches: '["tally-board/a","tally-count/a","tally-count/b"]',
        })),
      );
    },
  );

  it('takes its name out of shared checkpoints in the middle of others that do not have it', async () => {
    await fillShared();
    await run(
      `UPDATE shared_checkpoint SET vouches = '["tally-board/a"]' WHERE stream NOT IN ('tally-t3', 'tally-t6')`,
    );
    expect(await clearSlot(env.SERVING_DB, tallyBoard, 'b', { epoch: 5 }, { chunkSize: 1 })).toBe('cleared');
    expect(await contents('b')).toEqual(EMPTY);
    expect(await contents('a')).toEqual(FULL);
    expect(await countOf(`target_position WHERE projection = 'tally-count'`)).toBe(4);
  });

  it('leaves a checkpoint that only it had without a name, so that it is the position of none', async () => {
    await fillShared();
    await run(`UPDATE shared_checkpoint SET vouches = '["tally-board/b"]'`);
    expect(await clearSlot(env.SERVING_DB, tallyBoard, 'b', { epoch: 5 })).toBe('cleared');
    expect(await contents('b')).toEqual(EMPTY);
    expect(await countOf(`shared_checkpoint WHERE vouches = '[]'`)).toBe(7);
    expect(await countOf('target_position')).toBe(0);
  });

  it('changes a bounded number of shared checkpoints at a time, and reads each a few times', async () => {
    await fillShared();
    await run(
      `WITH RECURSIVE number (n) AS (SELECT 100 UNION ALL SELECT n + 1 FROM number WHERE n < 899)
      INSERT INTO shared_checkpoint SELECT 'tally-u' || n, 1, 'e' || n, '["tally-board/a","tally-board/b"]' FROM number`,
    );
    const { database, bill } = meteredDatabase(env.SERVING_DB);
    await clearSlot(database, tallyBoard, 'b', { epoch: 5 }, { chunkSize: 20 });
    expect(await contents('b')).toEqual(EMPTY);
    expect(bill.mostRowsRead).toBeLessThan(8 * 20);
    expect(bill.rowsRead).toBeLessThan(8 * (800 + 35) + bill.statements);
  });
});

describe('a slot counts as empty', () => {
  const isEmpty = () => isSlotEmpty(env.SERVING_DB, tallyBoard.name, [tallyBoard], 'b');

  it('only without rows and without checkpoints, and so never before a clearing of it is complete', async () => {
    for (const refill of [fill, fillShared]) {
      await refill();
      let isDone = false;
      while (!isDone) {
        expect(await isEmpty()).toBe(false);
        const outcome = await clearSlot(env.SERVING_DB, tallyBoard, 'b', { epoch: 5 }, { chunkSize: 3, maxChunks: 1 });
        isDone = outcome === 'cleared';
        if (!isDone && (await isEmpty())) isDone = true;
      }
      expect(await contents('b')).toEqual(EMPTY);
    }
  });

  it('after a few rows read, however many shared checkpoints there are', async () => {
    await fillShared();
    await clearSlot(env.SERVING_DB, tallyBoard, 'b', { epoch: 5 });
    const { database, bill } = meteredDatabase(env.SERVING_DB);
    expect(await isSlotEmpty(database, tallyBoard.name, [tallyBoard], 'b')).toBe(true);
    expect(bill.rowsRead).toBeLessThanOrEqual(4);
  });
});

describe('nothing is deleted', () => {
  it.each<[string, Slot, string]>([
    ['when the epoch has changed', 'b', 'epoch = 6'],
    ['in the live slot', 'a', 'epoch = 5'],
    ['in a slot that is moved', 'b', `moved = '[{"revision":2,"slot":"b"}]'`],
    ['in a slot that is moved by a first build', 'a', `live_revision = 0, moved = '[{"revision":1,"slot":"a"}]'`],
    ['of a projection without a pointer', 'b', `projection = 'tally-board-gone'`],
  ])('%s', async (_, slot, set) => {
    await point(set);
    expect(await clearSlot(env.SERVING_DB, tallyBoard, slot, { epoch: 5 })).toBe('epoch-changed');
    expect(await contents(slot)).toEqual(FULL);
    expect(await countOf('guard')).toBe(0);
  });

  it('once batches move the slot, even halfway', async () => {
    const { database } = faultyDatabase(env.SERVING_DB, {
      beforeBatch: (number) => (number === 7 ? point(`epoch = 6, moved = '[{"revision":1,"slot":"b"}]'`) : undefined),
    });
    expect(await clearSlot(database, tallyBoard, 'b', { epoch: 5 }, { chunkSize: 3 })).toBe('epoch-changed');
    expect(await contents('b')).toEqual({ ...FULL, checkpoint: 0, tally_totals: 4 });
  });
});

it.each([
  ['of its own', fill],
  ['that are shared', fillShared],
])(
  'a clearing that is interrupted anywhere has left the checkpoints %s first, and the rows with a unique key last',
  async (_, refill) => {
    const sequence = ['checkpoint', 'tally_totals', 'tally_entries', 'tally_board'] as const;
    let interruptions = 0;
    for (let isInterrupted = true; isInterrupted;) {
      await refill();
      const { database } = faultyDatabase(env.SERVING_DB, {
        beforeBatch(number) {
          if (number > interruptions) throw new Error('D1_ERROR: Network connection lost.');
        },
      });
      const clearing = clearSlot(database, tallyBoard, 'b', { epoch: 5 }, { chunkSize: 3 });
      isInterrupted = await clearing.then(
        () => false,
        () => true,
      );
      interruptions += 1;
      const left = await contents('b');
      sequence.slice(1).forEach((table, index) => {
        if (left[table] !== FULL[table]) expect(left[sequence[index] ?? '']).toBe(0);
      });
    }
    expect(interruptions).toBeGreaterThan(10);
    expect(await contents('b')).toEqual(EMPTY);
  },
);
