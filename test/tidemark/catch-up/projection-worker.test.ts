import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';

import type { Hint } from '../../../src/tidemark/write/message.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import { positionsIn, separateCheckpoints, versionIn } from '../../support/checkpoints.ts';
import { type DatabaseFaults, faultyDatabase } from '../../support/database.ts';
import { ports } from '../../support/platform.ts';
import { deliver, sentHints, takeHints } from '../../support/queue.ts';
import { add, newTally, system } from '../../support/system.ts';
import { POISON, TOO_MUCH, broken } from '../../support/tally.ts';

interface Board {
  readonly version: number;
  readonly sum: number;
}

async function board(tallyId: string): Promise<Board | null> {
  return env.SERVING_DB.prepare('SELECT version, sum FROM tally_board_a WHERE tally_id = ?')
    .bind(tallyId)
    .first<Board>();
}

const checkpoint = (projection: string, stream: StreamId) => versionIn(env.SERVING_DB, projection, stream);

/** The additions of all tallies, of both parities. */
async function counted(): Promise<{ additions: number; sum: number }> {
  const row = await env.SERVING_DB.prepare(
    'SELECT coalesce(sum(additions), 0) AS additions, coalesce(sum(sum), 0) AS sum FROM tally_totals_a',
  ).first<{ additions: number; sum: number }>();
  return row ?? { additions: 0, sum: 0 };
}

/** A tally with these additions, and one message for each. */
async function tallyWith(...additions: number[]) {
  const { tallyId, stream } = newTally();
  const hints: Hint[] = [];
  for (const by of additions) {
    await add(tallyId, by);
    hints.push(...(await sentHints(1, stream)));
    takeHints(stream);
  }
  return { tallyId, stream, hints };
}

function withFaults(faults: DatabaseFaults) {
  const faulty = faultyDatabase(env.SERVING_DB, faults);
  ports.database = () => faulty.database;
  return faulty.calls;
}

const acks = async (hints: readonly unknown[]) => (await deliver(hints)).explicitAcks.length;

