import { env } from 'cloudflare:workers';
import { afterEach, describe, expect, it } from 'vitest';

import { OutcomeUnknownError } from '../../../src/tidemark/platform/faults.ts';
import type { CatchUp } from '../../../src/tidemark/catch-up/catch-up.ts';
import { deadLetterGroup, listDeadLetters } from '../../../src/tidemark/dead-letters/dead-letter-list.ts';
import {
  type DeadLetterContext,
  replayDeadLetters,
  skipDeadLetters,
} from '../../../src/tidemark/dead-letters/dead-letter-operations.ts';
import { previewDeadLetters } from '../../../src/tidemark/dead-letters/dead-letter-preview.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import { type SeededRandom, seededRandom } from '../../../src/tidemark/testing/seeded-random.ts';
import {
  boardOf,
  checkpointOf,
  countedIn,
  deadLetterGroups,
  deliverThrice,
  entriesOf,
  everythingStored,
  forgetDeadLetters,
  moveSlotB,
  onlyGroup,
  refusedOf,
  tallyOf,
  withFaults,
  withoutFaults,
} from '../../support/boards.ts';
import { positionsIn, separateCheckpoints } from '../../support/checkpoints.ts';
import { ports, production } from '../../support/platform.ts';
import { logsRead } from '../../support/projections.ts';
import { deliver, hintsOf, takeHints } from '../../support/queue.ts';
import { add, newTally, restoreLog, system } from '../../support/system.ts';
import { POISON, TOO_MUCH, broken, tallyBoard, tallyCount } from '../../support/tally.ts';

afterEach(async () => {
  withoutFaults();
  await forgetDeadLetters();
});

/** The arguments of an operation: the system with other ports, and the board. */
const board = (otherwise: Partial<DeadLetterContext> = {}) => [{ ...system, ...otherwise }, tallyBoard] as const;
const BECAUSE = { actor: 'operator', reason: 'It should never have been written' };

/** A tally that a dead letter stops on the board: at its first `POISON`, or at its first `TOO_MUCH`. */
async function stopped(...additions: readonly number[]) {
  const tally = await tallyOf(...additions);
  broken.handler = true;
  await deliverThrice(tally.hint);
  expect(await refusedOf(tally.stream)).toMatchObject({ is_open: 1 });
  return tally;
}

/** Stores dead letters directly, without refusing any event. */
async function plant(count: number, kind = 'planted'): Promise<void> {
  const streams = Array.from({ length: count }, () => newTally().stream);
  await env.SERVING_DB.prepare(
    `INSERT INTO dead_letter
    SELECT 'tally-board', value, 1, 'e', 'poison', ?2, 'an error', 3, '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', 1
    FROM json_each(?1)`,
  )
    .bind(JSON.stringify(streams), kind)
    .run();
}

/** Counts the statements of batches, refused ones included. */
function countingDatabase() {
  const sent = { statements: 0 };
  const database = new Proxy(env.SERVING_DB, {
    get(target, property) {
      const value = Reflect.get(target, property) as unknown;
      if (typeof value !== 'function') return value;
      return (...asked: unknown[]) => {
        if (property === 'batch') sent.statements += (asked[0] as unknown[]).length;
        return Reflect.apply(value, target, asked) as unknown;
      };
    },
  });
  return { database, sent };
}

