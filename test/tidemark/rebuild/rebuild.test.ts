import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, it } from 'vitest';

import { buildOf } from '../../../src/tidemark/rebuild/build.ts';
import { cancelBuild, requestBuild, tendBuilds } from '../../../src/tidemark/rebuild/build-requests.ts';
import type { Comparison } from '../../../src/tidemark/rebuild/comparison.ts';
import { release, rollback } from '../../../src/tidemark/rebuild/former-slot.ts';
import { readPointer } from '../../../src/tidemark/projections/pointer.ts';
import { acceptBuild } from '../../../src/tidemark/rebuild/rebuild.ts';
import { type StreamId, streamId } from '../../../src/tidemark/domain/stream.ts';
import { idleRunner, stepsHere, rollBack, work } from '../../support/builds.ts';
import { ports } from '../../support/platform.ts';
import { add, newTally, restoreLog, system } from '../../support/system.ts';
import { POISON, TOO_MUCH, broken, tallyBoard } from '../../support/tally.ts';

const database = env.SERVING_DB;
const { name } = tallyBoard;

beforeEach(() => {
  const runner = idleRunner();
  ports.buildRunner = () => runner;
});

async function order(wishes: Parameters<typeof requestBuild>[2] = {}): Promise<string> {
  const requested = await requestBuild(system, tallyBoard, wishes);
  if (requested.outcome !== 'started') throw new Error(requested.outcome);
  return requested.id;
}

async function stateOf(id: string) {
  return (await buildOf(database, name, id))?.state;
}

async function live() {
  const pointer = await readPointer(database, name);
  return pointer?.live.slot as 'a' | 'b';
}

function archive() {
  const found = system.registry.projectionsFollowing(newTally().stream).find(({ everyEvent }) => everyEvent);
  if (!found) throw new Error('there is no archive');
  return found;
}

/** As if the projection had never been built. */
async function forgetProjection(): Promise<void> {
  await database.batch(
    ['projection_pointer', 'projection_build', 'checkpoint', 'dead_letter'].map((table) =>
      database.prepare(`DELETE FROM ${table} WHERE projection = ?`).bind(name),
    ),
  );
  system.pointers.drop(name);
}

/** Brings every projection to where a stream is. */
async function bringUp(stream: StreamId): Promise<void> {
  for (const projection of system.registry.projectionsFollowing(stream)) {
    await system.catchUp(projection, [{ stream, wanted: 'head' }]);
  }
}

/** Tallies with these many additions each, in every projection. */
async function tallies(count: number, additions: number): Promise<readonly string[]> {
  const made = Array.from({ length: count }, () => newTally());
  for (let round = 1; round <= additions; round += 1) await Promise.all(made.map(({ tallyId }) => add(tallyId, round)));
  for (const { stream } of made) await bringUp(stream);
  return made.map(({ tallyId }) => tallyId);
}

async function rowsOf(slot: 'a' | 'b') {
  const tables = ['tally_board', 'tally_entries', 'tally_totals'];
  const answers = await database.batch(
    tables.map((table) => database.prepare(`SELECT * FROM ${table}_${slot} ORDER BY 1, 2`)),
  );
  return answers.map(({ results }) => results);
}

async function expectSlotsAlike() {
  expect(await rowsOf('b')).toEqual(await rowsOf('a'));
}

describe('the first build of a projection', () => {
  it('begins by itself, is moved by consumers once it has joined, and answers nothing before it is complete', async () => {
    const [tallyId = ''] = await tallies(3, 2);
    await forgetProjection();
    await tendBuilds(system, [tallyBoard]);
    const [active] = (
      await database.prepare(`SELECT id FROM projection_build WHERE projection = ?`).bind(name).all<{ id: string }>()
    ).results;
    const id = active?.id ?? '';
    const { steps } = stepsHere(async (_step, run) => {
      const result = await run();
      await add(tallyId, 1);
      await bringUp(streamId('tally', tallyId));
      return result;
    });
    await work(name, id, steps);
    expect(await buildOf(database, name, id)).toMatchObject({ state: 'swapped', liveRevision: 0 });
    expect(await live()).toBe('a');
    const additions = await database
      .prepare(`SELECT count(*) AS n FROM tally_entries_a WHERE tally_id = ?`)
      .bind(tallyId)
      .first('n');
    expect(additions).toBe(await system.aggregates.currentVersion(streamId('tally', tallyId)));
    await work(name, await order());
    await expectSlotsAlike();
  });

  it('is complete, although a log has lost what the archive still has of it', async () => {
    const { tallyId, stream } = newTally();
    for (const by of [1, 10, 100, 1_000]) await add(tallyId, by);
    await bringUp(stream);
    await restoreLog(stream, 1);
    await add(tallyId, 5);
    for (let tries = 0; tries < 3; tries += 1) await bringUp(stream);
    await forgetProjection();
    await work(name, await order());
    expect(await rowsOf(await live())).toMatchObject([
      expect.arrayContaining([{ tally_id: tallyId, version: 2, sum: 6 }]),
      {},
      {},
    ]);
    await work(name, await order());
    await expectSlotsAlike();
  });
});

