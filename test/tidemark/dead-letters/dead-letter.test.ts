import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, describe, expect, it } from 'vitest';

import type { Hint } from '../../../src/tidemark/write/message.ts';
import { EMPTY_TOKEN, withVersion } from '../../../src/tidemark/queries/causal-token.ts';
import { causalRead } from '../../../src/tidemark/queries/causal-read.ts';
import { MAX_PARAMETER_BYTES, STREAMS_AT_ONCE } from '../../../src/tidemark/catch-up/catch-up-limits.ts';
import { recordRefusals } from '../../../src/tidemark/dead-letters/dead-letter.ts';
import { failTarget } from '../../../src/tidemark/projections/failed-target.ts';
import { type Pointer, readPointer } from '../../../src/tidemark/projections/pointer.ts';
import { liveVersions } from '../../../src/tidemark/queries/live-versions.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import { reporting, serving } from '../../../src/groups.ts';
import {
  boardOf,
  checkpointOf,
  countedIn,
  deliverThrice,
  entriesOf,
  forgetDeadLetters,
  moveSlotB,
  refusedOf,
  tallyOf,
  withFaults,
  withoutFaults,
} from '../../support/boards.ts';
import { separateCheckpoints } from '../../support/checkpoints.ts';
import { measuredDatabase } from '../../support/database.ts';
import { ports } from '../../support/platform.ts';
import { deliver, hintsOf, sentHints, takeHints } from '../../support/queue.ts';
import { add, newTally, objectOf, system } from '../../support/system.ts';
import { POISON, TOO_MUCH, broken, tallyBoard, tallyById } from '../../support/tally.ts';

afterEach(async () => {
  withoutFaults();
  await forgetDeadLetters();
});

/** The number of acknowledged messages. */
const acks = async (...hints: readonly Hint[]) => (await deliver(hints)).explicitAcks.length;

/** A tally with these additions, and one message with payload for each. */
async function tallyWith(...additions: readonly number[]) {
  const { tallyId, stream } = newTally();
  const hints: Hint[] = [];
  for (const by of additions) {
    await add(tallyId, by);
    hints.push(...(await sentHints(1, stream)));
    takeHints(stream);
  }
  return { tallyId, stream, hints };
}

const ones = (count: number) => Array.from({ length: count }, () => 1);