describe('the list of dead letters', () => {
  it('groups the dead letters of one bug, and counts the events that wait behind them', async () => {
    const [one, two] = [await stopped(1, POISON, 3, 4), await stopped(2, POISON)];
    const third = await stopped(TOO_MUCH + 1, 5);
    const { streams, groups, groupsNotShown, skipped } = await listDeadLetters(...board());
    expect([streams, groupsNotShown, skipped]).toEqual([3, 0, []]);
    expect(groups).toMatchObject([
      { cause: 'poison', kind: 'Error at Added.change', streams: 2, waiting: 4, waitingAtLeast: 4 },
      { cause: 'poison', streams: 1, waiting: 2 },
    ]);
    expect(groups[1]?.kind).toMatch(/CHECK constraint failed/);
    expect(groups[0]?.samples).toMatchObject([
      {
        stream: one.stream,
        version: 2,
        eventType: 'Added',
        tries: 3,
        waiting: 3,
        error: expect.stringMatching('poison'),
      },
      { stream: two.stream, version: 2, eventType: 'Added', waiting: 1 },
    ]);
    expect(groups[1]?.samples).toMatchObject([{ stream: third.stream, version: 1, waiting: 2 }]);
    for (const group of groups) {
      expect(group.id).toMatch(/^[0-9a-f]{16}$/);
      const { id, cause, kind } = group;
      expect(await deadLetterGroup(env.SERVING_DB, 'tally-board', id)).toEqual({ id, cause, kind });
      expect(await deadLetterGroup(env.SERVING_DB, 'tally-count', id)).toBeUndefined();
    }
    expect(await deadLetterGroups(tallyCount)).toEqual([]);
  });

  it('leaves out refusals that are not open, and overtaken ones', async () => {
    const suspected = await tallyOf(1, POISON);
    broken.handler = true;
    await deliver([suspected.hint]);
    const overtaken = await stopped(1, POISON);
    await separateCheckpoints(env.SERVING_DB);
    await env.SERVING_DB.prepare(`UPDATE checkpoint SET version = 2 WHERE projection = 'tally-board' AND stream = ?`)
      .bind(overtaken.stream)
      .run();
    expect(await deadLetterGroups()).toEqual([]);
  });

  it('stays small, and reads few logs, however many dead letters there are', async () => {
    await plant(10_000);
    for (let kind = 0; kind < 40; kind += 1) await plant(25, `kind ${kind}`);
    let asked = 0;
    const aggregates = logsRead(async () => {
      asked += 1;
      return { events: [], previousId: null, head: 3 };
    });
    const list = await listDeadLetters(...board({ aggregates }));
    expect([list.streams, list.groups.length, list.groupsNotShown]).toEqual([11_000, 20, 21]);
    expect(list.groups[0]).toMatchObject({ kind: 'planted', streams: 10_000, waiting: null, waitingAtLeast: 15 });
    expect(list.groups.every(({ samples }) => samples.length === 20)).toBe(true);
    expect(asked).toBe(100);
  });

  it('gives no count for a log that it cannot read', async () => {
    await stopped(1, POISON);
    const aggregates = logsRead(() => Promise.reject(new Error('away')));
    const { groups } = await listDeadLetters(...board({ aggregates }));
    expect(groups).toMatchObject([{ waiting: null, waitingAtLeast: 0, samples: [{ eventType: null, waiting: null }] }]);
  });
});

