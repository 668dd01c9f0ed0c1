import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, it } from 'vitest';

import { activeBuilds, buildOf } from '../../../src/eventsourcing/read/build.ts';
import { cancelBuild, requestBuild } from '../../../src/eventsourcing/read/build-requests.ts';
import { streamId } from '../../../src/eventsourcing/stream.ts';
import { boardOf, checkpointOf, tallyOf } from '../../support/boards.ts';
import { idleRunner, stepsHere, work } from '../../support/builds.ts';
import { ports } from '../../support/platform.ts';
import { add, system } from '../../support/system.ts';
import { tallyBoard } from '../../support/tally.ts';

/*
 * What a build lacks after its replay has to be in it before the step that relies on it. The swap's own guard would find it too, but only
 * after the comparison, and not in a first build.
 */

const database = env.SERVING_DB;
const { name } = tallyBoard;

beforeEach(async () => {
  const runner = idleRunner();
  ports.buildRunner = () => runner;
  for (const { id } of await activeBuilds(database, name)) await cancelBuild(system.builds, tallyBoard, id);
});

async function order(): Promise<string> {
  const requested = await requestBuild(system.builds, tallyBoard);
  if (requested.outcome !== 'started') throw new Error(requested.outcome);
  return requested.id;
}

const archive = () => {
  const found = system.registry.projectionsFollowing(streamId('tally', 'any')).find(({ everyEvent }) => everyEvent);
  if (!found) throw new Error('there is an archive');
  return found;
};

/** Does a build's work, with something done right before one of its steps. Returns where the build had the stream when another began. */
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
  it('has what live has and the archive lacks before it joins', async () => {
    const tally = await tallyOf(1, 2);
    await system.catchUp(tallyBoard, [{ stream: tally.stream, wanted: 2 }]);
    expect(await checkpointOf(tally.stream, 'archive')).toBe(0);
    const { seen, slot, state } = await workWith(tally, {}, 'join');
    expect(seen).toBe(2);
    expect(state).toBe('swapped');
    expect(await boardOf(tally.tallyId, slot)).toEqual({ version: 2, sum: 3 });
  });

  it('has what live has taken between the last pass and the join before the two are compared', async () => {
    const tally = await tallyOf(1);
    await system.catchUp(tallyBoard, [{ stream: tally.stream, wanted: 1 }]);
    const moveLive = async () => {
      await add(tally.tallyId, 2);
      await system.catchUp(tallyBoard, [{ stream: tally.stream, wanted: 2 }]);
    };
    const { seen, slot, state } = await workWith(tally, { join: moveLive }, 'compare, part 1');
    expect(seen).toBe(2);
    expect(state).toBe('swapped');
    expect(await boardOf(tally.tallyId, slot)).toEqual({ version: 2, sum: 3 });
  });
});

describe('a first build', () => {
  beforeEach(async () => {
    await database.batch(
      ['projection_pointer', 'projection_build', 'checkpoint'].map((table) =>
        database.prepare(`DELETE FROM ${table} WHERE projection = ?`).bind(name),
      ),
    );
    system.reads.pointers.drop(name);
  });

  it.each(['join', 'compare, part 1'])(
    'has what has come into the archive since its replay when it begins to "%s"',
    async (seenAt) => {
      const tally = await tallyOf(1);
      const moveArchive = async () => {
        await add(tally.tallyId, 2);
        await system.catchUp(archive(), [{ stream: tally.stream, wanted: 2 }]);
      };
      const moved = seenAt === 'join' ? 'what the archive lacks: pass 1, part 1' : 'join';
      const { seen, slot, state } = await workWith(tally, { [moved]: moveArchive }, seenAt);
      expect(seen).toBe(2);
      expect(state).toBe('swapped');
      expect(await boardOf(tally.tallyId, slot)).toEqual({ version: 2, sum: 3 });
    },
  );
});
