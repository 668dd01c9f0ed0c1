import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, it } from 'vitest';

import { type Build, activeBuild, activeBuilds, buildOf } from '../../../src/tidemark/projections/build.ts';
import { cancelBuild, requestBuild } from '../../../src/tidemark/rebuild/build-requests.ts';
import { skipDeadLetters } from '../../../src/tidemark/dead-letters/dead-letter-operations.ts';
import {
  type BuildRequest,
  noteCleared,
  startBuild,
  trySwap,
} from '../../../src/tidemark/rebuild/build-transitions.ts';
import { release } from '../../../src/tidemark/rebuild/former-slot.ts';
import { type Pointer, readPointer } from '../../../src/tidemark/projections/pointer.ts';
import { idOf } from '../../../src/tidemark/domain/stream.ts';
import { checkpointOf, deliverThrice, forgetDeadLetters, onlyGroup, tallyOf } from '../../support/boards.ts';
import { idleRunner, rollBack, stepsHere, work } from '../../support/builds.ts';
import { separateCheckpoints } from '../../support/checkpoints.ts';
import { faultyDatabase } from '../../support/database.ts';
import { ports } from '../../support/platform.ts';
import { add, system } from '../../support/system.ts';
import { POISON, broken, tallyBoard } from '../../support/tally.ts';

/*
 * How each operation handles a fault that does not tell whether its change was committed.
 */

const database = env.SERVING_DB;
const { name } = tallyBoard;
const LOST = 'D1_ERROR: Network connection lost.';
const AT = '2026-11-24T09:00:00.000Z';

beforeEach(async () => {
  const runner = idleRunner();
  ports.buildRunner = () => runner;
  for (const { id } of await activeBuilds(database, name)) await cancelBuild(system, tallyBoard, id);
  await forgetDeadLetters();
});

async function order(wishes: Parameters<typeof requestBuild>[2] = {}): Promise<string> {
  const requested = await requestBuild(system, tallyBoard, wishes);
  if (requested.outcome !== 'started') throw new Error(requested.outcome);
  return requested.id;
}

const pointerNow = async () => (await readPointer(database, name)) as Pointer;

/** A build that has just started, and its pointer. */
async function begun(): Promise<{ readonly build: Build; readonly pointer: Pointer }> {
  const active = await activeBuild(database, name, await order());
  if (!active) throw new Error('a build was begun');
  return active;
}

/** Raises the epoch and leaves the rest of the pointer as it is, as a skip does. */
async function raiseEpoch(): Promise<void> {
  await database.prepare(`UPDATE projection_pointer SET epoch = epoch + 1 WHERE projection = ?`).bind(name).run();
}

/** The n-th batch never arrives, and `meanwhile` runs instead. */
function requestLost(number: number, meanwhile: () => Promise<unknown>): D1Database {
  return faultyDatabase(database, {
    async beforeBatch(batch) {
      if (batch !== number) return;
      await meanwhile();
      throw new Error(LOST);
    },
  }).database;
}

/** The n-th batch is committed, and its answer is lost. */
function answerLost(number: number): D1Database {
  return faultyDatabase(database, {
    afterBatch(batch) {
      if (batch === number) throw new Error(LOST);
    },
  }).database;
}

/** The context for requests of builds, with another database for the board. */
function buildsOn(replacement: D1Database): typeof system {
  const { databaseOf } = system;
  return {
    ...system,
    databaseOf: (group) => (group === tallyBoard.group ? replacement : databaseOf(group)),
  };
}

describe('the start of a build', () => {
  const request = (): BuildRequest => ({
    id: crypto.randomUUID(),
    acceptsDifferences: false,
    isTrial: false,
    total: 0,
    at: AT,
  });

  it('that is lost is never confused with the start of another build', async () => {
    const other = request();
    const lost = requestLost(1, () => startBuild(database, tallyBoard, other));
    expect(await startBuild(lost, tallyBoard, request())).toMatchObject({
      outcome: 'running',
      build: { id: other.id },
    });
  });

  it('still counts as made if its answer was lost', async () => {
    const mine = request();
    expect(await startBuild(answerLost(1), tallyBoard, mine)).toMatchObject({ outcome: 'started' });
    expect(await buildOf(database, name, mine.id)).toMatchObject({ state: 'building' });
  });
});

describe('the record that a slot is clear', () => {
  it('that is lost never counts as written because another change raised the epoch', async () => {
    const { build, pointer } = await begun();
    expect(await noteCleared(requestLost(1, raiseEpoch), build, pointer, AT)).toBe('epoch-changed');
    expect(await buildOf(database, name, build.id)).toMatchObject({ clearedAt: null });
  });
});

describe('a cancel', () => {
  // The first batch reads build and pointer.
  it('that is lost is repeated if another change raised the epoch', async () => {
    const id = await order();
    expect(await cancelBuild(buildsOn(requestLost(2, raiseEpoch)), tallyBoard, id)).toBe(true);
    expect(await buildOf(database, name, id)).toMatchObject({ state: 'cancelled' });
  });

  it('still counts as made if its answer was lost', async () => {
    const id = await order();
    expect(await cancelBuild(buildsOn(answerLost(2)), tallyBoard, id)).toBe(true);
    expect(await buildOf(database, name, id)).toMatchObject({ state: 'cancelled' });
  });
});