describe('an event that the live slot refuses (I17)', () => {
  it('stops its own stream in its own projection only', async () => {
    const [poisoned, neighbour] = [await tallyOf(1, POISON, 3), await tallyOf(7, 8)];
    broken.handler = true;
    await deliverThrice(poisoned.hint, neighbour.hint);
    expect(await boardOf(poisoned.tallyId)).toEqual({ version: 1, sum: 1 });
    expect(await checkpointOf(poisoned.stream)).toBe(1);
    expect(await checkpointOf(poisoned.stream, 'tally-count')).toBe(3);
    expect(await refusedOf(poisoned.stream, 'tally-count')).toBeNull();
    expect(await boardOf(neighbour.tallyId)).toEqual({ version: 2, sum: 15 });
    expect(await refusedOf(neighbour.stream)).toBeNull();

    await add(neighbour.tallyId, 1);
    expect(await acks({ ...neighbour.hint, fromVersion: 3, toVersion: 3 })).toBe(1);
    expect(await boardOf(neighbour.tallyId)).toEqual({ version: 3, sum: 16 });
  });

  it.each([
    ['a handler throws', POISON],
    ['a constraint refuses', TOO_MUCH],
  ])('lets the events before it on its page be applied once, and none behind it: %s', async (_what, culprit) => {
    const before = await countedIn();
    const { tallyId, stream, hint } = await tallyOf(...ones(20), culprit, ...ones(20));
    broken.handler = true;
    await deliver([hint]);
    expect(await boardOf(tallyId)).toEqual({ version: 20, sum: 20 });
    expect(await entriesOf(tallyId)).toHaveLength(20);
    expect(await countedIn()).toEqual({ additions: before.additions + 20, sum: before.sum + 20 });
    expect(await refusedOf(stream)).toMatchObject({ version: 21, cause: 'poison', tries: 1, is_open: 0 });
  });

  it('is found if the tables refuse it and a handler throws at a later event of the page', async () => {
    const { tallyId, stream, hint } = await tallyOf(1, 2, TOO_MUCH, 4, POISON);
    broken.handler = true;
    await deliver([hint]);
    expect(await boardOf(tallyId)).toEqual({ version: 2, sum: 3 });
    expect(await refusedOf(stream)).toMatchObject({ version: 3, tries: 1 });
  });

  it('becomes a dead letter at the third refusal, whatever the attempts of the message', async () => {
    const { stream, hint } = await tallyOf(1, POISON);
    broken.handler = true;
    for (const [tries, attempts] of [
      [1, 9],
      [2, 1],
    ] as const) {
      expect((await deliver([hint], { attempts })).explicitAcks).toEqual([]);
      expect(await refusedOf(stream)).toMatchObject({ version: 2, tries, is_open: 0 });
    }
    expect(await acks(hint)).toBe(1);
    expect(await refusedOf(stream)).toMatchObject({
      version: 2,
      tries: 3,
      is_open: 1,
      cause: 'poison',
      kind: 'Error at Added.change',
    });
  });

  it('has a count of its own, without the refusals of an earlier event that is applied now', async () => {
    const { stream, hints } = await tallyWith(1, POISON, POISON);
    broken.handler = true;
    await deliver(hints);
    await deliver(hints);
    expect(await refusedOf(stream)).toMatchObject({ version: 2, tries: 2 });
    broken.handler = false;
    expect(await acks(hints[1] as Hint)).toBe(1);
    expect(await refusedOf(stream)).toBeNull();
    broken.handler = true;
    await deliver(hints);
    expect(await refusedOf(stream)).toMatchObject({ version: 3, tries: 1, is_open: 0 });
  });

  it('counts only for its own version', async () => {
    const { stream } = await tallyOf(1, 2, 3);
    await system.catchUp(tallyBoard, [{ stream, wanted: 'head' }]);
    const pointer = await readPointer(env.SERVING_DB, 'tally-board');
    if (!pointer) throw new Error('the board is live');
    const refuse = (version: number) =>
      recordRefusals(
        env.SERVING_DB,
        'tally-board',
        pointer,
        [{ stream, version, eventId: 'e', cause: 'poison', kind: 'k', error: 'e' }],
        { at: new Date().toISOString() },
      );
    for (let times = 0; times < 2; times += 1) await refuse(4);
    expect(await refusedOf(stream)).toMatchObject({ version: 4, tries: 2, is_open: 0 });
    // The log and the checkpoint were restored meanwhile.
    await separateCheckpoints(env.SERVING_DB);
    await env.SERVING_DB.prepare(`UPDATE checkpoint SET version = 1 WHERE projection = 'tally-board' AND stream = ?`)
      .bind(stream)
      .run();
    expect((await refuse(2)).get(stream)).toBe(false);
    expect(await refusedOf(stream)).toMatchObject({ version: 2, tries: 1, is_open: 0 });
  });

  it('counts once for each catch-up, even if that loses a race first', async () => {
    const { stream, hints } = await tallyWith(1, POISON);
    broken.handler = true;
    let hasLost = false;
    withFaults({
      async beforeBatch(number) {
        if (number < 2 || hasLost) return;
        hasLost = true;
        withoutFaults();
        await system.catchUp(tallyBoard, [{ stream, wanted: 1, hints: hints.slice(0, 1) }]);
      },
    });
    await system.catchUp(tallyBoard, [{ stream, wanted: 2, hints }]);
    expect(hasLost).toBe(true);
    expect(await checkpointOf(stream)).toBe(1);
    expect(await refusedOf(stream)).toMatchObject({ version: 2, tries: 1 });
  });

  it('is applied and forgotten if a fix comes before it is a dead letter', async () => {
    const { tallyId, stream, hint } = await tallyOf(1, POISON, 3);
    broken.handler = true;
    await deliver([hint]);
    await deliver([hint]);
    broken.handler = false;
    expect(await acks(hint)).toBe(1);
    expect(await boardOf(tallyId)).toEqual({ version: 3, sum: 4 + POISON });
    expect(await refusedOf(stream)).toBeNull();
  });
});