describe('a replay', () => {
  it('applies the dead letter and everything behind it, in order and exactly once', async () => {
    const before = await countedIn();
    const [one, two] = [await stopped(1, POISON, 3, 4), await stopped(5, POISON)];
    const group = await onlyGroup();
    broken.handler = false;
    expect(await replayDeadLetters(...board(), group, {})).toEqual({
      outcome: 'done',
      finished: 2,
      applied: 4,
      stillDead: [],
      unfinished: [],
      remaining: 0,
    });
    expect(await boardOf(one.tallyId)).toEqual({ version: 4, sum: 8 + POISON });
    expect(await entriesOf(one.tallyId)).toEqual([1, 2, 3, 4]);
    expect(await boardOf(two.tallyId)).toEqual({ version: 2, sum: 5 + POISON });
    const sum = before.sum + 13 + 2 * POISON;
    expect(await countedIn()).toEqual({ additions: before.additions + 6, sum });
    expect(await refusedOf(one.stream)).toBeNull();
    expect(await replayDeadLetters(...board(), group, {})).toEqual({ outcome: 'not-found' });
    await deliver([one.hint, two.hint]);
    expect(await countedIn()).toEqual({ additions: before.additions + 6, sum });
  });

  it('of one stream does not affect the other streams of its group', async () => {
    const [one, two] = [await stopped(1, POISON), await stopped(1, POISON)];
    broken.handler = false;
    const result = await replayDeadLetters(...board(), await onlyGroup(), { stream: two.stream });
    expect(result).toMatchObject({ finished: 1, applied: 1, remaining: 0 });
    expect(await refusedOf(one.stream)).toMatchObject({ is_open: 1 });
    expect(await refusedOf(two.stream)).toBeNull();
    expect(await replayDeadLetters(...board(), await onlyGroup(), { stream: two.stream })).toEqual({
      outcome: 'not-found',
    });
  });

  it('that changes nothing says so, and counts as a try', async () => {
    const { stream } = await stopped(1, POISON);
    const result = await replayDeadLetters(...board(), await onlyGroup(), {});
    expect(result).toMatchObject({
      finished: 0,
      applied: 0,
      stillDead: [{ stream, version: 2, cause: 'poison', error: expect.stringMatching('poison') }],
    });
    expect(await refusedOf(stream)).toMatchObject({ version: 2, tries: 4, is_open: 1 });
  });

  it('that meets another failing event stops there, and makes it a dead letter at once', async () => {
    const { tallyId, stream } = await stopped(1, POISON, 3, TOO_MUCH, 5);
    broken.handler = false;
    const result = await replayDeadLetters(...board(), await onlyGroup(), {});
    expect(result).toMatchObject({ finished: 0, applied: 2, stillDead: [{ stream, version: 4, cause: 'poison' }] });
    expect(await boardOf(tallyId)).toEqual({ version: 3, sum: 4 + POISON });
    expect(await refusedOf(stream)).toMatchObject({ version: 4, tries: 1, is_open: 1 });
  });

  it('goes on where it stopped, and ends even if every event is refused again', async () => {
    const tallies = [await stopped(1, POISON), await stopped(1, POISON), await stopped(1, POISON)];
    const group = await onlyGroup();
    ports.clockOffsetMs = 60_000;
    const triedBefore = new Date(Date.now() + ports.clockOffsetMs).toISOString();
    const seen = new Set<StreamId>();
    for (const remaining of [2, 1, 0]) {
      const result = await replayDeadLetters(...board(), group, { triedBefore }, { streams: 1 });
      expect(result).toMatchObject({ outcome: 'done', remaining });
      if (result.outcome === 'done') for (const { stream } of result.stillDead) seen.add(stream);
    }
    expect(seen).toEqual(new Set(tallies.map(({ stream }) => stream)));
    expect(await replayDeadLetters(...board(), group, { triedBefore })).toEqual({ outcome: 'not-found' });
  });

  it('starts no further stream once its time is over', async () => {
    await stopped(1, POISON);
    await stopped(1, POISON);
    broken.handler = false;
    const limits = { streamsAtOnce: 1, budgetMs: 0 };
    const result = await replayDeadLetters(...board(), await onlyGroup(), {}, limits);
    expect(result).toMatchObject({ finished: 1, remaining: 1 });
  });

  it('stays within the statements of its request, and says how many dead letters remain', async () => {
    const tallies = await Promise.all(Array.from({ length: 100 }, () => tallyOf(TOO_MUCH + 1)));
    for (let at = 0; at < tallies.length; at += 10)
      await deliverThrice(...tallies.slice(at, at + 10).map(({ hint }) => hint));
    const group = await onlyGroup();
    ports.clockOffsetMs = 60_000;
    const triedBefore = new Date(Date.now() + ports.clockOffsetMs).toISOString();
    const seen: StreamId[] = [];
    let calls = 0;
    for (let remaining = tallies.length; remaining > 0; calls += 1) {
      const { database, sent } = countingDatabase();
      ports.database = () => database;
      const result = await replayDeadLetters(...board(), group, { triedBefore });
      expect(sent.statements).toBeLessThan(1_000);
      if (result.outcome !== 'done') throw new Error(result.outcome);
      expect(result.remaining).toBeLessThan(remaining);
      ({ remaining } = result);
      seen.push(...result.stillDead.map(({ stream }) => stream));
    }
    expect(calls).toBeGreaterThan(1);
    expect(seen.toSorted()).toEqual(tallies.map(({ stream }) => stream).toSorted());
  });

  it('moves every slot that the pointer lists', async () => {
    await moveSlotB(true);
    const before = await countedIn('b');
    const { tallyId, stream } = await stopped(1, POISON, 3);
    expect(await boardOf(tallyId, 'b')).toEqual({ version: 1, sum: 1 });
    broken.handler = false;
    await replayDeadLetters(...board(), await onlyGroup(), {});
    expect(await boardOf(tallyId, 'b')).toEqual({ version: 3, sum: 4 + POISON });
    expect(await checkpointOf(stream, 'tally-board', 'b')).toBe(3);
    expect(await countedIn('b')).toEqual({ additions: before.additions + 3, sum: before.sum + 4 + POISON });
  });

  it('is exact during traffic on the same streams', async () => {
    const before = await countedIn();
    const tallies = await Promise.all([0, 1, 2].map(() => tallyOf(1, POISON, 3)));
    broken.handler = true;
    const hints = tallies.map(({ hint }) => hint);
    await deliverThrice(...hints);
    const group = await onlyGroup();
    broken.handler = false;
    await Promise.all([
      replayDeadLetters(...board(), group, {}),
      replayDeadLetters(...board(), group, {}),
      ...tallies.flatMap(({ tallyId }) => [4, 5, 6].map((by) => add(tallyId, by))),
      ...[1, 2, 3].map(() => deliver(hints)),
    ]);
    await deliver(tallies.map(({ stream }) => ({ stream, fromVersion: 4, toVersion: 6 })));
    for (const { tallyId, stream } of tallies) {
      expect(await boardOf(tallyId)).toEqual({ version: 6, sum: 19 + POISON });
      expect(await entriesOf(tallyId)).toEqual([1, 2, 3, 4, 5, 6]);
      expect(await refusedOf(stream)).toBeNull();
    }
    expect(await countedIn()).toEqual({
      additions: before.additions + 18,
      sum: before.sum + 3 * (19 + POISON),
    });
  });

  it('that is interrupted behind the dead letter sends a reminder, so that the stream goes on', async () => {
    const { tallyId, stream } = await stopped(1, POISON, ...Array.from({ length: 600 }, () => 1));
    const group = await onlyGroup();
    broken.handler = false;
    takeHints(stream);
    let loads = 0;
    ports.aggregateStub = (bindings, of) => {
      const stub = production.aggregateStub(bindings, of);
      return {
        execute: (request) => stub.execute(request),
        currentVersion: () => stub.currentVersion(),
        state: (id, asOf) => stub.state(id, asOf),
        load(fromVersion, limit) {
          loads += 1;
          if (loads === 2) throw Object.assign(new Error('Durable Object is overloaded.'), { overloaded: true });
          return stub.load(fromVersion, limit);
        },
      };
    };
    expect(await replayDeadLetters(...board(), group, {})).toMatchObject({
      finished: 0,
      applied: 500,
      unfinished: [{ stream, version: 501, cause: 'overloaded', isReminded: true }],
    });
    expect(await refusedOf(stream)).toBeNull();
    const reminders = hintsOf(stream);
    expect(reminders).toEqual([{ stream, fromVersion: 502, toVersion: 602 }]);
    await deliver(reminders);
    expect(await boardOf(tallyId)).toEqual({ version: 602, sum: 601 + POISON });
  });

  it('that cannot read the log leaves the dead letter as it is', async () => {
    const { stream } = await stopped(1, POISON);
    const group = await onlyGroup();
    broken.handler = false;
    takeHints(stream);
    ports.aggregateStub = (bindings, of) => ({
      ...production.aggregateStub(bindings, of),
      load: () => Promise.reject(new Error('away')),
    });
    expect(await replayDeadLetters(...board(), group, {})).toMatchObject({
      finished: 0,
      unfinished: [{ stream, version: 1, cause: 'transient', isReminded: false }],
    });
    expect(await refusedOf(stream)).toMatchObject({ tries: 3, is_open: 1 });
    expect(hintsOf(stream)).toEqual([]);
  });

  it('repairs a stream of a restored log once the database has been restored too', async () => {
    const { tallyId, stream, hint } = await tallyOf(1, 2);
    await deliver([hint]);
    const set = async (column: string) => {
      await separateCheckpoints(env.SERVING_DB);
      await env.SERVING_DB.prepare(`UPDATE checkpoint SET ${column} WHERE projection = 'tally-board' AND stream = ?`)
        .bind(stream)
        .run();
    };
    const [{ event_id: eventId } = { event_id: '' }] = await positionsIn(env.SERVING_DB, stream);
    await set(`event_id = 'an event that is gone'`);
    await add(tallyId, 3);
    await deliverThrice({ stream, fromVersion: 3, toVersion: 3 });
    const group = await onlyGroup();
    expect(group).toMatchObject({ cause: 'log-restored', samples: [{ eventId: '', version: 3 }] });
    expect(await skipDeadLetters(...board(), group, {}, BECAUSE)).toEqual({ outcome: 'nothing-to-skip' });
    expect(await replayDeadLetters(...board(), group, {})).toMatchObject({ stillDead: [{ cause: 'log-restored' }] });
    await set(`event_id = '${eventId}'`);
    expect(await replayDeadLetters(...board(), group, {})).toMatchObject({ finished: 1, applied: 1 });
    expect(await boardOf(tallyId)).toEqual({ version: 3, sum: 6 });
  });

  it('deletes a dead letter whose event was lost in a restore of the log, and the stream goes on', async () => {
    const { tallyId, stream } = await stopped(1, POISON);
    await restoreLog(stream, 1);
    takeHints();
    expect(await replayDeadLetters(...board(), await onlyGroup(), {})).toMatchObject({ finished: 1, unfinished: [] });
    expect(await deadLetterGroups()).toEqual([]);
    expect(hintsOf(stream)).toEqual([]);
    broken.handler = false;
    await add(tallyId, 5);
    await deliver([{ stream, fromVersion: 2, toVersion: 2 }]);
    expect(await boardOf(tallyId)).toEqual({ version: 2, sum: 6 });
  });

  it('sends a reminder for a stream that grew meanwhile, since the consumer had acknowledged its message', async () => {
    const { tallyId, stream } = await stopped(1, POISON);
    await restoreLog(stream, 1);
    const catchUp: CatchUp = async (projection, requests, options) => {
      const result = await system.catchUp(projection, requests, options);
      await add(tallyId, 5);
      return result;
    };
    takeHints();
    const result = await replayDeadLetters(...board({ catchUp }), await onlyGroup(), {});
    expect(result).toMatchObject({ unfinished: [{ stream, version: 1, isReminded: true }] });
    expect(hintsOf(stream)).toContainEqual(expect.objectContaining({ fromVersion: 2, toVersion: 2 }));
  });
});

