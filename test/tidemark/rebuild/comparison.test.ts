import { env } from 'cloudflare:workers';
import { integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import * as fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';

import { type Comparison, type ComparisonProgress, compareSlots } from '../../../src/tidemark/rebuild/comparison.ts';
import { ignored, projectionOf } from '../../../src/tidemark/projections/projection.ts';
import { slotTables } from '../../../src/tidemark/projections/slot-tables.ts';
import { serving } from '../../../src/groups.ts';
import { faultyDatabase } from '../../support/database.ts';
import { type Value, both, compareWhole, costOfComparison, inSlot, insert } from '../../support/compared-slots.ts';
import { tallyBoard, tallyType } from '../../support/tally.ts';

function update(sql: string, database: D1Database = env.SERVING_DB): Promise<unknown> {
  return database.prepare(sql).run();
}

function compareTallies(options?: Parameters<typeof compareSlots>[3], database = env.SERVING_DB): Promise<Comparison> {
  return compareWhole(database, inSlot(tallyBoard, 'a'), inSlot(tallyBoard, 'b'), options);
}

const tallies = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    tally_id: `t${String(index).padStart(6, '0')}`,
    version: 1,
    sum: index,
  }));

/** Entries of three tallies, with many versions each. */
const entries = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    tally_id: `t${index % 3}`,
    version: Math.floor(index / 3) + 1,
    by: index,
  }));

/** The next revision: another column in the row, another counter, and entries under another key. */
const nextBoard = slotTables((slot) =>
  sqliteTable(`next_board_${slot}`, {
    tallyId: text('tally_id').primaryKey(),
    version: integer('version').notNull(),
    sum: text('sum'),
    highest: integer('highest'),
  }),
);
const nextEntries = slotTables((slot) =>
  sqliteTable(`next_entries_${slot}`, {
    tallyId: text('tally_id').notNull(),
    version: integer('version').notNull(),
    by: integer('by').primaryKey(),
  }),
);
const nextTotals = slotTables((slot) =>
  sqliteTable(
    `next_totals_${slot}`,
    {
      parity: text('parity'),
      additions: integer('additions').notNull(),
      sum: integer('sum').notNull(),
      digits: integer('digits').notNull(),
    },
    (table) => [primaryKey({ columns: [table.parity] })],
  ),
);
const nextTallyBoard = projectionOf(tallyType)({
  name: 'tally-board',
  revision: 2,
  group: serving,
  row: { tables: nextBoard, key: 'tallyId' },
  appends: { entries: nextEntries },
  counters: { totals: { tables: nextTotals, key: ['parity'] }, extremes: { tables: nextTotals, key: ['parity'] } },
  handlers: { Added: ignored, Reset: ignored },
});

/** Creates the tables anew. The column `sum` is text in one slot, has any type in the other, and ignores case. */
async function createNextTables(): Promise<void> {
  const statements = (['a', 'b'] as const).flatMap((slot) => [
    ...['board', 'entries', 'totals'].map((table) => `DROP TABLE IF EXISTS next_${table}_${slot}`),
    `CREATE TABLE next_board_${slot} (tally_id TEXT PRIMARY KEY, version INTEGER NOT NULL, sum ${slot === 'a' ? 'TEXT' : ''} COLLATE NOCASE, highest INTEGER)`,
    `CREATE TABLE next_entries_${slot} (tally_id TEXT NOT NULL, version INTEGER NOT NULL, by INTEGER PRIMARY KEY)`,
    `CREATE TABLE next_totals_${slot} (parity TEXT PRIMARY KEY, additions INTEGER NOT NULL, sum INTEGER NOT NULL, digits INTEGER NOT NULL)`,
  ]);
  await env.SERVING_DB.batch(statements.map((sql) => env.SERVING_DB.prepare(sql)));
}

beforeEach(async () => {
  await env.SERVING_DB.batch(
    ['board', 'entries', 'totals'].flatMap((table) =>
      ['a', 'b'].map((slot) => env.SERVING_DB.prepare(`DELETE FROM tally_${table}_${slot}`)),
    ),
  );
});