describe('a batch of messages', () => {
  it('moves the rows, counters, appended rows and checkpoints of every projection', async () => {
    const before = await counted();
    const { tallyId, stream, hints } = await tallyWith(3, 4);
    expect(await acks(hints)).toBe(2);
    expect(await board(tallyId)).toEqual({ version: 2, sum: 7 });
    expect(await checkpoint('tally-board', stream)).toBe(2);
    expect(await checkpoint('tally-count', stream)).toBe(2);
    expect(await counted()).toEqual({ additions: before.additions + 2, sum: before.sum + 7 });
    const entries = await env.SERVING_DB.prepare('SELECT version, by FROM tally_entries_a WHERE tally_id = ?')
      .bind(tallyId)
      .all();
    expect(entries.results).toEqual([
      { version: 1, by: 3 },
      { version: 2, by: 4 },
    ]);
  });

  it('applies doubled, reordered and split messages exactly once', async () => {
    const before = await counted();
    const { tallyId, hints } = await tallyWith(1, 2, 3, 4);
    const [one, two, three, four] = hints;
    expect(await acks([four, two, two, one])).toBe(4);
    expect(await acks([three, one, four, three])).toBe(4);
    expect(await board(tallyId)).toEqual({ version: 4, sum: 10 });
    expect(await counted()).toEqual({ additions: before.additions + 4, sum: before.sum + 10 });
  });

  it('reads dropped events from the log', async () => {
    const { tallyId, hints } = await tallyWith(1, 2, 3);
    expect(await acks([hints[2]])).toBe(1);
    expect(await board(tallyId)).toEqual({ version: 3, sum: 6 });
  });

  it('applies a range without payload, and acknowledges messages that are no hints', async () => {
    const { tallyId, stream } = await tallyWith(1, 2);
    expect(
      await acks([{ stream, fromVersion: 1, toVersion: 2 }, 'garbage', { stream: 'x', fromVersion: 'y' }, null]),
    ).toBe(4);
    expect(await board(tallyId)).toEqual({ version: 2, sum: 3 });
  });

  it('has its effect once if the consumer died between the commit and the acknowledgement', async () => {
    const before = await counted();
    const { tallyId, hints } = await tallyWith(5);
    await deliver(hints);
    expect(await acks(hints)).toBe(1);
    expect(await board(tallyId)).toEqual({ version: 1, sum: 5 });
    expect((await counted()).additions).toBe(before.additions + 1);
  });

  it('applies exactly once when several consumers have the same messages at once', async () => {
    const before = await counted();
    const { tallyId, hints } = await tallyWith(1, 2, 3, 4, 5);
    const results = await Promise.all(Array.from({ length: 6 }, () => acks(hints)));
    expect(results).toEqual([5, 5, 5, 5, 5, 5]);
    expect(await board(tallyId)).toEqual({ version: 5, sum: 15 });
    expect((await counted()).additions).toBe(before.additions + 5);
  });

  it('is applied in full after it has lost the race for one of its checkpoints', async () => {
    const before = await counted();
    const [first, second] = [await tallyWith(1, 2), await tallyWith(10)];
    const rival = env.SERVING_DB;
    let hasLost = false;
    withFaults({
      async beforeBatch(number) {
        // The second batch of this consumer is its first guarded one. Just before it, a rival moves one stream.
        if (number < 2 || hasLost) return;
        hasLost = true;
        ports.database = () => rival;
        await system.catchUp(system.registry.revisionOf('tally-board', 1)!, [
          { stream: first.stream, wanted: 1, hints: first.hints.slice(0, 1) },
        ]);
      },
    });
    expect(await acks([...first.hints, ...second.hints])).toBe(3);
    expect(hasLost).toBe(true);
    expect(await board(first.tallyId)).toEqual({ version: 2, sum: 3 });
    expect(await board(second.tallyId)).toEqual({ version: 1, sum: 10 });
    expect((await counted()).additions).toBe(before.additions + 3);
  });

  it('costs two round trips for all projections together, with a hundred events of many streams', async () => {
    const tallies = await Promise.all(Array.from({ length: 25 }, () => tallyWith(1, 2, 3, 4)));
    const calls = withFaults({});
    expect(await acks(tallies.flatMap(({ hints }) => hints))).toBe(100);
    expect(calls.batches).toBe(2);
  });
});

describe('faults of the database', () => {
  it('leave everything to a retry if a batch fails', async () => {
    const { tallyId, stream, hints } = await tallyWith(1);
    withFaults({
      beforeBatch() {
        throw new Error('D1_ERROR: D1 DB is overloaded. Requests queued for too long.');
      },
    });
    expect((await deliver(hints)).retryMessages).toHaveLength(1);
    expect(await board(tallyId)).toBeNull();
    ports.database = () => env.SERVING_DB;
    expect(await acks(hints)).toBe(1);
    expect(await checkpoint('tally-board', stream)).toBe(1);
  });

  it('never apply an event twice if the batch was committed and its answer was lost', async () => {
    const before = await counted();
    const { tallyId, hints } = await tallyWith(1, 2);
    withFaults({
      afterBatch(number) {
        // The first batch only reads.
        if (number > 1) throw new Error('D1_ERROR: Network connection lost.');
      },
    });
    expect((await deliver(hints)).retryMessages).toHaveLength(2);
    ports.database = () => env.SERVING_DB;
    expect(await acks(hints)).toBe(2);
    expect(await board(tallyId)).toEqual({ version: 2, sum: 3 });
    expect((await counted()).additions).toBe(before.additions + 2);
  });
});

