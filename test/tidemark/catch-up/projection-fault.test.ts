import { env } from 'cloudflare:workers';
import { afterEach, describe, expect, it } from 'vitest';

import type { Hint } from '../../../src/tidemark/write/message.ts';
import { upkeepStep } from '../../../src/tidemark/rebuild/upkeep.ts';
import { projectionComplaints } from '../../../src/tidemark/monitoring/health.ts';
import { consumeHints } from '../../../src/tidemark/catch-up/projection-worker.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import { serving } from '../../../src/groups.ts';
import type { Build } from '../../../src/tidemark/projections/build.ts';
import { type Pointer, readPointer } from '../../../src/tidemark/projections/pointer.ts';
import { trySwap } from '../../../src/tidemark/rebuild/build-transitions.ts';
import { rollback } from '../../../src/tidemark/rebuild/former-slot.ts';
import {
  boardOf,
  checkpointOf,
  forgetDeadLetters,
  moveSlotB,
  refusedOf,
  tallyOf,
  withFaults,
  withoutFaults,
} from '../../support/boards.ts';
import { forgetPositions } from '../../support/checkpoints.ts';
import { ports } from '../../support/platform.ts';
import { deliver } from '../../support/queue.ts';
import { add, system } from '../../support/system.ts';
import { tallyBoard } from '../../support/tally.ts';

const database = env.SERVING_DB;

/** A faulty trigger. A damaged full text index causes the same: an SQL error that is not a constraint. */
const breakRowOf = (tallyId: string) =>
  database
    .prepare(
      `CREATE TRIGGER fails AFTER INSERT ON tally_board_a WHEN new.tally_id = '${tallyId}'
      BEGIN SELECT json_extract('{', '$'); END`,
    )
    .run();

const breakEveryRow = () =>
  database.prepare(`CREATE TRIGGER fails AFTER INSERT ON tally_board_a BEGIN SELECT json_extract('{', '$'); END`).run();

const mend = () => database.prepare('DROP TRIGGER IF EXISTS fails').run();

/** Some tallies with one addition each. */
const tallies = (count: number) => Promise.all(Array.from({ length: count }, () => tallyOf(1)));

const tableAway = () => database.prepare('ALTER TABLE tally_board_a RENAME TO tally_board_away').run();

const tableBack = () =>
  database
    .prepare('ALTER TABLE tally_board_away RENAME TO tally_board_a')
    .run()
    .catch(() => undefined);

const hintsOf = (some: readonly { readonly hint: Hint }[]) => some.map(({ hint }) => hint);

/** Consumes messages of one hint each for the board. Returns the delay of each retry in seconds, or `done`. */
async function consume(hints: readonly Hint[]): Promise<readonly (number | 'done' | undefined)[]> {
  const ends: (number | 'done' | undefined)[] = [];
  const messages = hints.map((hint, index) => ({
    body: { sender: 'relay', hints: [hint] },
    attempts: 1,
    ack: () => (ends[index] = 'done'),
    retry: (options?: QueueRetryOptions) => (ends[index] = options?.delaySeconds),
  }));
  const registry = { ...system.registry, projectionsOf: () => [tallyBoard] };
  await consumeHints({ ...system, registry }, serving, messages);
  return ends;
}

/** The reasons in /health about the board. */
const complaints = async () => (await projectionComplaints(system)).filter((reason) => reason.includes('tally-board'));

async function deadLettersOf(some: readonly { readonly stream: StreamId }[]): Promise<number> {
  const found = await Promise.all(some.map(({ stream }) => refusedOf(stream)));
  return found.filter((row) => row !== null).length;
}

afterEach(async () => {
  await mend();
  await tableBack();
  await database.prepare('DELETE FROM projection_fault').run();
  await forgetDeadLetters();
});