describe('a skip', () => {
  it('leaves out the skipped event, and never another event at its version in a restored log', async () => {
    const { tallyId, stream } = await tallyOf(1, 2, 4);
    await env.SERVING_DB.prepare(
      `INSERT INTO skipped_event (projection, stream, version, event_id, reason, actor, skipped_at)
      VALUES ('tally-board', ?, 2, 'of-the-lost-history', '', 'operator', '2026-01-01T00:00:00.000Z')`,
    )
      .bind(stream)
      .run();
    await system.catchUp(tallyBoard, [{ stream, wanted: 'head' }]);
    expect(await boardOf(tallyId)).toEqual({ version: 3, sum: 7 });
    expect(await entriesOf(tallyId)).toEqual([1, 2, 3]);
  });

  it('is listed, latest first', async () => {
    const skippedAt = (day: number) => `2026-01-0${day}T00:00:00.000Z`;
    for (const day of [2, 3, 1])
      await env.SERVING_DB.prepare(
        `INSERT INTO skipped_event (projection, stream, version, event_id, reason, actor, skipped_at)
        VALUES ('tally-board', ?, 1, 'e', '', 'operator', ?)`,
      )
        .bind(newTally().stream, skippedAt(day))
        .run();
    const { skipped } = await listDeadLetters(...board());
    expect(skipped.map((one) => one.skippedAt)).toEqual([3, 2, 1].map(skippedAt));
  });

  it('leaves no trace of the event in the tables, and applies the events behind it', async () => {
    const before = await countedIn();
    const { tallyId, stream } = await stopped(1, POISON, 3);
    expect(await skipDeadLetters(...board(), await onlyGroup(), {}, BECAUSE)).toEqual({
      outcome: 'done',
      skipped: 1,
      finished: 1,
      applied: 1,
      stillDead: [],
      unfinished: [],
      remaining: 0,
    });
    expect(await boardOf(tallyId)).toEqual({ version: 3, sum: 4 });
    expect(await entriesOf(tallyId)).toEqual([1, 3]);
    expect(await countedIn()).toEqual({ additions: before.additions + 2, sum: before.sum + 4 });
    expect([await checkpointOf(stream), await refusedOf(stream)]).toEqual([3, null]);
    // The event is skipped only on the board.
    expect(await checkpointOf(stream, 'tally-count')).toBe(3);
    const { groups, skipped } = await listDeadLetters(...board());
    expect(groups).toEqual([]);
    const actor = { kind: 'anonymous', id: 'operator' };
    expect(skipped).toMatchObject([{ stream, version: 2, ...BECAUSE, actor }]);
    broken.handler = false;
    await add(tallyId, 4);
    await deliver([{ stream, fromVersion: 4, toVersion: 4 }]);
    expect(await boardOf(tallyId)).toEqual({ version: 4, sum: 8 });
  });

  it('of the last event moves the checkpoint and no row', async () => {
    const { tallyId, stream } = await stopped(1, POISON);
    await skipDeadLetters(...board(), await onlyGroup(), {}, BECAUSE);
    expect(await boardOf(tallyId)).toEqual({ version: 1, sum: 1 });
    expect(await checkpointOf(stream)).toBe(2);
  });

  it('holds in every slot, also in one that reaches the event later', async () => {
    const { tallyId, stream, hint } = await stopped(1, POISON, 3);
    await skipDeadLetters(...board(), await onlyGroup(), {}, BECAUSE);
    broken.handler = false;
    await moveSlotB(true);
    await add(tallyId, 4);
    await deliver([{ ...hint, toVersion: 4 }]);
    expect(await boardOf(tallyId, 'b')).toEqual({ version: 4, sum: 8 });
    expect(await entriesOf(tallyId, 'b')).toEqual([1, 3, 4]);
    expect(await checkpointOf(stream, 'tally-board', 'b')).toBe(4);
  });

  it('raises the epoch, so that a consumer that read earlier never applies the event', async () => {
    const { tallyId, stream } = await stopped(1, POISON, 3);
    const group = await onlyGroup();
    broken.handler = false;
    let hasSkipped = false;
    withFaults({
      async beforeBatch(number) {
        if (number !== 2) return;
        withoutFaults();
        hasSkipped = true;
        // Only the skip. Its own catch-up would win the race for the checkpoint, and the epoch would not be tested.
        const away = () => Promise.reject(new Error('away'));
        await skipDeadLetters(...board({ catchUp: away, send: async () => undefined }), group, {}, BECAUSE);
      },
    });
    // A concurrent replay, whose code can apply the event now.
    await system.catchUp(tallyBoard, [{ stream, wanted: 'head' }], { retriesDeadLetters: true });
    expect(hasSkipped).toBe(true);
    expect(await boardOf(tallyId)).toEqual({ version: 3, sum: 4 });
    expect(await entriesOf(tallyId)).toEqual([1, 3]);
  });

  it('ignores a dead letter that was replayed meanwhile', async () => {
    const { tallyId, stream } = await stopped(1, POISON);
    const group = await onlyGroup();
    broken.handler = false;
    withFaults({
      async beforeBatch(number) {
        if (number !== 2) return;
        withoutFaults();
        await replayDeadLetters(...board(), group, {});
      },
    });
    expect(await skipDeadLetters(...board(), group, {}, BECAUSE)).toEqual({ outcome: 'not-found' });
    expect(await boardOf(tallyId)).toEqual({ version: 2, sum: 1 + POISON });
    expect((await listDeadLetters(...board())).skipped).toEqual([]);
    expect(await checkpointOf(stream)).toBe(2);
  });

  it('of a group never skips a later failing event of the same stream', async () => {
    const { stream } = await stopped(1, POISON, 3, POISON);
    const result = await skipDeadLetters(...board(), await onlyGroup(), {}, BECAUSE);
    expect(result).toMatchObject({ skipped: 1, applied: 1, stillDead: [{ stream, version: 4 }] });
    expect(await refusedOf(stream)).toMatchObject({ version: 4, is_open: 1 });
  });

  it('covers many streams in one transaction', async () => {
    const tallies = await Promise.all(Array.from({ length: 12 }, () => tallyOf(1, POISON, 3)));
    broken.handler = true;
    await deliverThrice(...tallies.map(({ hint }) => hint));
    const group = await onlyGroup();
    const result = await skipDeadLetters(...board(), group, {}, BECAUSE, { streams: 10 });
    expect(result).toMatchObject({ skipped: 10, applied: 10, finished: 10, remaining: 2 });
    const again = await skipDeadLetters(...board(), group, {}, BECAUSE);
    expect(again).toMatchObject({ skipped: 2, remaining: 0 });
    for (const { tallyId } of tallies) expect(await boardOf(tallyId)).toEqual({ version: 3, sum: 4 });
  });

  it('whose catch-up fails sends a reminder, since no dead letter holds the stream any more', async () => {
    const { tallyId, stream } = await stopped(1, POISON, 3);
    const group = await onlyGroup();
    takeHints(stream);
    const away = () => Promise.reject(new Error('D1_ERROR: Network connection lost.'));
    expect(await skipDeadLetters(...board({ catchUp: away }), group, {}, BECAUSE)).toMatchObject({
      skipped: 1,
      unfinished: [{ stream, cause: 'transient', isReminded: true }],
    });
    await deliver(hintsOf(stream));
    expect(await boardOf(tallyId)).toEqual({ version: 3, sum: 4 });
  });

  it('that cannot read the log sends a reminder, too', async () => {
    const { tallyId, stream } = await stopped(1, POISON, 3);
    const group = await onlyGroup();
    takeHints(stream);
    ports.aggregateStub = (bindings, of) => ({
      ...production.aggregateStub(bindings, of),
      load: () => Promise.reject(new Error('away')),
    });
    expect(await skipDeadLetters(...board(), group, {}, BECAUSE)).toMatchObject({
      skipped: 1,
      unfinished: [{ stream, version: 1, cause: 'transient', isReminded: true }],
    });
    ports.aggregateStub = production.aggregateStub;
    await deliver(hintsOf(stream));
    expect(await boardOf(tallyId)).toEqual({ version: 3, sum: 4 });
  });

  it('says that its outcome is unknown if the database does not tell it', async () => {
    await stopped(1, POISON);
    const group = await onlyGroup();
    let isAway = false;
    withFaults({
      afterBatch(number) {
        isAway = number === 2;
        if (isAway) throw new Error('D1_ERROR: Network connection lost.');
      },
      beforeQuery() {
        if (isAway) throw new Error('D1_ERROR: Network connection lost.');
      },
    });
    await expect(skipDeadLetters(...board(), group, {}, BECAUSE)).rejects.toThrow(OutcomeUnknownError);
    withoutFaults();
    expect((await listDeadLetters(...board())).skipped).toHaveLength(1);
  });
});