describe('an event that cannot be applied', () => {
  it('stops its own stream in its own projection, after the events before it', async () => {
    const healthy = await tallyWith(7);
    const { tallyId, stream, hints } = await tallyWith(1, POISON, 3);
    broken.handler = true;
    const result = await deliver([...hints, ...healthy.hints]);
    expect(result.explicitAcks).toEqual(['0', '3']);
    expect(await board(tallyId)).toEqual({ version: 1, sum: 1 });
    expect(await checkpoint('tally-count', stream)).toBe(3);
    expect(await board(healthy.tallyId)).toEqual({ version: 1, sum: 7 });

    broken.handler = false;
    expect(await acks(hints)).toBe(3);
    expect(await board(tallyId)).toEqual({ version: 3, sum: 4 + POISON });
  });

  it('is found by halving a batch that a constraint refuses, and its neighbours are applied', async () => {
    const neighbours = await Promise.all([tallyWith(1), tallyWith(2)]);
    const { tallyId, stream, hints } = await tallyWith(TOO_MUCH + 1);
    const result = await deliver([...hints, ...neighbours.flatMap((neighbour) => neighbour.hints)]);
    expect(result.explicitAcks).toEqual(['1', '2']);
    expect(await board(tallyId)).toBeNull();
    expect(await checkpoint('tally-count', stream)).toBe(1);
    for (const neighbour of neighbours) expect(await board(neighbour.tallyId)).toMatchObject({ version: 1 });
  });

  it('waits for newer code if its type or schema version is unknown', async () => {
    const { tallyId, hints } = await tallyWith(1);
    const [hint] = hints as [Hint];
    const future = { ...hint, events: hint.events!.map((event) => ({ ...event, schemaVersion: 2 })) };
    const unknown = { ...hint, events: hint.events!.map((event) => ({ ...event, type: 'Multiplied' })) };
    expect((await deliver([future])).retryMessages).toHaveLength(1);
    expect((await deliver([unknown])).retryMessages).toHaveLength(1);
    expect(await board(tallyId)).toBeNull();
    expect(await acks([hint])).toBe(1);
  });

  it('is never applied over the checkpoint that it contradicts, if its log was restored to an earlier time', async () => {
    const { tallyId, stream, hints } = await tallyWith(1, 2);
    await deliver(hints);
    await separateCheckpoints(env.SERVING_DB);
    await env.SERVING_DB.prepare(`UPDATE checkpoint SET event_id = 'an event that is gone' WHERE stream = ?`)
      .bind(stream)
      .run();
    await add(tallyId, 3);
    const [next] = await sentHints(1, stream);
    // A dead letter holds the stream at once: no message brings it further.
    expect(await acks([next])).toBe(1);
    expect(await board(tallyId)).toEqual({ version: 2, sum: 3 });
  });
});

describe('slots and epochs', () => {
  it('never let a consumer write under an old epoch', async () => {
    const { tallyId, hints } = await tallyWith(1);
    const calls = withFaults({
      async beforeBatch(number) {
        if (number !== 2) return;
        await env.SERVING_DB.prepare(
          `UPDATE projection_pointer SET epoch = epoch + 1 WHERE projection LIKE 'tally-%'`,
        ).run();
      },
    });
    expect(await acks(hints)).toBe(1);
    // More than the two round trips that all projections need together.
    expect(calls.batches).toBeGreaterThan(2);
    expect(await board(tallyId)).toEqual({ version: 1, sum: 1 });
  });

  it('make one batch move every slot that the epoch lists', async () => {
    const { tallyId, stream, hints } = await tallyWith(1, 2);
    const setMoved = (moved: string) =>
      env.SERVING_DB.prepare(
        `UPDATE projection_pointer SET epoch = epoch + 1, moved = ? WHERE projection = 'tally-board'`,
      )
        .bind(moved)
        .run();
    await acks(hints.slice(0, 1));
    await setMoved('[{"revision":1,"slot":"b"}]');
    // Slot b has seen nothing of the stream. It gets both events, slot a only the second.
    expect(await acks(hints.slice(1))).toBe(1);
    const b = await env.SERVING_DB.prepare('SELECT version, sum FROM tally_board_b WHERE tally_id = ?')
      .bind(tallyId)
      .first();
    expect(b).toEqual({ version: 2, sum: 3 });
    expect(await board(tallyId)).toEqual({ version: 2, sum: 3 });
    const positions = (await positionsIn(env.SERVING_DB, stream)).filter(
      ({ projection }) => projection === 'tally-board',
    );
    expect(positions.map(({ slot, version }) => ({ slot, version }))).toEqual([
      { slot: 'a', version: 2 },
      { slot: 'b', version: 2 },
    ]);
    await setMoved('[]');
  });
});