it('a comparison finds the same in parts as at once, wherever a part ends', async () => {
  await both(env.SERVING_DB, 'tally_board', tallies(9));
  await both(env.SERVING_DB, 'tally_entries', entries(10));
  await update(`UPDATE tally_board_b SET sum = 77 WHERE tally_id IN ('t000000', 't000008')`);
  await update(`DELETE FROM tally_entries_a WHERE tally_id = 't2'`);
  for (const pageSize of [1, 2, 3, 9, 10]) {
    for (const maxPages of [1, 2, 5]) {
      const slots = [inSlot(tallyBoard, 'a'), inSlot(tallyBoard, 'b')] as const;
      const compare = (from?: ComparisonProgress) =>
        compareSlots(env.SERVING_DB, ...slots, { pageSize, maxPages, maxShown: 3 }, from);
      let compared = await compare();
      while (!compared.isDone) compared = await compare(JSON.parse(JSON.stringify(compared.progress)) as never);
      expect(compared.comparison).toEqual(await compareTallies({ maxShown: 3 }));
      expect(compared.comparison).toMatchObject({ differing: 5, tables: [{ live: 9 }, { live: 7, build: 10 }, {}] });
    }
  }
});

describe('two slots are equal', () => {
  it('when both are empty', async () => {
    const nothing = { live: 0, build: 0, differing: 0, columnsOnlyInLive: [], columnsOnlyInBuild: [] };
    expect(await compareTallies()).toEqual({
      isEqual: true,
      differing: 0,
      tables: [
        { table: 'row', ...nothing },
        { table: 'entries', ...nothing },
        { table: 'totals', ...nothing },
      ],
      first: [],
    });
  });

  it.each([1, 2, 3, 7, 30, 31, 1_000])('when all tables hold the same, in pages of %i', async (pageSize) => {
    await both(env.SERVING_DB, 'tally_board', tallies(30));
    await both(env.SERVING_DB, 'tally_entries', entries(31));
    await both(env.SERVING_DB, 'tally_totals', [{ parity: 'even', additions: 3, sum: 8 }]);
    const comparison = await compareTallies({ pageSize });
    expect(comparison).toMatchObject({ isEqual: true, differing: 0, first: [] });
    expect(comparison.tables).toMatchObject([
      { table: 'row', live: 30, build: 30 },
      { table: 'entries', live: 31, build: 31 },
      { table: 'totals', live: 1, build: 1 },
    ]);
  });

  it('when a counter is back at 0 in one slot and does not exist in the other', async () => {
    await insert(env.SERVING_DB, 'tally_totals_a', [
      { parity: 'even', additions: 0, sum: 0 },
      { parity: 'odd', additions: 2, sum: 0 },
    ]);
    await insert(env.SERVING_DB, 'tally_totals_b', [
      { parity: 'neither', additions: 0, sum: 0 },
      { parity: 'odd', additions: 2, sum: 0 },
    ]);
    for (const pageSize of [1, 2, 100]) {
      const comparison = await compareTallies({ pageSize });
      expect(comparison).toMatchObject({ isEqual: true });
      expect(comparison.tables[2]).toMatchObject({ live: 1, build: 1, differing: 0 });
    }
  });

  it('while traffic writes to both between the pages', async () => {
    await both(env.SERVING_DB, 'tally_board', tallies(40));
    let asked = 0;
    const { database } = faultyDatabase(env.SERVING_DB, {
      async beforeQuery() {
        asked += 1;
        const at = (asked * 7) % 40;
        await env.SERVING_DB.batch(
          ['a', 'b'].flatMap((slot) => [
            env.SERVING_DB.prepare(
              `INSERT INTO tally_board_${slot} VALUES ('t${String(at).padStart(6, '0')}x${asked}', 1, 1)`,
            ),
            env.SERVING_DB.prepare(`UPDATE tally_board_${slot} SET sum = sum + 1 WHERE sum % 3 = ${asked % 3}`),
            env.SERVING_DB.prepare(`DELETE FROM tally_board_${slot} WHERE sum = ${at}`),
          ]),
        );
      },
    });
    expect(await compareTallies({ pageSize: 4 }, database)).toMatchObject({ isEqual: true });
    expect(asked).toBeGreaterThan(10);
  });
});

