import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, it } from 'vitest';

import { cancelBuild, requestBuild } from '../../../src/tidemark/rebuild/build-requests.ts';
import { tallyOf } from '../../support/boards.ts';
import { idleRunner, work } from '../../support/builds.ts';
import { forgetPositions } from '../../support/checkpoints.ts';
import { meteredDatabase } from '../../support/metered-database.ts';
import { ports } from '../../support/platform.ts';
import { system } from '../../support/system.ts';
import { tallyBoard, tallyCount } from '../../support/tally.ts';

const database = env.SERVING_DB;
const { name, group } = tallyBoard;

/** Deletes the board’s pointer, builds and checkpoints, as if it had never been built. */
async function forgetBoard(): Promise<void> {
  await forgetPositions(database, name);
  await database.batch(
    ['projection_pointer', 'projection_build'].map((table) =>
      database.prepare(`DELETE FROM ${table} WHERE projection = ?`).bind(name),
    ),
  );
  system.pointers.drop(name);
}

async function order(): Promise<string> {
  const requested = await requestBuild(system, tallyBoard);
  if (requested.outcome !== 'started') throw new Error(requested.outcome);
  return requested.id;
}

describe('the delivery check', () => {
  beforeEach(async () => {
    const runner = idleRunner();
    ports.buildRunner = () => runner;
    await forgetBoard();
  });

  it('waits for a first build that has not started or is running, not for one that failed', async () => {
    const { stream } = await tallyOf(1);
    const waitsFor = async () => [...(await system.aggregateHost.versionsReached(group, stream, undefined)).keys()];
    expect(await waitsFor()).toContain(name);
    const id = await order();
    expect(await waitsFor()).toContain(name);
    await cancelBuild(system, tallyBoard, id);
    expect(await waitsFor()).not.toContain(name);
    expect(await waitsFor()).toContain(tallyCount.name);
    const again = await order();
    expect(await waitsFor()).toContain(name);
    await work(name, again);
    expect(await waitsFor()).toContain(name);
  });

  it('reads no build of a live projection', async () => {
    const { stream } = await tallyOf(1);
    await work(name, await order());
    const { database: metered, bill } = meteredDatabase(database);
    ports.database = () => metered;
    await system.aggregateHost.versionsReached(group, stream, [name]);
    const { rowsRead } = bill;
    ports.database = () => database;
    await database
      .prepare(
        `WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 50)
        INSERT INTO projection_build
        SELECT 'more-' || n, projection, revision, slot, live_revision, state, accepts_differences, is_trial, cleared_at,
          replayed, total, comparison, error, started_at, updated_at, ended_at
        FROM projection_build, number WHERE projection = ?`,
      )
      .bind(name)
      .run();
    ports.database = () => metered;
    bill.rowsRead = 0;
    await system.aggregateHost.versionsReached(group, stream, [name]);
    expect(bill.rowsRead).toBe(rowsRead);
  });
});