describe('a rebuild', () => {
  it('goes on from step to step, however little of it one step can do', async () => {
    await tallies(8, 3);
    const before = await live();
    const id = await order();
    const { steps, taken } = stepsHere();
    await work(name, id, steps, { pagesAStep: 1 });
    expect(await stateOf(id)).toBe('swapped');
    expect(await live()).not.toBe(before);
    await expectSlotsAlike();
    for (const step of ['clear the slot of the build', 'replay the archive', 'compare with live'])
      expect(taken).toContain(`${step}, part 2`);
  });

  it('makes a second copy from the archive and the logs, and makes it live', async () => {
    await tallies(8, 3);
    const before = await live();
    const id = await order();
    await work(name, id);
    expect(await stateOf(id)).toBe('swapped');
    expect(await live()).not.toBe(before);
    await expectSlotsAlike();
    const build = await buildOf(database, name, id);
    expect(JSON.parse(build?.comparison ?? '')).toMatchObject({ isEqual: true });
  });

  it('takes from the logs what the archive does not have', async () => {
    const { tallyId } = newTally();
    await add(tallyId, 5);
    await add(tallyId, 6);
    // Only this projection has it: the archive has seen nothing of it.
    await system.catchUp(tallyBoard, [{ stream: streamId('tally', tallyId), wanted: 2 }]);
    const id = await order();
    await work(name, id);
    expect(await stateOf(id)).toBe('swapped');
    await expectSlotsAlike();
  });

  /** Streams of which the archive has more than what is live: one that live knows, and one that it does not. */
  async function archivedAhead(): Promise<readonly StreamId[]> {
    const [known, unknown] = [newTally(), newTally()];
    await add(known.tallyId, 5);
    await bringUp(known.stream);
    for (const { tallyId, stream } of [known, unknown]) {
      await add(tallyId, 6);
      await system.catchUp(archive(), [{ stream, wanted: 'head' }]);
    }
    return [known.stream, unknown.stream];
  }

  const napsIn = (taken: readonly string[]) => taken.filter((step) => step.startsWith('wait for live, nap')).length;

  it('waits until what is live has what the archive has, and takes that for no difference', async () => {
    const late = [...(await archivedAhead())];
    const { steps, taken } = stepsHere(undefined, async () => {
      const stream = late.pop();
      if (stream) await bringUp(stream);
    });
    const id = await order();
    await work(name, id, steps);
    const build = await buildOf(database, name, id);
    expect(build).toMatchObject({ state: 'swapped' });
    expect(JSON.parse(build?.comparison ?? '')).toMatchObject({ isEqual: true });
    expect(napsIn(taken)).toBe(2);
    await expectSlotsAlike();
  });

  it('does not wait for ever: it shows what differs where nothing brings up what is live', async () => {
    const late = await archivedAhead();
    const { steps, taken } = stepsHere();
    const startedAt = system.clock.now();
    const id = await order();
    await work(name, id, steps);
    expect(await stateOf(id)).toBe('awaiting-acceptance');
    expect(JSON.parse((await buildOf(database, name, id))?.comparison ?? '')).toMatchObject({ isEqual: false });
    expect(napsIn(taken)).toBe(44);
    expect((system.clock.now() - startedAt) / 60_000).toBeCloseTo(10, 0);
    expect(await acceptBuild(system, name, id)).toBe(true);
    for (const stream of late) await bringUp(stream);
    await expectSlotsAlike();
  });

  it('moves both from the join on, so that what is written meanwhile is in both', async () => {
    const [tallyId = ''] = await tallies(1, 1);
    const id = await order();
    const { steps } = stepsHere(async (_step, run) => {
      const result = await run();
      await add(tallyId, 1);
      await bringUp(streamId('tally', tallyId));
      return result;
    });
    await work(name, id, steps);
    expect(await stateOf(id)).toBe('swapped');
    await expectSlotsAlike();
  });

  it('is not harmed by steps that run twice, at the same time too', async () => {
    await tallies(5, 4);
    const id = await order();
    const { steps } = stepsHere(async (_step, run) => {
      const [one] = await Promise.all([run(), run()]);
      return one;
    });
    await work(name, id, steps);
    await work(name, id);
    expect(await stateOf(id)).toBe('swapped');
    await expectSlotsAlike();
  });

  it('says what its last try met while it goes on trying, and forgets it once it is past that', async () => {
    await tallies(2, 2);
    const id = await order();
    const away = new Error('no such table: tally_board_b');
    let tries = 0;
    const { steps } = stepsHere(async (step, run) => {
      if (!step.startsWith('replay')) return run();
      await expect(run(false)).rejects.toThrow(away);
      expect(await buildOf(database, name, id)).toMatchObject({
        state: 'building',
        error: { message: String(away) },
      });
      return run(false);
    });
    await work(name, id, steps, {
      catchUp: (...args) => {
        tries += 1;
        return tries === 1 ? Promise.reject(away) : system.catchUp(...args);
      },
    });
    expect(await buildOf(database, name, id)).toMatchObject({ state: 'swapped', error: null });
  });

  it('fails with what its last try of all met', async () => {
    await tallies(1, 1);
    const id = await order();
    await work(name, id, stepsHere().steps, { catchUp: () => Promise.reject(new Error('no such table')) });
    expect(await buildOf(database, name, id)).toMatchObject({
      state: 'failed',
      error: { message: 'Error: no such table' },
    });
  });

  it('is not failed by whoever stops its steps', async () => {
    const id = await order();
    const { steps } = stepsHere((step, run) => {
      if (step === 'join') throw new Error('Aborting engine: User called pause');
      return run();
    });
    await expect(work(name, id, steps)).rejects.toThrow('User called pause');
    expect(await buildOf(database, name, id)).toMatchObject({ state: 'building', error: null });
    await work(name, id);
    expect(await stateOf(id)).toBe('swapped');
  });

  it('goes on where it was when it is begun again after a crash', async () => {
    await tallies(5, 4);
    for (const crashAt of [
      'clear',
      'replay',
      'close the gap before the join',
      'join',
      'close the gap after the join',
      'wait for live',
      'compare with live',
      'swap',
    ]) {
      const id = await order();
      const crashing = stepsHere(async (step, run) => {
        const result = await run();
        if (step.startsWith(crashAt)) throw new Error('killed');
        return result;
      });
      await expect(work(name, id, crashing.steps)).rejects.toThrow('killed');
      expect(await stateOf(id)).toMatch(crashAt === 'swap' ? 'swapped' : /ing$/);
      await work(name, id);
      expect(await stateOf(id), crashAt).toBe('swapped');
      await expectSlotsAlike();
    }
  });

  it('goes on from what the Worker of before remembers of its steps', async () => {
    await tallies(3, 2);
    const id = await order();
    const remembered = new Map<string, unknown>();
    const first = stepsHere(async (step, run) => {
      if (step.startsWith('close the gap after')) throw new Error('killed');
      const result = await run();
      remembered.set(step, result);
      return result;
    });
    await expect(work(name, id, first.steps)).rejects.toThrow('killed');
    const done = (result: unknown) => ({ outcome: 'done', result });
    // As it named them, and what it returned.
    const ofBefore = new Map<string, unknown>([
      ['compare with the logs, part 1', done({ after: '', found: 0, isDone: true })],
      ['clear the slot, part 1', done(true)],
      ['replay the archive, part 1', remembered.get('replay the archive, part 1')],
      ['what the archive lacks: pass 1, part 1', done({ after: '', found: 0, isDone: true })],
      ['join', done(undefined)],
    ]);
    const { steps } = stepsHere(async (step, run) => (ofBefore.has(step) ? ofBefore.get(step) : run()));
    await work(name, id, steps);
    expect(await stateOf(id)).toBe('swapped');
    await expectSlotsAlike();
  });

  it('is one at a time for each projection', async () => {
    const id = await order();
    const second = await requestBuild(system, tallyBoard);
    expect(second).toMatchObject({ outcome: 'running', build: { id } });
    expect(await cancelBuild(system, tallyBoard, id)).toBe(true);
    const started = await Promise.all(Array.from({ length: 5 }, () => requestBuild(system, tallyBoard)));
    expect(started.filter(({ outcome }) => outcome === 'started')).toHaveLength(1);
    for (const { outcome, ...rest } of started) {
      if (outcome === 'started') await cancelBuild(system, tallyBoard, (rest as { id: string }).id);
    }
  });

  it('stops when it is cancelled, whatever it is at, and leaves what is live alone', async () => {
    await tallies(3, 2);
    const before = { slot: await live(), rows: await rowsOf(await live()) };
    for (const at of ['replay', 'join', 'compare with live']) {
      const id = await order();
      const { steps, taken } = stepsHere(async (step, run) => {
        const result = await run();
        if (step.startsWith(at)) await cancelBuild(system, tallyBoard, id);
        return result;
      });
      await work(name, id, steps);
      expect(await stateOf(id)).toBe('cancelled');
      expect(taken).not.toContain('swap, after all');
      expect({ slot: await live(), rows: await rowsOf(await live()) }).toEqual(before);
      expect((await readPointer(database, name))?.moved).toHaveLength(1);
    }
  });

  it('cannot write into the slot of the build that came after it', async () => {
    await tallies(3, 2);
    const old = await order();
    let next = '';
    const { steps } = stepsHere(async (step, run) => {
      if (step.startsWith('replay') && next === '') {
        await cancelBuild(system, tallyBoard, old);
        next = await order();
        await work(name, next);
      }
      return run();
    });
    await work(name, old, steps);
    expect(await stateOf(old)).toBe('cancelled');
    expect(await stateOf(next)).toBe('swapped');
    await expectSlotsAlike();
  });

  it('of something that differs from what is live stops before the swap and shows why, and is swapped once it is accepted', async () => {
    const [tallyId = ''] = await tallies(2, 2);
    const slot = await live();
    await database.prepare(`UPDATE tally_board_${slot} SET sum = 77 WHERE tally_id = ?`).bind(tallyId).run();
    const id = await order();
    await work(name, id);
    expect(await stateOf(id)).toBe('awaiting-acceptance');
    expect(await live()).toBe(slot);
    const { comparison } = (await buildOf(database, name, id)) ?? {};
    expect(JSON.parse(comparison ?? '')).toMatchObject({
      isEqual: false,
      differing: 1,
      first: [{ table: 'row', key: { tally_id: tallyId }, live: { sum: 77 }, build: { sum: 3 } }],
    });
    // It is moved all the while.
    await add(tallyId, 10);
    await bringUp(streamId('tally', tallyId));
    expect(await acceptBuild(system, name, id)).toBe(true);
    expect(await stateOf(id)).toBe('swapped');
    expect(await live()).not.toBe(slot);
    expect(await acceptBuild(system, name, id)).toBe(false);
    await work(name, await order({ acceptsDifferences: true }));
    await expectSlotsAlike();
  });

  it('that only tries stops before the swap even when nothing differs', async () => {
    const slot = await live();
    const id = await order({ isTrial: true });
    await work(name, id);
    expect(await stateOf(id)).toBe('awaiting-acceptance');
    expect(await live()).toBe(slot);
    await cancelBuild(system, tallyBoard, id);
  });

  it('fails at an event that it cannot take, says which, and leaves what is live alone', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    await add(tallyId, POISON);
    await bringUp(stream);
    const slot = await live();
    broken.handler = true;
    const id = await order();
    await work(name, id);
    expect(await buildOf(database, name, id)).toMatchObject({
      state: 'failed',
      error: { stream, version: 2, kind: 'Error at Added.change' },
    });
    expect(await live()).toBe(slot);
    broken.handler = false;
    await add(tallyId, 3);
    await bringUp(stream);
    await work(name, await order());
    await expectSlotsAlike();
  });

  it('halts a stream at its dead letter, as what is live does', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    await bringUp(stream);
    await add(tallyId, TOO_MUCH);
    for (let tries = 0; tries < 3; tries += 1) await bringUp(stream);
    await add(tallyId, -5);
    const id = await order();
    await work(name, id);
    expect(await buildOf(database, name, id)).toMatchObject({ state: 'swapped', error: null });
    await expectSlotsAlike();
    expect((await rowsOf(await live()))[0]).toContainEqual({ tally_id: tallyId, version: 1, sum: 1 });
  });

  it('does not wait for a stream that a dead letter holds in what is live', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    await bringUp(stream);
    const id = await order();
    const { steps, taken } = stepsHere(async (step, run) => {
      if (step !== 'close the gap before the join, part 1') return run();
      // The build has the event from the archive. Then what is live refuses it.
      broken.handler = true;
      for (let tries = 0; tries < 3; tries += 1) await bringUp(stream);
      broken.handler = false;
      return run();
    });
    await add(tallyId, POISON);
    await system.catchUp(archive(), [{ stream, wanted: 'head' }]);
    await work(name, id, steps);
    expect(napsIn(taken)).toBe(0);
    expect(await stateOf(id)).toBe('awaiting-acceptance');
    const { comparison } = (await buildOf(database, name, id)) ?? {};
    expect(JSON.parse(comparison ?? '')).toMatchObject({ isEqual: false, differing: 3 });
    expect(await acceptBuild(system, name, id)).toBe(true);
    await bringUp(stream);
    await expectSlotsAlike();
  });
});