describe('the parameters of refusals fit into D1', () => {
  /** By default with the longest stored error, of characters that take three bytes in UTF-8. */
  const refusalOf = (stream: StreamId, error = '潮'.repeat(2_000)) =>
    ({ stream, version: 1, eventId: 'e', cause: 'poison', kind: 'Error at Added', error }) as const;
  const AT = { at: '2026-01-01T00:00:00.000Z' };

  it('if every stream of a batch is refused: each is counted, and is a dead letter after three tries', async () => {
    const streams = Array.from({ length: STREAMS_AT_ONCE }, () => newTally().stream);
    const pointer = (await readPointer(env.SERVING_DB, 'tally-board')) as Pointer;
    const { measured, lengths } = measuredDatabase(env.SERVING_DB);
    const refusals = streams.map((stream) => refusalOf(stream));
    for (const isDead of [false, false, true]) {
      const counted = await recordRefusals(measured, 'tally-board', pointer, refusals, AT);
      expect([...counted]).toEqual(streams.map((stream) => [stream, isDead]));
    }
    expect(Math.max(...lengths)).toBeLessThanOrEqual(MAX_PARAMETER_BYTES);
  });

  it('if a slot beside the live one fails, however long its error is', async () => {
    const pointer = (await readPointer(env.SERVING_DB, 'tally-board')) as Pointer;
    const { measured, lengths } = measuredDatabase(env.SERVING_DB);
    const refusal = refusalOf(newTally().stream, '潮'.repeat(MAX_PARAMETER_BYTES));
    await failTarget(measured, 'tally-board', pointer, { revision: 1, slot: 'b' }, refusal, AT.at);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(MAX_PARAMETER_BYTES);
  });
});

describe('a dead letter', () => {
  async function stopped() {
    const tally = await tallyOf(1, POISON, 3);
    broken.handler = true;
    await deliverThrice(tally.hint);
    expect(await refusedOf(tally.stream)).toMatchObject({ is_open: 1 });
    return tally;
  }

  it('holds its stream even if the code can apply the event now, and its messages are acknowledged at once', async () => {
    const { tallyId, stream, hint } = await stopped();
    broken.handler = false;
    await add(tallyId, 4);
    expect(await acks(hint, { stream, fromVersion: 4, toVersion: 4 })).toBe(2);
    expect(await boardOf(tallyId)).toEqual({ version: 1, sum: 1 });
    // No catch-up has tried the event.
    expect(await refusedOf(stream)).toMatchObject({ version: 2, tries: 3 });
    expect(await checkpointOf(stream, 'tally-count')).toBe(4);
  });

  it('fails the reads of clients that have seen more at once, and no others', async () => {
    const { tallyId, stream } = await stopped();
    broken.handler = false;
    const read = (version: number) =>
      causalRead(
        system,
        {
          projection: tallyBoard,
          token: withVersion(EMPTY_TOKEN, stream, version),
          stream,
          queries: (tables) => ({ rows: tallyById(tallyId)(tables) }),
        },
        { timeoutMs: 60_000 },
      );
    expect(await read(3)).toEqual({ outcome: 'dead-letter', stream, wanted: 3, has: 1 });
    expect(await read(1)).toMatchObject({ outcome: 'read', answers: { rows: [{ version: 1, sum: 1 }] } });
  });

  it('counts as delivered: the delivery check sends no reminder any more', async () => {
    const { stream, hints } = await tallyWith(1, POISON);
    broken.handler = true;
    await deliver(hints);
    // Before the dead letter, the check sends a reminder.
    await runAlarms(stream, () => hintsOf(stream).length > 0);
    expect(takeHints(stream)).not.toEqual([]);
    await deliver(hints);
    await deliver(hints);
    expect(await refusedOf(stream)).toMatchObject({ is_open: 1 });
    await deliver(takeHints(stream, reporting), { group: reporting });
    await runAlarms(stream, () => false);
    expect(hintsOf(stream, serving)).toEqual([]);
  });
});

