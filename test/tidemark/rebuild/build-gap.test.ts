import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { MAX_CATCH_UP_MS, MAX_STATEMENTS } from '../../../src/tidemark/catch-up/catch-up-limits.ts';
import { type Pointer, readPointer } from '../../../src/tidemark/projections/pointer.ts';
import { buildContext } from '../../../src/tidemark/rebuild/build-context.ts';
import { waitForLive } from '../../../src/tidemark/rebuild/build-waits.ts';
import { gapToArchive } from '../../../src/tidemark/rebuild/build-gap.ts';
import { acceptBuild } from '../../../src/tidemark/rebuild/rebuild.ts';
import { activeBuilds, buildOf } from '../../../src/tidemark/projections/build.ts';
import { cancelBuild, requestBuild } from '../../../src/tidemark/rebuild/build-requests.ts';
import { streamId } from '../../../src/tidemark/domain/stream.ts';
import { boardOf, checkpointOf, tallyOf } from '../../support/boards.ts';
import { idleRunner, stepsHere, work } from '../../support/builds.ts';
import { forgetPositions } from '../../support/checkpoints.ts';
import { meteredDatabase } from '../../support/metered-database.ts';
import { ports, production } from '../../support/platform.ts';
import { setCheckpoints } from '../../support/projections.ts';
import { add, system } from '../../support/system.ts';
import { tallyBoard } from '../../support/tally.ts';

/*
 * Events that a build lacks after its replay must be in it before the step that needs them. The guard of the swap would find a gap too, but only
 * after the comparison, and not in a first build.
 */

const database = env.SERVING_DB;
const { name } = tallyBoard;

beforeEach(async () => {
  const runner = idleRunner();
  ports.buildRunner = () => runner;
  for (const { id } of await activeBuilds(database, name)) await cancelBuild(system, tallyBoard, id);
});

async function order(wishes: Parameters<typeof requestBuild>[2] = {}): Promise<string> {
  const requested = await requestBuild(system, tallyBoard, wishes);
  if (requested.outcome !== 'started') throw new Error(requested.outcome);
  return requested.id;
}

const archive = () => {
  const found = system.registry.projectionsFollowing(streamId('tally', 'any')).find(({ everyEvent }) => everyEvent);
  if (!found) throw new Error('there is an archive');
  return found;
};

/** Runs a build, and runs `before` right before its steps. Returns the build's version of the stream when the step `seenAt` started. */
async function workWith({ stream }: Tally, before: Readonly<Record<string, () => Promise<unknown>>>, seenAt: string) {
  const id = await order();
  const { slot } = (await buildOf(database, name, id))?.target ?? { slot: 'a' };
  let seen: number | undefined;
  const { steps } = stepsHere(async (step, run) => {
    await before[step]?.();
    if (step === seenAt) seen = await checkpointOf(stream, name, slot);
    return run();
  });
  await work(name, id, steps);
  return { seen, slot, state: (await buildOf(database, name, id))?.state };
}

type Tally = Awaited<ReturnType<typeof tallyOf>>;

describe('a build', () => {
  it('has the events that the live slot has and the archive lacks before it joins', async () => {
    const tally = await tallyOf(1, 2);
    await system.catchUp(tallyBoard, [{ stream: tally.stream, wanted: 2 }]);
    expect(await checkpointOf(tally.stream, 'archive')).toBe(0);
    const { seen, slot, state } = await workWith(tally, {}, 'join');
    expect(seen).toBe(2);
    expect(state).toBe('swapped');
    expect(await boardOf(tally.tallyId, slot)).toEqual({ version: 2, sum: 3 });
  });

  it('has the events that the live slot applied between the last pass and the join before the comparison', async () => {
    const tally = await tallyOf(1);
    await system.catchUp(tallyBoard, [{ stream: tally.stream, wanted: 1 }]);
    const moveLive = async () => {
      await add(tally.tallyId, 2);
      await system.catchUp(tallyBoard, [{ stream: tally.stream, wanted: 2 }]);
    };
    const { seen, slot, state } = await workWith(tally, { join: moveLive }, 'compare with live, part 1');
    expect(seen).toBe(2);
    expect(state).toBe('swapped');
    expect(await boardOf(tally.tallyId, slot)).toEqual({ version: 2, sum: 3 });
  });
});