describe('a log that was restored to an earlier time', () => {
  it('is taken as it is by a build, whatever the archive has of it, and moves again after the swap', async () => {
    const { tallyId, stream } = newTally();
    for (const by of [1, 10, 100]) await add(tallyId, by);
    await bringUp(stream);
    await restoreLog(stream, 1);
    await add(tallyId, 5);
    for (let tries = 0; tries < 3; tries += 1) await bringUp(stream);

    const id = await order();
    await work(name, id);
    expect(await stateOf(id)).toBe('awaiting-acceptance');
    const { first } = JSON.parse((await buildOf(database, name, id))?.comparison ?? '') as Comparison;
    expect(first[0]).toMatchObject({
      table: 'row',
      key: { tally_id: tallyId },
      live: { sum: 111 },
      build: { sum: 6 },
    });
    expect(await acceptBuild(system, name, id)).toBe(true);
    await add(tallyId, 7);
    await bringUp(stream);
    expect((await rowsOf(await live()))[0]).toContainEqual({ tally_id: tallyId, version: 3, sum: 13 });
    // What was live cannot follow any more.
    expect(await rollBack(database, name)).toEqual({ outcome: 'no-former' });

    await work(name, await order());
    await expectSlotsAlike();
  });
});

describe('the way back', () => {
  it('is as quick as the swap, and loses nothing that was written since', async () => {
    const [tallyId = ''] = await tallies(2, 2);
    const former = await live();
    await work(name, await order());
    await add(tallyId, 40);
    await bringUp(streamId('tally', tallyId));
    expect(await rollBack(database, name)).toMatchObject({ outcome: 'changed', live: { slot: former } });
    expect(await live()).toBe(former);
    await expectSlotsAlike();
    await add(tallyId, 2);
    await bringUp(streamId('tally', tallyId));
    expect(await rollBack(database, name)).toMatchObject({ outcome: 'changed' });
    await expectSlotsAlike();
  });

  it('is the same when it is asked for again by somebody who got no answer', async () => {
    const former = await live();
    await work(name, await order({ acceptsDifferences: true }));
    expect(await rollBack(database, name, former)).toMatchObject({ outcome: 'changed', live: { slot: former } });
    expect(await rollBack(database, name, former)).toMatchObject({ outcome: 'changed', live: { slot: former } });
    expect(await live()).toBe(former);
  });

  it('is refused where this Worker has no code for what the former slot holds', async () => {
    await work(name, await order({ acceptsDifferences: true }));
    const now = await live();
    expect(await rollback(database, name, [{ revision: 2 }], '2026-11-24T09:00:00.000Z')).toMatchObject({
      outcome: 'no-code',
      live: { revision: 1 },
    });
    expect(await live()).toBe(now);
  });

  it('is refused while the former slot is behind', async () => {
    const [tallyId = ''] = await tallies(1, 1);
    await work(name, await order());
    const former = (await live()) === 'a' ? 'b' : 'a';
    await database
      .prepare(`UPDATE checkpoint SET version = 0 WHERE projection = ? AND slot = ? AND stream = ?`)
      .bind(name, former, `tally-${tallyId}`)
      .run();
    expect(await rollBack(database, name)).toMatchObject({ outcome: 'behind' });
  });

  it('ends with its release, and with the start of a build', async () => {
    await work(name, await order());
    expect(await release(database, name)).toBe(true);
    expect(await release(database, name)).toBe(false);
    expect(await rollBack(database, name)).toEqual({ outcome: 'no-former' });
    await work(name, await order({ acceptsDifferences: true }));
    const id = await order();
    expect(await rollBack(database, name)).toEqual({ outcome: 'no-former' });
    await cancelBuild(system, tallyBoard, id);
    expect(await rollBack(database, name)).toEqual({ outcome: 'no-former' });
  });
});