describe('a difference is found and shown', () => {
  beforeEach(async () => {
    await both(env.SERVING_DB, 'tally_board', tallies(5));
    await both(env.SERVING_DB, 'tally_entries', entries(9));
    await both(env.SERVING_DB, 'tally_totals', [{ parity: 'even', additions: 3, sum: 8 }]);
  });

  it('in a value: only the columns that differ are shown', async () => {
    await update(`UPDATE tally_board_b SET sum = 7 WHERE tally_id = 't000003'`);
    expect(await compareTallies()).toMatchObject({
      isEqual: false,
      differing: 1,
      tables: [{ table: 'row', live: 5, build: 5, differing: 1 }, { differing: 0 }, { differing: 0 }],
      first: [{ table: 'row', key: { tally_id: 't000003' }, live: { sum: 3 }, build: { sum: 7 } }],
    });
    expect((await compareTallies()).first[0]?.live).toEqual({ sum: 3 });
  });

  it('in a row that only one of the slots has, under a composite key', async () => {
    await update(`DELETE FROM tally_entries_a WHERE tally_id = 't1' AND version = 2`);
    await update(`DELETE FROM tally_entries_b WHERE tally_id = 't2' AND version = 3`);
    for (const pageSize of [1, 2, 3, 4, 100]) {
      expect(await compareTallies({ pageSize })).toEqual({
        isEqual: false,
        differing: 2,
        tables: expect.arrayContaining([
          { table: 'entries', live: 8, build: 8, differing: 2, columnsOnlyInLive: [], columnsOnlyInBuild: [] },
        ]) as unknown,
        first: [
          { table: 'entries', key: { tally_id: 't1', version: 2 }, live: null, build: { by: 4 } },
          { table: 'entries', key: { tally_id: 't2', version: 3 }, live: { by: 8 }, build: null },
        ],
      });
    }
  });

  it('in a counter that is zero in one slot only', async () => {
    await update(`UPDATE tally_totals_a SET additions = 0, sum = 0`);
    expect(await compareTallies()).toMatchObject({
      differing: 1,
      tables: [{}, {}, { live: 0, build: 1, differing: 1 }],
      first: [
        { table: 'totals', key: { parity: 'even' }, live: { additions: 0, sum: 0 }, build: { additions: 3, sum: 8 } },
      ],
    });
  });

  it('when the slots have nothing in common', async () => {
    await update(`DELETE FROM tally_board_a WHERE tally_id > 't000001'`);
    await update(`DELETE FROM tally_board_b WHERE tally_id <= 't000001'`);
    for (const pageSize of [1, 2, 3, 100]) {
      const { tables, first } = await compareTallies({ pageSize });
      expect(tables[0]).toMatchObject({ live: 2, build: 3, differing: 5 });
      expect(first.map(({ key }) => key['tally_id'])).toEqual(['t000000', 't000001', 't000002', 't000003', 't000004']);
    }
  });

  it('however many there are: all are counted, and the first ones are shown in the order of their keys', async () => {
    await update(`UPDATE tally_board_b SET version = 2`);
    await update(`UPDATE tally_entries_b SET by = by + 1`);
    for (const pageSize of [1, 2, 100]) {
      const { differing, first } = await compareTallies({ pageSize, maxShown: 7 });
      expect(differing).toBe(14);
      expect(first.map(({ table, key }) => [table, key['tally_id'], key['version']])).toEqual([
        ...[0, 1, 2, 3, 4].map((index) => ['row', `t00000${index}`, undefined]),
        ['entries', 't0', 1],
        ['entries', 't0', 2],
      ]);
    }
    expect((await compareTallies({ maxShown: 0 })).first).toEqual([]);
    expect((await compareTallies()).first).toHaveLength(10);
  });

  it('in the last digit of an integer beyond 2^53, which is then shown as text', async () => {
    await insert(env.SERVING_DB, 'tally_entries_a', [{ tally_id: 'big', version: 1, by: 0 }]);
    await insert(env.SERVING_DB, 'tally_entries_b', [{ tally_id: 'big', version: 1, by: 0 }]);
    await update(`UPDATE tally_entries_a SET by = 9007199254740993 WHERE tally_id = 'big'`);
    await update(`UPDATE tally_entries_b SET by = 9007199254740992 WHERE tally_id = 'big'`);
    const { first } = await compareTallies();
    expect(first).toEqual([
      {
        table: 'entries',
        key: { tally_id: 'big', version: 1 },
        live: { by: '9007199254740993' },
        build: { by: '9007199254740992' },
      },
    ]);
    await update(`UPDATE tally_entries_a SET by = -9223372036854775807 - 1 WHERE tally_id = 'big'`);
    expect((await compareTallies()).first[0]?.live).toEqual({ by: '-9223372036854775808' });
  });

  it('at a key beyond 2^53, and no page starts at its neighbour', async () => {
    const versions = ['9007199254740992', '9007199254740993', '9007199254740994', '9007199254740995'];
    for (const slot of ['a', 'b']) {
      const rows = versions.map((version) => `('big', ${version}, 1)`).join(', ');
      await update(`INSERT INTO tally_entries_${slot} VALUES ${rows}`);
    }
    await update(`DELETE FROM tally_entries_b WHERE version = 9007199254740993`);
    for (const pageSize of [1, 2, 100]) {
      const { tables, first } = await compareTallies({ pageSize });
      expect(tables[1]).toMatchObject({ live: 13, build: 12, differing: 1 });
      expect(first).toMatchObject([{ key: { version: '9007199254740993' }, build: null }]);
    }
  });
});