/** Runs a stream's alarms as if each were due, until there is none, or until `isEnough`. */
async function runAlarms(stream: StreamId, isEnough: () => boolean): Promise<void> {
  for (let runs = 0; !isEnough(); runs += 1) {
    expect(runs).toBeLessThan(20);
    const dueAt = await runInDurableObject(objectOf(stream), (_, state) => state.storage.getAlarm());
    if (dueAt === null) return;
    ports.clockOffsetMs = Math.max(dueAt - Date.now() + 1, ports.clockOffsetMs);
    await runDurableObjectAlarm(objectOf(stream));
  }
}

describe('no dead letter', () => {
  it.each(['D1_ERROR: D1 DB is overloaded. Requests queued for too long.', 'D1_ERROR: Network connection lost.'])(
    'comes from a database that refuses everything: %s',
    async (message) => {
      const tallies = await Promise.all([tallyOf(1, 2), tallyOf(3), tallyOf(4, 5, 6)]);
      const hints = tallies.map(({ hint }) => hint);
      withFaults({
        beforeBatch() {
          throw new Error(message);
        },
      });
      for (let attempts = 1; attempts <= 5; attempts += 1) {
        expect((await deliver(hints, { attempts })).retryMessages).toHaveLength(3);
      }
      withoutFaults();
      for (const { stream } of tallies) expect(await refusedOf(stream)).toBeNull();
      expect(await acks(...hints)).toBe(3);
      expect(await Promise.all(tallies.map(({ tallyId }) => boardOf(tallyId)))).toEqual([
        { version: 2, sum: 3 },
        { version: 1, sum: 3 },
        { version: 3, sum: 15 },
      ]);
    },
  );

  it('comes from an event type or a schema version that the code does not know yet', async () => {
    const { tallyId, stream, hints } = await tallyWith(1);
    const [hint] = hints as [Hint];
    const future = { ...hint, events: hint.events!.map((event) => ({ ...event, schemaVersion: 2 })) };
    const unknown = { ...hint, events: hint.events!.map((event) => ({ ...event, type: 'Multiplied' })) };
    for (let attempts = 1; attempts <= 4; attempts += 1) {
      expect((await deliver([future, unknown], { attempts })).retryMessages).toHaveLength(2);
    }
    expect(await refusedOf(stream)).toBeNull();
    expect(await acks(hint)).toBe(1);
    expect(await boardOf(tallyId)).toEqual({ version: 1, sum: 1 });
  });

  it('comes from lost races and changes of the epoch, however many', async () => {
    const { tallyId, stream, hint } = await tallyOf(1, 2);
    let passed = 0;
    withFaults({
      async beforeBatch(number) {
        if (number % 2 !== 0 || passed >= 6) return;
        passed += 1;
        await env.SERVING_DB.prepare(
          `UPDATE projection_pointer SET epoch = epoch + 1 WHERE projection = 'tally-board'`,
        ).run();
      },
    });
    await system.catchUp(tallyBoard, [{ stream, wanted: 2 }]);
    expect(passed).toBe(6);
    expect(await boardOf(tallyId)).toEqual({ version: 2, sum: 3 });
    expect(await refusedOf(stream)).toBeNull();
    withoutFaults();

    await add(tallyId, 3);
    const rivals = Array.from({ length: 8 }, () => acks({ ...hint, toVersion: 3 }));
    expect(await Promise.all(rivals)).toEqual(rivals.map(() => 1));
    expect(await refusedOf(stream)).toBeNull();
  });
});