describe('a preview', () => {
  /** Expects that the work writes nothing. Returns its result. */
  async function withoutATrace<Value>(work: () => Promise<Value>): Promise<Value> {
    const before = await everythingStored();
    const value = await work();
    expect(await everythingStored()).toEqual(before);
    return value;
  }

  it('of a replay shows what it would apply, and writes nothing', async () => {
    const { tallyId, stream } = await stopped(1, POISON, 3, 4);
    const group = await onlyGroup();
    broken.handler = false;
    expect(await withoutATrace(() => previewDeadLetters(...board(), group, {}))).toEqual({
      outcome: 'done',
      remaining: 0,
      streams: [
        {
          stream,
          fromVersion: 1,
          toVersion: 4,
          head: 4,
          before: { tallyId, version: 1, sum: 1 },
          after: { tallyId, version: 4, sum: 8 + POISON },
          appended: {
            entries: [POISON, 3, 4].map((by, index) => ({ tallyId, version: index + 2, by })),
          },
          increments: {
            totals: [
              { parity: 'even', additions: 2, sum: POISON + 4 },
              { parity: 'odd', additions: 1, sum: 3 },
            ],
          },
          error: null,
        },
      ],
    });
  });

  it('names the event that a handler would refuse', async () => {
    const { stream } = await stopped(1, POISON, 3);
    const group = await onlyGroup();
    const result = await withoutATrace(() => previewDeadLetters(...board(), group, {}));
    expect(result).toMatchObject({
      streams: [{ stream, fromVersion: 1, toVersion: 1, error: { version: 2, cause: 'poison' } }],
    });
  });

  it('names the event that the tables would refuse, and shows what would be applied before it', async () => {
    const { stream, tallyId } = await stopped(1, POISON, 3, 4, 5, TOO_MUCH, 7);
    const group = await onlyGroup();
    broken.handler = false;
    const result = await withoutATrace(() => previewDeadLetters(...board(), group, {}));
    expect(result).toMatchObject({
      streams: [
        {
          stream,
          toVersion: 5,
          after: { tallyId, version: 5, sum: 13 + POISON },
          error: { version: 6, cause: 'poison', error: expect.stringMatching('CHECK constraint failed') },
        },
      ],
    });
  });

  it('of a skip leaves the event out', async () => {
    const { stream, tallyId } = await stopped(1, POISON, 3);
    const group = await onlyGroup();
    const result = await withoutATrace(() => previewDeadLetters(...board(), group, {}, { isSkip: true }));
    expect(result).toMatchObject({
      streams: [{ stream, toVersion: 3, after: { tallyId, version: 3, sum: 4 }, error: null }],
    });
  });

  it('covers a few streams, and says how many remain', async () => {
    await stopped(1, POISON);
    const { stream } = await stopped(1, POISON);
    const group = await onlyGroup();
    const few = await withoutATrace(() => previewDeadLetters(...board(), group, {}, { maxStreams: 1 }));
    expect(few).toMatchObject({ streams: [{}], remaining: 1 });
    const one = await previewDeadLetters(...board(), group, { stream });
    expect(one).toMatchObject({ streams: [{ stream }], remaining: 0 });
  });
});