describe('a rollback', () => {
  it('that is lost is never confused with an equal one', async () => {
    await work(name, await order({ acceptsDifferences: true }));
    const { live } = await pointerNow();
    const outcome = await rollBack(
      requestLost(1, () => rollBack(database, name)),
      name,
    );
    expect(outcome).toMatchObject({ outcome: 'epoch-changed' });
    expect((await pointerNow()).live).not.toEqual(live);
  });
});

describe('a release', () => {
  it('that is lost while another one releases the slot returns false', async () => {
    await work(name, await order({ acceptsDifferences: true }));
    const lost = requestLost(1, () => release(database, name));
    expect(await release(lost, name)).toBe(false);
    expect((await pointerNow()).moved).toHaveLength(1);
  });

  it('still counts as made if its answer was lost', async () => {
    await work(name, await order({ acceptsDifferences: true }));
    expect(await release(answerLost(1), name)).toBe(true);
  });
});

describe('a swap', () => {
  /** A build right before its swap, after join and comparison; and a stream that it has like the live slot. */
  async function aboutToSwap() {
    const { stream } = await tallyOf(1, 2);
    await system.catchUp(tallyBoard, [{ stream, wanted: 2 }]);
    const id = await order({ acceptsDifferences: true });
    const { steps } = stepsHere(async (step, run) => (step.startsWith('swap') ? { outcome: 'ended' } : run()));
    await work(name, id, steps);
    const active = await activeBuild(database, name, id);
    if (!active) throw new Error('it has not been swapped yet');
    const { slot } = active.build.target;
    expect(await checkpointOf(stream, name, slot)).toBe(2);
    await separateCheckpoints(database);
    const change = (sql: string) => database.prepare(sql).bind(name, slot, stream).run();
    return { ...active, stream, change };
  }

  const CHECKPOINT = 'WHERE projection = ? AND slot = ? AND stream = ?';

  it.each([
    ['is behind', `UPDATE checkpoint SET version = 1 ${CHECKPOINT}`],
    ['is missing', `DELETE FROM checkpoint ${CHECKPOINT}`],
    ['is at another event', `UPDATE checkpoint SET event_id = 'other' ${CHECKPOINT}`],
  ])('is refused while one checkpoint of the build %s', async (_, sql) => {
    const { build, pointer, change } = await aboutToSwap();
    await change(sql);
    expect(await trySwap(database, build, pointer, AT)).toBe('behind');
    expect(await pointerNow()).toEqual(pointer);
    expect(await buildOf(database, name, build.id)).toMatchObject({ state: 'comparing' });
  });

  it('is refused while a Worker without code for the build has moved the live slot alone', async () => {
    const { build, pointer, stream } = await aboutToSwap();
    await add(idOf(stream), 3);
    const alone = { pointer: { ...pointer, moved: [pointer.live] } };
    await system.catchUp(tallyBoard, [{ stream, wanted: 3 }], alone);
    expect(await checkpointOf(stream, name, pointer.live.slot)).toBe(3);
    expect(await trySwap(database, build, pointer, AT)).toBe('behind');
    expect(await pointerNow()).toEqual(pointer);
  });

  it('that is lost is never confused with one by another run of the same step', async () => {
    const { build, pointer } = await aboutToSwap();
    const lost = requestLost(1, () => work(name, build.id));
    expect(await trySwap(lost, build, pointer, AT)).toBe('epoch-changed');
    expect(await buildOf(database, name, build.id)).toMatchObject({ state: 'swapped' });
    expect((await pointerNow()).moved).toHaveLength(2);
  });
});

describe('a skip', () => {
  const BECAUSE = { actor: 'operator', reason: 'It should never have been written' };

  async function stopped(): Promise<void> {
    const { hint } = await tallyOf(1, POISON);
    broken.handler = true;
    await deliverThrice(hint);
    broken.handler = false;
  }

  const deadLettersOn = (replacement: D1Database) =>
    [{ ...system, databaseOf: () => replacement }, tallyBoard] as const;

  // The first batch reads the pointer and the dead letters.
  it('that is lost is never confused with an equal one', async () => {
    await stopped();
    const group = await onlyGroup();
    const other = { actor: 'another', reason: 'The same' };
    const lost = requestLost(2, () => skipDeadLetters(system, tallyBoard, group, {}, other));
    expect(await skipDeadLetters(...deadLettersOn(lost), group, {}, BECAUSE)).toEqual({ outcome: 'not-found' });
  });

  it('still counts as made if its answer was lost', async () => {
    await stopped();
    const group = await onlyGroup();
    expect(await skipDeadLetters(...deadLettersOn(answerLost(2)), group, {}, BECAUSE)).toMatchObject({
      outcome: 'done',
      skipped: 1,
    });
  });
});