describe('a log that was restored to an earlier time', () => {
  it.each([
    ['has another event at the checkpoint’s version', `event_id = 'an event that is gone'`],
    ['ends before the checkpoint', 'version = 9'],
  ])('becomes a dead letter of its own cause: it %s', async (_what, restored) => {
    const { tallyId, stream, hint } = await tallyOf(1, 2);
    await deliver([hint]);
    await separateCheckpoints(env.SERVING_DB);
    await env.SERVING_DB.prepare(`UPDATE checkpoint SET ${restored} WHERE projection = 'tally-board' AND stream = ?`)
      .bind(stream)
      .run();
    await add(tallyId, 3);
    const wanted = { stream, fromVersion: 3, toVersion: 10 };
    expect(await deliver([wanted])).toMatchObject({ explicitAcks: [], retryMessages: [{}] });
    await deliver([wanted]);
    // The other projection waits for a version that the log does not have, so the message is not acknowledged.
    await deliver([wanted]);
    expect(await refusedOf(stream)).toMatchObject({ cause: 'log-restored', event_id: '', is_open: 1 });
    expect(await boardOf(tallyId)).toEqual({ version: 2, sum: 3 });
    expect(await checkpointOf(stream, 'tally-count')).toBe(3);
  });

  it('is found by the first message about a version that two events have', async () => {
    const { stream, hints } = await tallyWith(1, 2);
    await deliver(hints);
    await separateCheckpoints(env.SERVING_DB);
    await env.SERVING_DB.prepare(
      `UPDATE checkpoint SET event_id = 'an event that is gone' WHERE projection = 'tally-board' AND stream = ?`,
    )
      .bind(stream)
      .run();
    const [, second] = hints as [Hint, Hint];
    expect(await acks(second)).toBe(1);
    expect(await refusedOf(stream)).toMatchObject({ cause: 'log-restored', version: 3, tries: 1, is_open: 1 });
  });

  it('is never assumed because of a late message from before a restore', async () => {
    const { stream, hints } = await tallyWith(1, 2);
    await deliver(hints);
    const [, second] = hints as [Hint, Hint];
    const late = { ...second, events: second.events!.map((event) => ({ ...event, id: 'an event that is gone' })) };
    expect(await acks(late)).toBe(1);
    expect(await refusedOf(stream)).toBeNull();
  });

  it('no longer holds a stream once the live slot agrees with the log', async () => {
    const { tallyId, stream, hint } = await tallyOf(1, 2);
    await deliver([hint]);
    const setVersion = async (version: number) => {
      await separateCheckpoints(env.SERVING_DB);
      await env.SERVING_DB.prepare(`UPDATE checkpoint SET version = ? WHERE projection = 'tally-board' AND stream = ?`)
        .bind(version, stream)
        .run();
    };
    await setVersion(9);
    await deliverThrice({ stream, fromVersion: 10, toVersion: 10 });
    expect(await refusedOf(stream)).toMatchObject({ version: 10, is_open: 1 });
    await setVersion(2);
    await add(tallyId, 3);
    expect(await acks({ stream, fromVersion: 3, toVersion: 3 })).toBe(1);
    expect(await boardOf(tallyId)).toEqual({ version: 3, sum: 6 });
    const [held] = await liveVersions(env.SERVING_DB, [tallyBoard], [stream]);
    expect(held).toMatchObject({ version: 3, isHeld: false });
  });
});

