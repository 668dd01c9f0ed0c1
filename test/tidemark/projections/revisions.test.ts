import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, it } from 'vitest';

import { type Build, buildOf } from '../../../src/tidemark/projections/build.ts';
import { cancelBuild, requestBuild } from '../../../src/tidemark/rebuild/build-requests.ts';
import { catchUp } from '../../../src/tidemark/catch-up/catch-up.ts';
import { causalRead } from '../../../src/tidemark/queries/causal-read.ts';
import { EMPTY_TOKEN, withVersion } from '../../../src/tidemark/queries/causal-token.ts';
import type { SelectQuery } from '../../../src/tidemark/queries/guarded-query.ts';
import { pointerCache, readPointer } from '../../../src/tidemark/projections/pointer.ts';
import { release } from '../../../src/tidemark/rebuild/former-slot.ts';
import { acceptBuild } from '../../../src/tidemark/rebuild/rebuild.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import { idleRunner, stepsHere, rollBack, work } from '../../support/builds.ts';
import { forgetPositions } from '../../support/checkpoints.ts';
import { ports } from '../../support/platform.ts';
import { add, newTally, system } from '../../support/system.ts';
import { countById, countById1, tallyCount, tallyCount2 } from '../../support/tally.ts';

const database = env.SERVING_DB;
const { name } = tallyCount2;

beforeEach(async () => {
  const runner = idleRunner();
  ports.buildRunner = () => runner;
  // In every test the first revision is live at the start, and the second was just deployed.
  const slot = await liveSlot();
  await forgetPositions(database, name);
  await database.batch([
    database
      .prepare(`UPDATE projection_build SET state = 'cancelled' WHERE projection = ? AND state = 'awaiting-acceptance'`)
      .bind(name),
    database
      .prepare(`UPDATE projection_pointer SET live_revision = 1, moved = '[]', epoch = epoch + 1 WHERE projection = ?`)
      .bind(name),
    database.prepare(`DELETE FROM tally_count_${slot}`),
  ]);
});

interface Count {
  readonly additions: number;
  readonly sum: number | null;
}

async function liveSlot() {
  return (await readPointer(database, name))?.live.slot;
}

async function start(wishes: Parameters<typeof requestBuild>[2] = {}): Promise<string> {
  const requested = await requestBuild(system, tallyCount2, wishes);
  if (requested.outcome !== 'started') throw new Error(requested.outcome);
  return requested.id;
}

const build = async (id: string): Promise<Build> => (await buildOf(database, name, id)) as Build;

/** A read by the newest code, with a token that has seen the stream at a version. */
async function read(tallyId: string, stream: StreamId, version: number) {
  const rowsBy = <Tables>(query: (tables: Tables) => SelectQuery<Count>) => {
    return (tables: Tables) => ({ rows: query(tables) });
  };
  const result = await causalRead(system, {
    projection: tallyCount2,
    token: withVersion(EMPTY_TOKEN, stream, version),
    stream,
    queries: rowsBy(countById(tallyId)),
    formerly: [{ projection: tallyCount, queries: rowsBy(countById1(tallyId)) }],
  });
  return result.outcome === 'read' ? result.answers.rows[0] : result.outcome;
}

/** A consumer of the former Worker. It has no code for the second revision. */
async function oldConsumer(stream: StreamId): Promise<void> {
  await catchUp(
    {
      ...system,
      pointers: pointerCache(),
      registry: {
        ...system.registry,
        revisionOf: (projection, revision) =>
          revision === 2 ? undefined : system.registry.revisionOf(projection, revision),
      },
      report: () => undefined,
    },
    tallyCount,
    [{ stream, wanted: 'head' }],
  );
}