describe('another revision', () => {
  const compareRevisions = (pageSize?: number) =>
    compareWhole(env.SERVING_DB, inSlot(tallyBoard, 'a'), inSlot(nextTallyBoard, 'b'), pageSize ? { pageSize } : {});

  beforeEach(async () => {
    await createNextTables();
    await insert(env.SERVING_DB, 'tally_board_a', [{ tally_id: 't1', version: 1, sum: 1 }]);
  });

  it('with other columns and tables is never equal, and is compared in the columns of both', async () => {
    await insert(env.SERVING_DB, 'next_board_b', [{ tally_id: 't1', version: 1, sum: 1, highest: 1 }]);
    await insert(env.SERVING_DB, 'tally_totals_a', [{ parity: 'odd', additions: 1, sum: 1 }]);
    await insert(env.SERVING_DB, 'next_totals_b', [
      { parity: 'even', additions: 0, sum: 0, digits: 1 },
      { parity: 'odd', additions: 1, sum: 1, digits: 1 },
    ]);
    const { isEqual, tables, first } = await compareRevisions();
    expect(isEqual).toBe(false);
    expect(tables).toEqual([
      { table: 'row', live: 1, build: 1, differing: 0, columnsOnlyInLive: [], columnsOnlyInBuild: ['highest'] },
      { table: 'entries', live: 0, build: 0, differing: 0, columnsOnlyInLive: [], columnsOnlyInBuild: [] },
      { table: 'totals', live: 1, build: 1, differing: 0, columnsOnlyInLive: [], columnsOnlyInBuild: ['digits'] },
      {
        table: 'extremes',
        live: null,
        build: 2,
        differing: 2,
        columnsOnlyInLive: [],
        columnsOnlyInBuild: ['parity', 'additions', 'sum', 'digits'],
      },
    ]);
    expect(first).toEqual([
      { table: 'extremes', key: { parity: 'even' }, live: null, build: { additions: 0, sum: 0, digits: 1 } },
      { table: 'extremes', key: { parity: 'odd' }, live: null, build: { additions: 1, sum: 1, digits: 1 } },
    ]);
  });

  it('with another key has no row in common with the live one', async () => {
    await insert(env.SERVING_DB, 'tally_entries_a', entries(5));
    await insert(env.SERVING_DB, 'next_entries_b', entries(4));
    for (const pageSize of [1, 2, 100]) {
      const { isEqual, tables, first } = await compareRevisions(pageSize);
      expect(isEqual).toBe(false);
      expect(tables[1]).toMatchObject({ live: 5, build: 4, differing: 9 });
      expect(first.filter(({ table }) => table === 'entries').map(({ key }) => key)).toEqual([
        ...[1, 2].map((version) => ({ tally_id: 't0', version })),
        ...[1, 2].map((version) => ({ tally_id: 't1', version })),
        { tally_id: 't2', version: 1 },
        ...[0, 1, 2, 3].map((by) => ({ by })),
      ]);
    }
  });
});

describe('a stored value', () => {
  const compareNext = () => compareWhole(env.SERVING_DB, inSlot(nextTallyBoard, 'a'), inSlot(nextTallyBoard, 'b'));

  beforeEach(createNextTables);

  it.each<[Value, Value]>([
    ['1', 1],
    [null, 0],
    ['', null],
    ['ada', 'Ada'],
    ['ada', 'ada '],
  ])('%j differs from %j', async (live, build) => {
    await insert(env.SERVING_DB, 'next_board_a', [{ tally_id: 't1', version: 1, sum: live, highest: null }]);
    await insert(env.SERVING_DB, 'next_board_b', [{ tally_id: 't1', version: 1, sum: build, highest: null }]);
    const { isEqual, first } = await compareNext();
    expect(isEqual).toBe(false);
    expect(first).toEqual([{ table: 'row', key: { tally_id: 't1' }, live: { sum: live }, build: { sum: build } }]);
  });

  it('that is NULL equals NULL', async () => {
    await both(env.SERVING_DB, 'next_board', [{ tally_id: 't1', version: 1, sum: null, highest: null }]);
    expect(await compareNext()).toMatchObject({ isEqual: true, tables: [{ live: 1, build: 1 }, {}, {}, {}] });
  });

  it('that is long, quoted or a blob is shown as text, cut', async () => {
    await insert(env.SERVING_DB, 'next_board_a', [
      { tally_id: "it's", version: 1, sum: 'x'.repeat(2_000) },
      { tally_id: 'u', version: 1, sum: 0 },
    ]);
    await update(`UPDATE next_board_a SET sum = X'00ff' WHERE tally_id = 'u'`);
    const { first } = await compareNext();
    expect(first.map(({ key, live }) => [key, live?.['sum']])).toEqual([
      [{ tally_id: "it's" }, `${'x'.repeat(500)}…`],
      [{ tally_id: 'u' }, "X'00FF'"],
    ]);
  });

  it('that is NULL in a key stops the comparison', async () => {
    await insert(env.SERVING_DB, 'next_board_a', [{ tally_id: null, version: 1, sum: 1 }]);
    await expect(compareNext()).rejects.toThrow('is NULL');
  });
});

