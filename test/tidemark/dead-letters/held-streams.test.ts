import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, it } from 'vitest';

import { liveVersions } from '../../../src/tidemark/queries/live-versions.ts';
import { obstaclesStatement } from '../../../src/tidemark/dead-letters/dead-letter.ts';
import { runGuarded } from '../../../src/tidemark/queries/guarded-query.ts';
import { type Pointer, readPointer } from '../../../src/tidemark/projections/pointer.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import { CHECKPOINT_TABLES } from '../../support/checkpoints.ts';
import { meteredDatabase } from '../../support/metered-database.ts';
import { setCheckpoints, setDeadLetter, setPointer } from '../../support/projections.ts';

const PROJECTION = 'seats';

beforeEach(async () => {
  for (const database of [env.SERVING_DB, env.REPORTING_DB])
    await database.batch(
      [...CHECKPOINT_TABLES, 'dead_letter', 'skipped_event', 'projection_pointer'].map((table) =>
        database.prepare(`DELETE FROM ${table}`),
      ),
    );
});

describe.each([
  ['serving', env.SERVING_DB],
  ['reporting', env.REPORTING_DB],
] as const)('in the %s database', (_, database) => {
  async function held(): Promise<readonly string[]> {
    const { results } = await database.prepare(`SELECT stream FROM held_stream ORDER BY stream`).all<{
      stream: string;
    }>();
    return results.map(({ stream }) => stream);
  }

  it('only an open dead letter right after the live checkpoint holds its stream', async () => {
    await setPointer(database, PROJECTION, 1);
    await setCheckpoints(
      database,
      PROJECTION,
      ['seat-applied', 'seat-beyond', 'seat-held', 'seat-suspected'].map((stream) => ({ stream, version: 4 })),
    );
    for (const [stream, version] of [
      ['seat-applied', 4],
      ['seat-beyond', 6],
      ['seat-held', 5],
      ['seat-new', 1],
      ['seat-new-beyond', 2],
    ] as const)
      await setDeadLetter(database, PROJECTION, stream, version);
    await setDeadLetter(database, PROJECTION, 'seat-suspected', 5, false);
    expect(await held()).toEqual(['seat-held', 'seat-new']);

    const { results } = await database.prepare('SELECT stream FROM refused_event ORDER BY stream').all();
    expect(results.map(({ stream }) => stream)).toEqual(['seat-held', 'seat-new', 'seat-suspected']);
  });

  it('the checkpoint of another slot or projection does not count', async () => {
    await setPointer(database, PROJECTION, 1);
    await setCheckpoints(database, 'guests', [{ stream: 'seat-1', version: 4 }]);
    await setCheckpoints(database, PROJECTION, [{ stream: 'seat-1', version: 2 }]);
    await database.prepare(`INSERT INTO checkpoint VALUES (?, 'b', 'seat-1', 4, 'e')`).bind(PROJECTION).run();
    await setDeadLetter(database, PROJECTION, 'seat-1', 3);
    expect(await held()).toEqual(['seat-1']);

    await database.prepare(`UPDATE projection_pointer SET live_slot = 'b'`).run();
    expect(await held()).toEqual([]);
  });
});

describe('the cost of held streams', () => {
  const streams = Array.from({ length: 10 }, (_, index) => `seat-${index}` as StreamId);
  const database = env.SERVING_DB;

  async function rowsRead(work: (metered: D1Database) => Promise<unknown>): Promise<number> {
    const { database: metered, bill } = meteredDatabase(database);
    await work(metered);
    return bill.rowsRead;
  }
  const obstacles = () => rowsRead((metered) => obstaclesStatement(metered, PROJECTION, streams).all());
  const confirm = () => rowsRead((metered) => liveVersions(metered, [{ name: PROJECTION }], streams));
  async function read(): Promise<number> {
    const pointer = (await readPointer(database, PROJECTION)) as Pointer;
    return rowsRead((metered) => runGuarded(metered, { projectionName: PROJECTION, pointer, streams, queries: {} }));
  }

  /** Stores dead letters and skips of other streams. */
  async function plant(count: number): Promise<void> {
    const others = JSON.stringify(Array.from({ length: count }, (_, index) => `seat-other-${index}`));
    await database.batch([
      database
        .prepare(
          `INSERT INTO dead_letter SELECT ?1, value, 1, 'e', 'poison', 'k', 'e', 3, '', '', 1 FROM json_each(?2)`,
        )
        .bind(PROJECTION, others),
      database
        .prepare(`INSERT INTO skipped_event SELECT ?1, value, 1, 'e', '', '', '' FROM json_each(?2)`)
        .bind(PROJECTION, others),
    ]);
  }

  beforeEach(async () => {
    await setPointer(database, PROJECTION, 1);
    await setCheckpoints(
      database,
      PROJECTION,
      streams.map((stream) => ({ stream, version: 1 })),
    );
  });

  it('is nothing for a healthy stream: in a read, in the delivery check, in the catch-up', async () => {
    expect(await obstacles()).toBe(0);
    // The pointer, and a checkpoint for each stream.
    expect(await read()).toBe(1 + streams.length);
    const [reading, confirming] = [await read(), await confirm()];
    await plant(500);
    expect([await read(), await confirm()]).toEqual([reading, confirming]);
    // Each element of the list, once for refusals and once for skips.
    expect(await obstacles()).toBeLessThanOrEqual(2 * streams.length + 2);
  });

  it('is three rows for a held stream: the dead letter, the pointer and the live checkpoint', async () => {
    await plant(1);
    const well = await obstacles();
    for (const stream of streams) await setDeadLetter(database, PROJECTION, stream, 2);
    expect((await obstacles()) - well).toBeLessThanOrEqual(3 * streams.length);
  });
});