describe('a slot beside the live one', () => {
  const setCheck = (slot: string, most: number | undefined) =>
    env.SERVING_DB.batch([
      env.SERVING_DB.prepare(`DROP TABLE tally_board_${slot}`),
      env.SERVING_DB.prepare(
        `CREATE TABLE tally_board_${slot} (tally_id TEXT PRIMARY KEY, version INTEGER NOT NULL,
          sum INTEGER NOT NULL ${most === undefined ? '' : `CHECK (sum <= ${most})`}) WITHOUT ROWID`,
      ),
    ]);
  afterEach(async () => {
    await setCheck('b', TOO_MUCH);
  });

  async function movedTargets(): Promise<string | null> {
    return env.SERVING_DB.prepare(`SELECT moved FROM projection_pointer WHERE projection = 'tally-board'`).first(
      'moved',
    );
  }

  it('that refuses an event is taken out of the pointer, and the live slot goes on without it', async () => {
    await setCheck('b', 10);
    await moveSlotB(true);
    const [neighbour, { tallyId, stream, hint }] = [await tallyOf(1), await tallyOf(1, 2, 30, 4)];
    expect(await acks(neighbour.hint, hint)).toBe(2);
    expect(await boardOf(tallyId)).toEqual({ version: 4, sum: 37 });
    expect(await boardOf(neighbour.tallyId)).toEqual({ version: 1, sum: 1 });
    expect(await refusedOf(stream)).toBeNull();
    expect(await movedTargets()).toBe('[]');
  });

  it('never passes the dead letter of the live slot, even if its own tables would accept the event', async () => {
    await setCheck('b', undefined);
    await moveSlotB(true);
    const { tallyId, stream, hint } = await tallyOf(1, TOO_MUCH, 3);
    await deliverThrice(hint, hint);
    expect(await refusedOf(stream)).toMatchObject({ version: 2, is_open: 1 });
    expect(await checkpointOf(stream, 'tally-board', 'b')).toBe(1);
    expect(await boardOf(tallyId, 'b')).toEqual({ version: 1, sum: 1 });
    expect(await movedTargets()).not.toBe('[]');
  });

  it('that lags is brought up to the dead letter of the live slot, and never further', async () => {
    const { tallyId, stream, hint } = await tallyOf(1, 2, 3, POISON, 5);
    broken.handler = true;
    await deliverThrice(hint);
    await moveSlotB(true);
    broken.handler = false;
    expect(await acks(hint)).toBe(1);
    expect(await checkpointOf(stream, 'tally-board', 'b')).toBe(3);
    expect(await boardOf(tallyId, 'b')).toEqual({ version: 3, sum: 6 });
  });
});

describe('a value that no column can hold', () => {
  const circular: { self?: unknown } = {};
  circular.self = circular;
  it.each([
    ['a bigint', 10n],
    ['a circular object', circular],
    ['null in a required column', null],
    ['a text that a constraint refuses', 'more than any number'],
  ])('is poison of its own stream only: %s', async (_what, sum) => {
    const [{ tallyId, stream, hint }, neighbour] = [await tallyOf(1, POISON), await tallyOf(7)];
    broken.sum = sum;
    expect((await deliver([hint, neighbour.hint])).explicitAcks).toEqual(['1']);
    expect(await boardOf(tallyId)).toEqual({ version: 1, sum: 1 });
    expect(await boardOf(neighbour.tallyId)).toEqual({ version: 1, sum: 7 });
    expect(await refusedOf(stream)).toMatchObject({ version: 2, tries: 1, cause: 'poison' });
    await deliver([hint]);
    expect(await acks(hint)).toBe(1);
    expect(await refusedOf(stream)).toMatchObject({ version: 2, tries: 3, is_open: 1 });
  });
});

describe('counters', () => {
  it('are exact beyond 2^53, within one batch and across batches', async () => {
    const total = () =>
      env.SERVING_DB.prepare(`SELECT CAST(sum AS TEXT) AS sum FROM tally_totals_a WHERE parity = 'odd'`).first<string>(
        'sum',
      );
    const before = BigInt((await total()) ?? 0);
    const most = -Number.MAX_SAFE_INTEGER;
    const [one, other] = [await tallyOf(most, most, -1), await tallyOf(most, -3)];
    expect(await acks(one.hint, other.hint)).toBe(2);
    expect(BigInt((await total()) ?? 0) - before).toBe(3n * BigInt(most) - 4n);
    const third = await tallyOf(most);
    expect(await acks(third.hint)).toBe(1);
    expect(BigInt((await total()) ?? 0) - before).toBe(4n * BigInt(most) - 4n);
  });
});