it('any two tables are compared as JavaScript would, whatever the page size', async () => {
  const slot = fc.uniqueArray(
    fc.record({
      tally_id: fc.constantFrom('t0', 't1', 't2'),
      version: fc.integer({ min: 1, max: 4 }),
      by: fc.integer({ min: 0, max: 1 }),
    }),
    { selector: ({ tally_id: id, version }) => `${id}/${version}` },
  );
  await fc.assert(
    fc.asyncProperty(slot, slot, fc.integer({ min: 1, max: 5 }), async (live, build, pageSize) => {
      await update('DELETE FROM tally_entries_a');
      await update('DELETE FROM tally_entries_b');
      await insert(env.SERVING_DB, 'tally_entries_a', live);
      await insert(env.SERVING_DB, 'tally_entries_b', build);

      const byKey = (rows: typeof live) => new Map(rows.map((row) => [`${row.tally_id}/${row.version}`, row.by]));
      const [inLive, inBuild] = [byKey(live), byKey(build)];
      const differing = [...new Set([...inLive.keys(), ...inBuild.keys()])].filter(
        (key) => inLive.get(key) !== inBuild.get(key),
      );

      const { tables, first } = await compareTallies({ pageSize, maxShown: 100 });
      expect(tables[1]).toMatchObject({ live: live.length, build: build.length, differing: differing.length });
      expect(first.map(({ key }) => `${key['tally_id']}/${key['version']}`)).toEqual(differing.toSorted());
      for (const { key, live: one, build: other } of first) {
        const id = `${key['tally_id']}/${key['version']}`;
        expect([one?.['by'], other?.['by']]).toEqual([inLive.get(id), inBuild.get(id)]);
      }
    }),
    { numRuns: 60 },
  );
});

describe('the rows read are in proportion to the rows of the tables, and bounded for one statement', () => {
  const pageSize = 20;
  /** A row of either slot is read, sorted by its key, paired, counted, and searched for differences. */
  const PER_ROW = 5;

  it.each([400, 1_600])('of %i rows under a composite key', async (count) => {
    await both(env.SERVING_DB, 'tally_entries', entries(count));
    const cost = await costOfComparison(env.SERVING_DB, tallyBoard, { pageSize, maxShown: 10 });
    expect(cost.rowsRead).toBeLessThan(PER_ROW * 2 * count);
    expect(cost.mostRowsRead).toBeLessThan(PER_ROW * 2 * pageSize);
    // One statement for each page, one more for a table whose last page was full, and one for each empty table.
    expect(cost.statements).toBe(count / pageSize + 1 + 2);
  });

  it.each([400, 1_600])('of %i rows that all differ, and as many that only one slot has', async (count) => {
    await both(env.SERVING_DB, 'tally_board', tallies(count));
    await update('UPDATE tally_board_b SET version = 2');
    await insert(env.SERVING_DB, 'tally_entries_a', entries(count));
    const cost = await costOfComparison(env.SERVING_DB, tallyBoard, { pageSize, maxShown: 10 });
    expect(cost.differing).toBe(2 * count);
    expect(cost.rowsRead).toBeLessThan(PER_ROW * 3 * count);
  });

  it.each([400, 1_600])('of %i rows whose keys are in one slot only', async (count) => {
    const rows = entries(2 * count);
    await insert(env.SERVING_DB, 'tally_entries_a', rows.slice(0, count));
    await insert(env.SERVING_DB, 'tally_entries_b', rows.slice(count));
    const cost = await costOfComparison(env.SERVING_DB, tallyBoard, { pageSize, maxShown: 10 });
    expect(cost.differing).toBe(2 * count);
    // One slot alone fills a page, so the other slot's rows are read again for the next page.
    expect(cost.rowsRead).toBeLessThan(2 * PER_ROW * 2 * count);
  });
});