describe('an SQL error that is not a constraint (I17)', () => {
  it('stops its own stream only, and becomes a dead letter at the third refusal', async () => {
    await deliver(hintsOf(await tallies(1)));
    const [bad, good] = [await tallyOf(1), await tallyOf(1)];
    await breakRowOf(bad.tallyId);
    const first = await deliver([bad.hint, good.hint]);
    expect(first.explicitAcks).toEqual(['1']);
    expect(await boardOf(good.tallyId)).toMatchObject({ version: 1 });
    expect(await refusedOf(bad.stream)).toMatchObject({ tries: 1, is_open: 0, kind: 'malformed JSON: SQLITE_ERROR' });
    // From here on, the refused stream comes alone.
    await deliver([bad.hint]);
    expect((await deliver([bad.hint])).explicitAcks).toEqual(['0']);
    expect(await refusedOf(bad.stream)).toMatchObject({ tries: 3, is_open: 1 });
    expect(await checkpointOf(bad.stream, 'tally-count')).toBe(1);
    expect(await complaints()).toEqual([expect.stringContaining('open dead letter')]);
  });

  it('never keeps other streams from being applied, however many failing ones lead the batch', async () => {
    await deliver(hintsOf(await tallies(1)));
    const [bad, good] = [await tallies(5), await tallies(5)];
    const isBad = bad.map(({ tallyId }) => `new.tally_id = '${tallyId}'`).join(' OR ');
    await database
      .prepare(
        `CREATE TRIGGER fails AFTER INSERT ON tally_board_a WHEN ${isBad} BEGIN SELECT json_extract('{', '$'); END`,
      )
      .run();
    expect((await deliver(hintsOf([...bad, ...good]))).explicitAcks).toHaveLength(5);
    expect(await deadLettersOf(bad)).toBe(5);
    expect(await complaints()).toEqual([]);
  });

  it('counts against no stream while the table has no row for a trial', async () => {
    await database.prepare('DELETE FROM tally_board_a').run();
    const [bad, good] = [await tallyOf(1), await tallyOf(1)];
    await breakRowOf(bad.tallyId);
    expect((await deliver([bad.hint, good.hint])).explicitAcks).toEqual(['1']);
    expect(await refusedOf(bad.stream)).toBeNull();
    expect(await complaints()).toEqual([expect.stringContaining('cannot be written')]);
    await deliver([bad.hint]);
    expect(await refusedOf(bad.stream)).toMatchObject({ tries: 1 });
  });
});

describe('an SQL error that every stream meets', () => {
  it.each([
    ['a trigger that always fails', breakEveryRow],
    ['a missing table', tableAway],
  ])('makes no dead letter, shows in /health, and heals by itself: %s', async (_what, breakIt) => {
    const some = await tallies(10);
    await breakIt();
    for (let attempts = 1; attempts <= 4; attempts += 1) await deliver(hintsOf(some), { attempts });
    expect(await deadLettersOf(some)).toBe(0);
    expect(await complaints()).toEqual([expect.stringContaining('cannot be written')]);

    await mend();
    await tableBack();
    expect((await deliver(hintsOf(some))).explicitAcks).toHaveLength(10);
    for (const { tallyId } of some) expect(await boardOf(tallyId)).toMatchObject({ version: 1 });
    expect(await complaints()).toEqual([]);
  });

  it('counts against no stream if it comes back, although writes worked in between', async () => {
    const [first, second] = [await tallyOf(1), await tallyOf(1)];
    for (let times = 1; times <= 3; times += 1) {
      await breakEveryRow();
      await deliver([first.hint, second.hint]);
      await mend();
      await deliver(hintsOf(await tallies(1)));
    }
    expect(await deadLettersOf([first, second])).toBe(0);
  });

  it('counts against no stream if it starts in the middle of a catch-up', async () => {
    const [bad, good, third] = [await tallyOf(1), await tallyOf(1), await tallyOf(1)];
    await breakRowOf(bad.tallyId);
    let isBroken = false;
    withFaults({
      async afterBatch() {
        if (isBroken || !(await boardOf(good.tallyId))) return;
        isBroken = true;
        await mend();
        await breakEveryRow();
      },
    });
    await deliver([good.hint, bad.hint, third.hint]);
    expect(isBroken).toBe(true);
    expect(await deadLettersOf([bad, third])).toBe(0);
    expect(await complaints()).toEqual([expect.stringContaining('cannot be written')]);
  });

  it('never shows the data that the error quotes', async () => {
    const some = await tallies(3);
    await database
      .prepare(
        `CREATE TRIGGER fails AFTER INSERT ON tally_board_a BEGIN SELECT json_extract('{}', new.tally_id || ' isn''t'); END`,
      )
      .run();
    await consume(hintsOf(some));
    const [complaint = ''] = await complaints();
    expect(complaint).toMatch(/bad JSON path: …: SQLITE_ERROR/);
    for (const { tallyId } of some) expect(complaint).not.toContain(tallyId);
  });

  it('gets slow retries, and does not affect the other projections of the group', async () => {
    const some = await tallies(4);
    await breakEveryRow();
    expect(await consume(hintsOf(some))).toEqual([300, 300, 300, 300]);
    await deliver(hintsOf(some));
    for (const { stream } of some) expect(await checkpointOf(stream, 'tally-count')).toBe(1);
  });

  it('does not make the consumer search all streams', async () => {
    const some = await tallies(40);
    await breakEveryRow();
    let batches = 0;
    const counting = new Proxy(database, {
      get(target, property) {
        const value = Reflect.get(target, property) as unknown;
        if (typeof value !== 'function') return value;
        if (property === 'batch') batches += 1;
        return value.bind(target) as unknown;
      },
    });
    ports.database = () => counting;
    await deliver(hintsOf(some));
    // Two projections. Both read their positions. The sound one sends one batch, and the other about log2(40) + 3.
    expect(batches).toBeLessThan(16);
  });
});