describe('a new revision of a projection', () => {
  it('lets the former revision serve, with its own queries, until its build is swapped in', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 5);
    expect(await read(tallyId, stream, 1)).toEqual({ additions: 1, sum: null });
    const id = await start();
    await work(name, id);
    expect(await build(id)).toMatchObject({ state: 'awaiting-acceptance', liveRevision: 1, target: { revision: 2 } });
    await add(tallyId, 6);
    expect(await read(tallyId, stream, 2)).toEqual({ additions: 2, sum: null });
    expect(await acceptBuild(system, name, id)).toBe(true);
    expect(await read(tallyId, stream, 2)).toEqual({ additions: 2, sum: 11 });
    await add(tallyId, 7);
    expect(await read(tallyId, stream, 3)).toEqual({ additions: 3, sum: 18 });
  });

  it('shows the differences before the swap: the new column, and none in the shared columns', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 5);
    await read(tallyId, stream, 1);
    const id = await start();
    await work(name, id);
    expect(JSON.parse((await build(id)).comparison ?? '')).toMatchObject({
      isEqual: false,
      differing: 0,
      tables: [{ table: 'row', columnsOnlyInLive: [], columnsOnlyInBuild: ['sum'] }],
    });
    expect(await cancelBuild(system, tallyCount2, id)).toBe(true);
    expect(await read(tallyId, stream, 1)).toEqual({ additions: 1, sum: null });
  });

  it('is swapped in at once if differences were accepted in advance', async () => {
    const id = await start({ acceptsDifferences: true });
    await work(name, id);
    expect(await build(id)).toMatchObject({ state: 'swapped' });
  });

  it('can be rolled back to the former revision, which has moved all the while', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 5);
    await read(tallyId, stream, 1);
    await work(name, await start({ acceptsDifferences: true }));
    await add(tallyId, 6);
    expect(await read(tallyId, stream, 2)).toEqual({ additions: 2, sum: 11 });
    expect(await rollBack(database, name)).toMatchObject({ outcome: 'changed', live: { revision: 1 } });
    expect(await read(tallyId, stream, 2)).toEqual({ additions: 2, sum: null });
    await rollBack(database, name);
    expect(await read(tallyId, stream, 2)).toEqual({ additions: 2, sum: 11 });
    await release(database, name);
  });

  it('misses nothing that a former Worker moved after the join, because a pass follows the grace period', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    await read(tallyId, stream, 1);
    const id = await start({ acceptsDifferences: true });
    let graceIsOver = false;
    const { steps, taken } = stepsHere(async (step, run) => {
      const result = await run();
      if (step === 'join' || step.startsWith('wait for former Workers')) {
        await add(tallyId, 1);
        await oldConsumer(stream);
      }
      graceIsOver ||= step.startsWith('close the gap after the join');
      return result;
    });
    await work(name, id, steps, { buildGraceMs: 60_000 });
    expect(graceIsOver).toBe(true);
    expect(taken.filter((step) => step.startsWith('wait for former Workers, nap')).length).toBeGreaterThan(1);
    expect(await build(id)).toMatchObject({ state: 'swapped' });
    const version = await system.aggregates.currentVersion(stream);
    expect(await read(tallyId, stream, version)).toEqual({ additions: version, sum: version });
  });

  it('catches up before the swap if a former Worker left it behind', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    await read(tallyId, stream, 1);
    const id = await start({ isTrial: true });
    await work(name, id);
    await add(tallyId, 1);
    await oldConsumer(stream);
    // The swap catches up first.
    expect(await acceptBuild(system, name, id)).toBe(true);
    expect(await read(tallyId, stream, 2)).toEqual({ additions: 2, sum: 2 });
  });

  it('answers "building" if the Worker has no code for the live revision', async () => {
    const { tallyId, stream } = newTally();
    await database
      .prepare(`UPDATE projection_pointer SET live_revision = 3, epoch = epoch + 1 WHERE projection = ?`)
      .bind(name)
      .run();
    system.pointers.drop(name);
    expect(await read(tallyId, stream, 0)).toBe('building');
    expect(await system.catchUp(tallyCount2, [{ stream, wanted: 1 }])).toMatchObject({
      outcome: 'building',
      applied: 0,
    });
  });
});