describe('any schedule of poison, fixes, replays and skips', () => {
  const STREAMS = 5;
  const STEPS = 120;
  /** Counts of each kind of step, over all seeds. */
  const happened = new Map<string, number>();

  /** A tally, and all its additions so far. */
  interface Truth {
    readonly tallyId: string;
    readonly stream: StreamId;
    readonly additions: number[];
  }

  async function step(random: SeededRandom, tallies: readonly Truth[]): Promise<string> {
    const tally = tallies[random.below(tallies.length)] as Truth;
    const chance = random.below(100);
    if (chance < 35) {
      const by = random.below(3) === 0 ? POISON : random.below(20) === 0 ? TOO_MUCH : 1 + random.below(9);
      await add(tally.tallyId, by);
      tally.additions.push(by);
      return 'added';
    }
    if (chance < 65) {
      const some = tallies.filter(({ additions }) => additions.length > 0 && random.below(2) === 0);
      await deliver(some.map(({ stream, additions }) => ({ stream, fromVersion: 1, toVersion: additions.length })));
      return 'delivered';
    }
    if (chance < 71) {
      broken.handler = !broken.handler;
      return broken.handler ? 'broken' : 'fixed';
    }
    const groups = await deadLetterGroups();
    const group = groups[random.below(groups.length)];
    if (!group) return 'nothing';
    const stream = random.below(2) === 0 ? group.samples[0]?.stream : undefined;
    if (chance < 86) {
      await replayDeadLetters(...board(), group, { stream });
      return 'replayed';
    }
    await skipDeadLetters(...board(), group, { stream }, BECAUSE);
    return 'skipped';
  }

  it.each([5, 11, 17, 20_261_124])(
    'ends as the fold of the logs without the skipped events (seed %d)',
    async (seed) => {
      const random = seededRandom(seed);
      await moveSlotB(true);
      broken.handler = true;
      const before = { a: await countedIn('a'), b: await countedIn('b') };
      const tallies: readonly Truth[] = Array.from({ length: STREAMS }, () => ({ ...newTally(), additions: [] }));
      for (let count = 0; count < STEPS; count += 1) {
        const what = await step(random, tallies);
        happened.set(what, (happened.get(what) ?? 0) + 1);
      }
      broken.handler = false;
      const hints = tallies
        .filter(({ additions }) => additions.length > 0)
        .map(({ stream, additions }) => ({ stream, fromVersion: 1, toVersion: additions.length }));
      await deliverThrice(...hints);
      // Skips the events that the tables always refuse. Replays all others.
      for (let groups = await deadLetterGroups(); groups.length > 0; groups = await deadLetterGroups()) {
        for (const group of groups) {
          const result = await replayDeadLetters(...board(), group, {});
          if (result.outcome !== 'done' || result.stillDead.length === 0) continue;
          for (const again of await deadLetterGroups()) await skipDeadLetters(...board(), again, {}, BECAUSE);
        }
      }
      await deliver(hints);

      const { results: skips } = await env.SERVING_DB.prepare(
        `SELECT stream, version FROM skipped_event WHERE projection = 'tally-board'`,
      ).all<{ stream: StreamId; version: number }>();
      const expected = { additions: 0, sum: 0 };
      for (const { tallyId, stream, additions } of tallies) {
        const taken = additions
          .map((by, index) => ({ by, version: index + 1 }))
          .filter(({ version }) => !skips.some((skip) => skip.stream === stream && skip.version === version));
        const sum = taken.reduce((total, { by }) => total + by, 0);
        expected.additions += taken.length;
        expected.sum += sum;
        for (const slot of ['a', 'b'] as const) {
          expect(await checkpointOf(stream, 'tally-board', slot)).toBe(additions.length);
          expect((await boardOf(tallyId, slot))?.sum ?? 0).toBe(sum);
          expect(await entriesOf(tallyId, slot)).toEqual(taken.map(({ version }) => version));
        }
      }
      for (const slot of ['a', 'b'] as const) {
        const now = await countedIn(slot);
        expect({
          additions: now.additions - before[slot].additions,
          sum: now.sum - before[slot].sum,
        }).toEqual(expected);
      }
    },
  );

  it('runs every kind of step often', () => {
    for (const what of ['added', 'delivered', 'broken', 'fixed', 'replayed', 'skipped']) {
      expect([what, happened.get(what)]).toEqual([what, expect.any(Number)]);
      expect(happened.get(what)).toBeGreaterThan(5);
    }
  });
});