describe('an SQL error that only one kind of write meets', () => {
  /** An applied tally. Returns a function that adds to it and returns the hint: its row is then changed, not created. */
  async function changing() {
    const old = await tallyOf(1);
    await deliver([old.hint]);
    let version = 1;
    return async (): Promise<Hint> => {
      await add(old.tallyId, 5);
      version += 1;
      return { stream: old.stream, fromVersion: version, toVersion: version };
    };
  }

  it.each([1, 2, 10])('makes no dead letter of %i streams while other kinds of write succeed', async (count) => {
    const change = await changing();
    const some = await tallies(count);
    await breakEveryRow();
    for (let attempts = 1; attempts <= 4; attempts += 1) {
      const hints = [await change(), ...hintsOf(some)];
      const { explicitAcks } = await deliver(attempts % 2 ? hints : hints.toReversed(), { attempts });
      expect(explicitAcks).toHaveLength(1);
    }
    expect(await deadLettersOf(some)).toBe(0);
    expect(await complaints()).toEqual([expect.stringContaining('cannot be written')]);
  });

  it.each([
    ['a trigger that always fails', `SELECT json_extract('{', '$');`],
    ['a missing table', 'INSERT INTO gone VALUES (1);'],
  ])('stays in /health until that kind of write succeeds again: %s', async (_what, body) => {
    const change = await changing();
    const [first, second] = [await tallyOf(1), await tallyOf(2)];
    await database.prepare(`CREATE TRIGGER fails AFTER INSERT ON tally_board_a BEGIN ${body} END`).run();
    expect(await consume([first.hint])).toEqual([300]);
    expect(await consume([await change()])).toEqual(['done']);
    expect(await complaints()).toEqual([expect.stringContaining('cannot be written')]);
    expect(await consume([first.hint, await change(), second.hint])).toEqual([300, 'done', 300]);
    await mend();
    expect(await consume([await change()])).toEqual(['done']);
    expect(await complaints()).toEqual([expect.stringContaining('cannot be written')]);
    expect(await consume([second.hint])).toEqual(['done']);
    expect(await complaints()).toEqual([]);
  });

  it('ends when the upkeep finds that this kind of write works, even if no event needs it', async () => {
    await deliver(hintsOf(await tallies(1)));
    const [only] = await tallies(1);
    await breakEveryRow();
    await consume(hintsOf(only ? [only] : []));
    const upkeep = () => upkeepStep({ ...system, registry: { ...system.registry, groups: [serving] } });
    expect(await upkeep()).toMatchObject({ mended: 0 });
    expect(await complaints()).toEqual([expect.stringContaining('cannot be written')]);
    await mend();
    expect(await upkeep()).toMatchObject({ mended: 1 });
    expect(await complaints()).toEqual([]);
    expect(await upkeep()).toMatchObject({ mended: 0 });
  });

  it('ends when another slot becomes live, whatever that slot has applied', async () => {
    await forgetPositions(database, 'tally-board');
    await moveSlotB(true);
    const fault = database.prepare(
      `INSERT INTO projection_fault VALUES ('tally-board', 'an error', '', '', NULL, '{"create":false}')`,
    );
    const at = new Date().toISOString();
    await fault.run();
    const pointer = (await readPointer(database, 'tally-board')) as Pointer;
    const build = { id: 'any', projection: 'tally-board', target: { revision: 1, slot: 'b' } } as Build;
    expect(await trySwap(database, build, pointer, at)).toBe('changed');
    expect(await complaints()).toEqual([]);
    await fault.run();
    expect(await rollback(database, 'tally-board', [tallyBoard], at, 'a')).toMatchObject({ outcome: 'changed' });
    expect(await complaints()).toEqual([]);
  });

  it('ends with any batch if an earlier release recorded it without kinds of write', async () => {
    await database.prepare(`INSERT INTO projection_fault VALUES ('tally-board', 'an error', '', '', NULL, NULL)`).run();
    expect(await complaints()).toHaveLength(1);
    await deliver(hintsOf(await tallies(1)));
    expect(await complaints()).toEqual([]);
  });
});