/** Adds to a tally, and moves only the live slot, like a Worker without code for the build. */
async function moveLiveAlone({ tallyId, stream }: Tally): Promise<void> {
  await add(tallyId, 100);
  const pointer = (await readPointer(database, name)) as Pointer;
  const alone = { ...pointer, moved: [pointer.live] };
  await system.catchUp(tallyBoard, [{ stream, wanted: 'head' }], { pointer: alone });
}

describe('a page of the gap of a first build', () => {
  it('reads only its own checkpoints, however many streams there are', async () => {
    const streams = Array.from({ length: 1_000 }, (_, index) => ({ stream: `tally-gap-${index}`, version: 1 }));
    const { group } = archive();
    await setCheckpoints(system.databaseOf(group), 'archive', streams);
    await setCheckpoints(database, name, streams, 'b');
    const { database: metered, bill } = meteredDatabase(database);
    const context = { databaseOf: system.databaseOf, archive: archive(), database: metered, name };
    const build = { target: { revision: 1, slot: 'b' } } as const;
    const { last, requests } = await gapToArchive(context, { projection: tallyBoard, build }, '');
    expect(last).toBeDefined();
    expect(requests).toEqual([]);
    // The 200 streams of the page, and their checkpoints.
    expect(bill.rowsRead).toBeLessThanOrEqual(2 * 200);
    for (const { database: one, projection } of [
      { database: system.databaseOf(group), projection: 'archive' },
      { database, projection: name },
    ])
      await one
        .prepare(`DELETE FROM checkpoint WHERE projection = ? AND stream GLOB 'tally-gap-*'`)
        .bind(projection)
        .run();
  });
});

describe('a build that waits for the live slot', () => {
  it('looks on at the stream that was behind, and does not read what was there before it again', async () => {
    const id = await order();
    const { slot } = (await buildOf(database, name, id))?.target ?? { slot: 'a' };
    const live = slot === 'a' ? 'b' : 'a';
    const streams = Array.from({ length: 1_000 }, (_, index) => ({
      stream: `tally-wait-${1_000 + index}`,
      version: 1,
    }));
    const [first] = streams;
    await setCheckpoints(database, name, streams, slot);
    await setCheckpoints(database, name, streams.slice(0, -1), live);
    const { database: metered, bill } = meteredDatabase(database);
    const context = { ...buildContext(system, name, id), database: metered };

    const look = await waitForLive(context);
    expect(look).toMatchObject({ isDone: false, naps: 1, from: streams.at(-1)?.stream });
    expect(bill.rowsRead).toBeGreaterThan(1_000);
    bill.rowsRead = 0;
    expect(await waitForLive(context, look)).toMatchObject({ isDone: false, naps: 2, from: look.from });
    expect(bill.rowsRead).toBeLessThan(50);

    await setCheckpoints(database, name, streams.slice(-1), live);
    expect(await waitForLive(context, look)).toMatchObject({ isDone: true });
    // Before the one that was behind, as after the replay of a dead letter.
    await database.prepare('DELETE FROM checkpoint WHERE slot = ? AND stream = ?').bind(live, first?.stream).run();
    expect(await waitForLive(context, look)).toMatchObject({ isDone: false, from: first?.stream });
    await database.prepare(`DELETE FROM checkpoint WHERE stream GLOB 'tally-wait-*'`).run();
  });
});

describe('a swap whose build is behind', () => {
  it('is tried again once the gap is closed', async () => {
    const tally = await tallyOf(1);
    await system.catchUp(tallyBoard, [{ stream: tally.stream, wanted: 1 }]);
    const { slot, state } = await workWith(tally, { 'swap, part 1': () => moveLiveAlone(tally) }, 'none');
    expect(state).toBe('swapped');
    expect(await boardOf(tally.tallyId, slot)).toEqual({ version: 2, sum: 101 });
  });

  it('is tried again after an operator has accepted it, too', async () => {
    const tally = await tallyOf(1);
    await system.catchUp(tallyBoard, [{ stream: tally.stream, wanted: 1 }]);
    const id = await order({ isTrial: true });
    await work(name, id);
    await moveLiveAlone(tally);
    expect(await acceptBuild(system, name, id)).toBe(true);
    const { state, target } = (await buildOf(database, name, id)) ?? {};
    expect(state).toBe('swapped');
    expect(await boardOf(tally.tallyId, target?.slot)).toEqual({ version: 2, sum: 101 });
  });
});

