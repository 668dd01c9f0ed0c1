import { env } from 'cloudflare:workers';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';

import { type Pointer, readPointer } from '../../../src/tidemark/projections/pointer.ts';
import type { Projection } from '../../../src/tidemark/projections/projection.ts';
import { shapeOf } from '../../../src/tidemark/projections/slot-tables.ts';
import { tryWrites } from '../../../src/tidemark/catch-up/write-trial.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import { allOperations } from '../../support/api-operations.ts';
import { createOneOfEach } from '../../support/examples.ts';
import { everythingStored, tallyOf } from '../../support/boards.ts';
import { separateCheckpoints } from '../../support/checkpoints.ts';
import { deliver } from '../../support/queue.ts';
import { settle } from '../../support/settle.ts';
import { system } from '../../support/system.ts';
import { tallyBoard } from '../../support/tally.ts';

const database = env.SERVING_DB;

/** Every kind of write that a projection can make. */
function everyWriteOf({ row, appends, counters }: Projection): readonly string[] {
  return [
    'checkpoint',
    ...(row ? ['create', ...shapeOf(row.tables.a).columns.map(({ name }) => `change ${name}`)] : []),
    ...Object.keys(appends).map((name) => `append ${name}`),
    ...Object.keys(counters).map((name) => `count ${name}`),
  ];
}

const attempt = (...writes: readonly string[]) => tryWrites(database, tallyBoard, 'a', writes);

const failing = (when: string) =>
  database.prepare(`CREATE TRIGGER fails ${when} BEGIN SELECT json_extract('{', '$'); END`).run();

/** The first and the last tally of the board. */
let ends: { readonly first: string; readonly last: string };

beforeAll(async () => {
  const some = await Promise.all([1, 2, 3].map((by) => tallyOf(by)));
  await system.catchUp(
    tallyBoard,
    some.map(({ stream }) => ({ stream, wanted: 'head' as const })),
  );
  // The board and the count share the checkpoint of this one.
  const shared = await tallyOf(4);
  expect((await deliver([shared.hint])).explicitAcks).toHaveLength(1);
  const [first = '', , , last = ''] = [...some, shared].map(({ tallyId }) => tallyId).toSorted();
  ends = { first, last };
});

afterEach(async () => {
  await database.prepare('DROP TRIGGER IF EXISTS fails').run();
});

describe('a trial', () => {
  it('leaves all tables as they were', async () => {
    const before = await everythingStored();
    expect(await attempt(...everyWriteOf(tallyBoard))).toBe('taken');
    expect(await everythingStored()).toEqual(before);
  });

  it.each([
    ['create', 'BEFORE INSERT ON tally_board_a'],
    ['change sum', 'AFTER UPDATE OF sum ON tally_board_a'],
    ['append entries', 'AFTER INSERT ON tally_entries_a'],
    ['count totals', 'AFTER INSERT ON tally_totals_a'],
    ['count totals', 'AFTER UPDATE OF additions ON tally_totals_a'],
    ['checkpoint', 'BEFORE INSERT ON checkpoint'],
    ['checkpoint', 'AFTER UPDATE ON checkpoint'],
    ['checkpoint', 'BEFORE INSERT ON shared_checkpoint'],
    ['checkpoint', 'AFTER UPDATE ON shared_checkpoint'],
  ])('finds that the tables refuse to %s, by a trigger %s, and that the rest works', async (write, when) => {
    await failing(when);
    const others = everyWriteOf(tallyBoard).filter((other) => other !== write);
    expect(await attempt(write)).toBe('refused');
    expect(await attempt(...others)).toBe('taken');
    expect(await attempt(...others, write)).toBe('refused');
  });

  it.each(['first', 'last'] as const)('is not misled if the tables refuse only the %s row', async (end) => {
    await failing(`AFTER INSERT ON tally_board_a WHEN new.tally_id = '${ends[end]}'`);
    expect(await attempt('create')).toBe('taken');
  });

  it('finds that a table is missing', async () => {
    await database.prepare('ALTER TABLE tally_board_a RENAME TO tally_board_away').run();
    try {
      expect(await attempt('create')).toBe('refused');
      expect(await attempt('append entries')).toBe('taken');
    } finally {
      await database.prepare('ALTER TABLE tally_board_away RENAME TO tally_board_a').run();
    }
  });

  it('has no result for a table without rows', async () => {
    expect(await tryWrites(database, tallyBoard, 'b', ['append entries'])).toBe('untried');
  });

  it('tries whichever table of checkpoints has rows, and has no result if neither has', async () => {
    await database.prepare('DELETE FROM checkpoint').run();
    expect(await attempt('checkpoint')).toBe('taken');
    await failing('AFTER UPDATE ON shared_checkpoint');
    expect(await attempt('checkpoint')).toBe('refused');
    await separateCheckpoints(database);
    expect(await attempt('checkpoint')).toBe('taken');
    await database.prepare('DELETE FROM checkpoint').run();
    expect(await attempt('checkpoint')).toBe('untried');
  });

  it('throws if the database does not answer', async () => {
    const away = {
      prepare: (sql: string) => database.prepare(sql),
      batch: () => Promise.reject(new Error('D1_ERROR: Network connection lost.')),
    };
    await expect(tryWrites(away, tallyBoard, 'a', ['create'])).rejects.toThrow('Network connection lost');
  });
});

it('a trial can make every kind of write of every projection', async () => {
  const examples = await createOneOfEach(await allOperations());
  const tally = await tallyOf(1);
  for (const { stream } of [...examples, tally]) await settle(stream as StreamId);
  for (const group of system.registry.groups) {
    const databaseOfGroup = system.databaseOf(group);
    for (const { name } of system.registry.projectionsOf(group)) {
      const { live } = (await readPointer(databaseOfGroup, name)) as Pointer;
      const projection = system.registry.revisionOf(name, live.revision) as Projection;
      const trial = tryWrites(databaseOfGroup, projection, live.slot, everyWriteOf(projection));
      expect([name, await trial]).toEqual([name, 'taken']);
    }
  }
});