describe('an internal error of D1', () => {
  /** As with a damaged full text index: reads of positions work, and writes fail. */
  const breakWrites = () =>
    withFaults({
      beforeBatch(number) {
        if (number % 2 === 0) throw new Error(`D1_ERROR: internal error; reference = ${number}`);
      },
    });
  const afterMinutes = (minutes: number) => {
    ports.clockOffsetMs = minutes * 60_000;
  };

  it('gets fast retries for ten minutes, then slow ones and a reason in /health, and never a dead letter', async () => {
    const { hint, stream } = await tallyOf(1);
    breakWrites();
    for (const minutes of [0, 5, 9]) {
      afterMinutes(minutes);
      expect(await consume([hint])).toEqual([2]);
      expect(await complaints()).toEqual([]);
    }
    for (const minutes of [10, 15, 20, 25]) {
      afterMinutes(minutes);
      expect(await consume([hint])).toEqual([300]);
      expect(await complaints()).toEqual([expect.stringContaining('whatever the stream: internal error. Repair')]);
    }
    expect(await refusedOf(stream)).toBeNull();
    withoutFaults();
    expect(await consume([hint])).toEqual(['done']);
    expect(await complaints()).toEqual([]);
  });

  it('counts from the start once the same kind of write has succeeded', async () => {
    const { hint } = await tallyOf(1);
    breakWrites();
    expect(await consume([hint])).toEqual([2]);
    afterMinutes(5);
    withoutFaults();
    await deliver(hintsOf(await tallies(1)));
    afterMinutes(11);
    breakWrites();
    expect(await consume([hint])).toEqual([2]);
    expect(await complaints()).toEqual([]);
  });

  it('never hides a fault with another error', async () => {
    const [first, second] = [await tallyOf(1), await tallyOf(1)];
    await breakEveryRow();
    await consume([first.hint]);
    breakWrites();
    expect(await consume([second.hint])).toEqual([2]);
    expect(await complaints()).toEqual([expect.stringContaining('malformed JSON')]);
  });

  it('gets the same retries if the tables cannot even be read', async () => {
    const { hint } = await tallyOf(1);
    withFaults({
      beforeBatch() {
        throw new Error('D1_ERROR: internal error; reference = any');
      },
    });
    expect(await consume([hint])).toEqual([2]);
    afterMinutes(10);
    expect(await consume([hint])).toEqual([300]);
    expect(await complaints()).toEqual([expect.stringContaining('internal error')]);
  });
});

describe('tables that cannot even be read', () => {
  it('are no fault of a projection whose live slot has changed: the isolate drops its cached pointer', async () => {
    const [first, second] = [await tallyOf(1), await tallyOf(1)];
    // The isolate has cached slot a as live. Then the operator builds slot b, and swaps it in.
    await deliver([first.hint]);
    const goTo = (slot: string) =>
      database
        .prepare(`UPDATE projection_pointer SET live_slot = ?, epoch = epoch + 1 WHERE projection = 'tally-board'`)
        .bind(slot)
        .run();
    await goTo('b');
    await tableAway();
    try {
      expect(await consume([second.hint])).toEqual(['done']);
      expect(await boardOf(second.tallyId, 'b')).toMatchObject({ version: 1 });
      expect(await complaints()).toEqual([]);
    } finally {
      await goTo('a');
    }
  });

  it('do not fail a sound build whose connection was lost', async () => {
    const { hint } = await tallyOf(1);
    await moveSlotB(true);
    await tableAway();
    const failOnce = (number: number) => {
      if (number === 2) throw new Error('D1_ERROR: Network connection lost.');
    };
    withFaults({ beforeBatch: failOnce });
    expect(await consume([hint])).toEqual([2]);
    withoutFaults();
    expect((await readPointer(database, 'tally-board'))?.moved).toHaveLength(2);
  });
});