describe('a step of a build', () => {
  it('leaves the rest of a stream far behind to the next step', async () => {
    const tally = await tallyOf(1, 2, 3, 4, 5);
    await system.catchUp(tallyBoard, [{ stream: tally.stream, wanted: 5 }]);
    ports.aggregateStub = (environment, stream) => {
      const stub = production.aggregateStub(environment, stream);
      const load: typeof stub.load = (...asked) => {
        ports.clockOffsetMs += (2 * MAX_CATCH_UP_MS) / 3;
        return stub.load(...asked);
      };
      return { ...stub, load };
    };
    const id = await order();
    const { steps, taken } = stepsHere();
    await work(name, id, steps, {
      catchUp: (projection, requests, options) => system.catchUp(projection, requests, { ...options, pageSize: 1 }),
    });
    const { state, error, target } = (await buildOf(database, name, id)) ?? {};
    expect({ state, error }).toEqual({ state: 'swapped', error: null });
    expect(await boardOf(tally.tallyId, target?.slot)).toEqual({ version: 5, sum: 15 });
    expect(taken.filter((step) => step.startsWith('close the gap before the join,')).length).toBeGreaterThan(1);
  });

  it('ends when its invocation has no statements left', async () => {
    const tally = await tallyOf(1, 2);
    for (const projection of [tallyBoard, archive()])
      await system.catchUp(projection, [{ stream: tally.stream, wanted: 2 }]);
    const id = await order({ isTrial: true });
    const left: (number | undefined)[] = [];
    const { steps, taken } = stepsHere();
    await work(name, id, steps, {
      catchUp: async (projection, requests, options = {}) => {
        const result = await system.catchUp(projection, requests, options);
        left.push(options.budget?.statements);
        // As if the catch-up had searched for a refused event.
        if (options.budget && options.build) options.budget.statements = 0;
        return result;
      },
    });
    expect(await buildOf(database, name, id)).toMatchObject({ state: 'awaiting-acceptance', error: null });
    expect(left.every((statements) => statements !== undefined && statements < MAX_STATEMENTS)).toBe(true);
    // One more page always follows, and says that it is the last.
    expect(taken.filter((step) => step.startsWith('replay the archive, part')).length).toBeGreaterThan(1);
  });
});

describe('a build beside tables that refuse every stream', () => {
  const mend = () => database.prepare('DROP TRIGGER IF EXISTS fails').run();
  afterEach(async () => {
    await mend();
    await database.prepare('DELETE FROM projection_fault').run();
  });

  it('waits to be accepted, and then replaces them', async () => {
    const tally = await tallyOf(1, 2);
    const wanted = { stream: tally.stream, wanted: 2 };
    await system.catchUp(archive(), [wanted]);
    const live = (await readPointer(database, name))?.live.slot;
    await database
      .prepare(`CREATE TRIGGER fails AFTER INSERT ON tally_board_${live} BEGIN SELECT json_extract('{', '$'); END`)
      .run();
    const { streams } = await system.catchUp(tallyBoard, [wanted]);
    expect(streams.get(tally.stream)?.standstill?.cause).toBe('projection-fault');

    const { slot, state } = await workWith(tally, {}, 'join');
    expect(state).toBe('awaiting-acceptance');
    const [build] = await activeBuilds(database, name);
    expect(await acceptBuild(system, name, build?.id ?? '')).toBe(true);
    expect(await boardOf(tally.tallyId, slot)).toEqual({ version: 2, sum: 3 });
    const after = await system.catchUp(tallyBoard, [wanted]);
    expect(after.streams.get(tally.stream)).toMatchObject({ version: 2 });
    expect(await database.prepare('SELECT * FROM projection_fault').first()).toBeNull();
  });
});

describe('a first build', () => {
  beforeEach(async () => {
    await forgetPositions(database, name);
    await database.batch(
      ['projection_pointer', 'projection_build'].map((table) =>
        database.prepare(`DELETE FROM ${table} WHERE projection = ?`).bind(name),
      ),
    );
    system.pointers.drop(name);
  });

  it.each(['join', 'compare with live, part 1'])(
    'has the events archived since its replay when it starts to "%s"',
    async (seenAt) => {
      const tally = await tallyOf(1);
      const moveArchive = async () => {
        await add(tally.tallyId, 2);
        await system.catchUp(archive(), [{ stream: tally.stream, wanted: 2 }]);
      };
      const moved = seenAt === 'join' ? 'close the gap before the join, part 1' : 'join';
      const { seen, slot, state } = await workWith(tally, { [moved]: moveArchive }, seenAt);
      expect(seen).toBe(2);
      expect(state).toBe('swapped');
      expect(await boardOf(tally.tallyId, slot)).toEqual({ version: 2, sum: 3 });
    },
  );
});
