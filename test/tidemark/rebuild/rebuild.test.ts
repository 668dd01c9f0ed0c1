import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, it } from 'vitest';

import { buildOf } from '../../../src/tidemark/projections/build.ts';
import { cancelBuild, requestBuild, tendBuilds } from '../../../src/tidemark/rebuild/build-requests.ts';
import type { Comparison } from '../../../src/tidemark/rebuild/comparison.ts';
import { release, rollback } from '../../../src/tidemark/rebuild/former-slot.ts';
import { readPointer } from '../../../src/tidemark/projections/pointer.ts';
import { acceptBuild } from '../../../src/tidemark/rebuild/rebuild.ts';
import { type StreamId, streamId } from '../../../src/tidemark/domain/stream.ts';
import { idleRunner, stepsHere, rollBack, work } from '../../support/builds.ts';
import { forgetPositions, separateCheckpoints } from '../../support/checkpoints.ts';
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

/** Deletes all traces of the projection, as if it had never been built. */
async function forgetProjection(): Promise<void> {
  await forgetPositions(database, name);
  await database.batch(
    ['projection_pointer', 'projection_build', 'dead_letter'].map((table) =>
      database.prepare(`DELETE FROM ${table} WHERE projection = ?`).bind(name),
    ),
  );
  system.pointers.drop(name);
}

/** Brings every projection up to the head of a stream. */
async function bringUp(stream: StreamId): Promise<void> {
  for (const projection of system.registry.projectionsFollowing(stream)) {
    await system.catchUp(projection, [{ stream, wanted: 'head' }]);
  }
}

/** Tallies with so many additions each, applied in every projection. */
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
  it('starts by itself, is moved by consumers after its join, and answers nothing before it is complete', async () => {
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

  it('completes even if a log has lost events that the archive still has', async () => {
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
  it('completes, however little one step can do', async () => {
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

  it('makes a second copy from the archive and the logs, and swaps it in', async () => {
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

  it('takes events from the logs that the archive does not have', async () => {
    const { tallyId } = newTally();
    await add(tallyId, 5);
    await add(tallyId, 6);
    // Only this projection has the stream. The archive has seen nothing of it.
    await system.catchUp(tallyBoard, [{ stream: streamId('tally', tallyId), wanted: 2 }]);
    const id = await order();
    await work(name, id);
    expect(await stateOf(id)).toBe('swapped');
    await expectSlotsAlike();
  });

  /** Streams in which the archive is ahead of the live slot: one that the live slot knows, and one that it does not. */
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

  it('waits until the live slot has caught up with the archive, and then finds no difference', async () => {
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

  it('never waits for ever: if nothing brings up the live slot, it shows the difference', async () => {
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

  it('moves both slots from the join on, so that both have the events of the meantime', async () => {
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

  it('survives steps that run twice, also at the same time', async () => {
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

  it('shows the error of its last try until a later try succeeds', async () => {
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

  it('fails with the error of its last try', async () => {
    await tallies(1, 1);
    const id = await order();
    await work(name, id, stepsHere().steps, { catchUp: () => Promise.reject(new Error('no such table')) });
    expect(await buildOf(database, name, id)).toMatchObject({
      state: 'failed',
      error: { message: 'Error: no such table' },
    });
  });

  it('does not fail if its steps are stopped from outside', async () => {
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

  it('survives a crash at any step, and goes on from there', async () => {
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

  it('goes on from the stored steps of the former Worker', async () => {
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
    // The names and results of the former Worker's steps.
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

  it('runs one at a time for each projection', async () => {
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

  it('stops when it is cancelled at any step, and never touches the live slot', async () => {
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

  it('never writes into the slot of a later build', async () => {
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

  it('that differs from the live slot stops before the swap, shows the difference, and is swapped once it is accepted', async () => {
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
    // The build keeps moving meanwhile.
    await add(tallyId, 10);
    await bringUp(streamId('tally', tallyId));
    expect(await acceptBuild(system, name, id)).toBe(true);
    expect(await stateOf(id)).toBe('swapped');
    expect(await live()).not.toBe(slot);
    expect(await acceptBuild(system, name, id)).toBe(false);
    await work(name, await order({ acceptsDifferences: true }));
    await expectSlotsAlike();
  });

  it('that is a trial stops before the swap even if nothing differs', async () => {
    const slot = await live();
    const id = await order({ isTrial: true });
    await work(name, id);
    expect(await stateOf(id)).toBe('awaiting-acceptance');
    expect(await live()).toBe(slot);
    await cancelBuild(system, tallyBoard, id);
  });

  it('fails at an event that it cannot apply, names it, and never touches the live slot', async () => {
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

  it('stops a stream at its dead letter, as the live slot does', async () => {
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

  it('does not wait for a stream that a dead letter holds in the live slot', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    await bringUp(stream);
    const id = await order();
    const { steps, taken } = stepsHere(async (step, run) => {
      if (step !== 'close the gap before the join, part 1') return run();
      // The build has the event from the archive. Then the live slot refuses it.
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
  it('is followed by a build, whatever the archive has of it, and its stream moves again after the swap', async () => {
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
    // The former live slot can no longer follow the log.
    expect(await rollBack(database, name)).toEqual({ outcome: 'no-former' });

    await work(name, await order());
    await expectSlotsAlike();
  });
});

describe('a rollback', () => {
  it('is as fast as the swap, and never loses later writes', async () => {
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

  it('has the same outcome if a client repeats it after a lost answer', async () => {
    const former = await live();
    await work(name, await order({ acceptsDifferences: true }));
    expect(await rollBack(database, name, former)).toMatchObject({ outcome: 'changed', live: { slot: former } });
    expect(await rollBack(database, name, former)).toMatchObject({ outcome: 'changed', live: { slot: former } });
    expect(await live()).toBe(former);
  });

  it('is refused if this Worker has no code for the former slot’s revision', async () => {
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
    await separateCheckpoints(database);
    await database
      .prepare(`UPDATE checkpoint SET version = 0 WHERE projection = ? AND slot = ? AND stream = ?`)
      .bind(name, former, `tally-${tallyId}`)
      .run();
    expect(await rollBack(database, name)).toMatchObject({ outcome: 'behind' });
  });

  it('is no longer possible after a release, or after the start of a build', async () => {
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
