import { env } from 'cloudflare:workers';
import { afterEach, describe, expect, it } from 'vitest';

import { serving } from '../../../src/groups.ts';
import { consumeHints } from '../../../src/tidemark/catch-up/projection-worker.ts';
import { replayDeadLetters } from '../../../src/tidemark/dead-letters/dead-letter-operations.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import type { Hint } from '../../../src/tidemark/write/message.ts';
import {
  boardOf,
  checkpointOf,
  countedIn,
  deliverThrice,
  entriesOf,
  forgetDeadLetters,
  onlyGroup,
  refusedOf,
  tallyOf,
  withFaults,
  withoutFaults,
} from '../../support/boards.ts';
import { faultyDatabase } from '../../support/database.ts';
import { meteredDatabase } from '../../support/metered-database.ts';
import { ports } from '../../support/platform.ts';
import { deliver } from '../../support/queue.ts';
import { add, newTally, system } from '../../support/system.ts';
import { TOO_MUCH, tallyBoard } from '../../support/tally.ts';
import { runtimeOf } from '../../worker.ts';

const database = env.SERVING_DB;

/** The names of both projections of the tally. */
const BOTH = ['tally-board/a', 'tally-count/a'];

/** The rows of a stream in both tables, as they are stored. */
async function rowsOf(stream: StreamId) {
  const { results: own } = await database
    .prepare(
      `SELECT projection || '/' || slot || ' at ' || version AS name FROM checkpoint
      WHERE stream = ? ORDER BY projection, slot`,
    )
    .bind(stream)
    .all<{ name: string }>();
  const shared = await database
    .prepare('SELECT version, vouches FROM shared_checkpoint WHERE stream = ?')
    .bind(stream)
    .first<{ version: number; vouches: string }>();
  return {
    own: own.map(({ name }) => name),
    shared: shared && { version: shared.version, vouches: JSON.parse(shared.vouches) as unknown },
  };
}

/** Changes the largest sum that the board takes, with its rows. */
async function setMost(most: number | undefined): Promise<void> {
  await database.batch([
    database.prepare('ALTER TABLE tally_board_a RENAME TO tally_board_before'),
    database.prepare(
      `CREATE TABLE tally_board_a (tally_id TEXT PRIMARY KEY, version INTEGER NOT NULL,
        sum INTEGER NOT NULL ${most === undefined ? '' : `CHECK (sum <= ${most})`}) WITHOUT ROWID`,
    ),
    database.prepare('INSERT INTO tally_board_a SELECT * FROM tally_board_before'),
    database.prepare('DROP TABLE tally_board_before'),
  ]);
}

afterEach(forgetDeadLetters);

/** Tallies with one event each, and messages about them without the events. */
async function unsent(count: number) {
  const tallies = Array.from({ length: count }, newTally);
  await Promise.all(tallies.map(({ tallyId }) => add(tallyId, 1)));
  return { tallies, hints: tallies.map(({ stream }) => ({ stream, fromVersion: 1, toVersion: 1 })) };
}

describe('the projections of a group', () => {
  it('read each log once, and send what they look at and what they write as one batch each', async () => {
    const { tallies, hints } = await unsent(100);
    const { database: counted, calls } = faultyDatabase(database);
    const loads: StreamId[] = [];
    const { aggregateStub } = ports;
    ports.database = () => counted;
    ports.aggregateStub = (bindings, stream) => {
      const stub = aggregateStub(bindings, stream);
      return {
        ...stub,
        load: async (...asked) => {
          loads.push(stream);
          return stub.load(...asked);
        },
      };
    };
    expect(system.registry.projectionsOf(serving).filter(({ name }) => name.startsWith('tally-'))).toHaveLength(2);
    expect((await deliver(hints)).explicitAcks).toHaveLength(100);
    expect(loads).toHaveLength(100);
    expect(calls.batches).toBe(2);
    for (const { tallyId } of tallies) expect(await boardOf(tallyId)).toMatchObject({ version: 1, sum: 1 });
  });

  it('write one checkpoint row for each stream, which names them all', async () => {
    const { tallies, hints } = await unsent(3);
    const { database: metered, bill } = meteredDatabase(database);
    ports.database = () => metered;
    expect((await deliver(hints)).explicitAcks).toHaveLength(3);
    for (const { stream } of tallies)
      expect(await rowsOf(stream)).toEqual({ own: [], shared: { version: 1, vouches: BOTH } });
    // For each tally two rows, an entry and the checkpoint; and the one total of all.
    expect(bill.rowsWritten).toBe(3 * (2 + 1 + 1) + 1);
  });

  it('take the row along, event by event, and leave no row behind', async () => {
    const { tallyId, stream, hint } = await tallyOf(1);
    await deliver([hint]);
    for (const version of [2, 3]) {
      await add(tallyId, version);
      await deliver([{ stream, fromVersion: version, toVersion: version }]);
      expect(await rowsOf(stream)).toEqual({ own: [], shared: { version, vouches: BOTH } });
    }
    expect(await boardOf(tallyId)).toEqual({ version: 3, sum: 6 });
  });

  it('share a row again with one that was behind, once they stand at the same event', async () => {
    const { tallyId, stream, hint } = await tallyOf(1, 2);
    await system.catchUp(tallyBoard, [{ stream, wanted: 2 }]);
    expect(await rowsOf(stream)).toEqual({ own: ['tally-board/a at 2'], shared: null });
    await deliver([hint]);
    expect(await rowsOf(stream)).toEqual({ own: ['tally-board/a at 2', 'tally-count/a at 2'], shared: null });
    await add(tallyId, 3);
    await deliver([{ stream, fromVersion: 3, toVersion: 3 }]);
    expect(await rowsOf(stream)).toEqual({ own: [], shared: { version: 3, vouches: BOTH } });
  });
});

describe('a projection whose tables refuse an event', () => {
  it('stops alone, delays no other, and shares a row again after its replay and the next event', async () => {
    const [healthy, { tallyId, stream, hint }] = [await tallyOf(1), await tallyOf(1)];
    await deliver([healthy.hint, hint]);
    await add(tallyId, TOO_MUCH);
    await add(healthy.tallyId, 2);
    const second = { stream, fromVersion: 2, toVersion: 2 };
    const result = await deliver([second, { ...second, stream: healthy.stream }]);
    expect(result.explicitAcks).toEqual(['1']);
    expect(await boardOf(healthy.tallyId)).toEqual({ version: 2, sum: 3 });
    expect(await rowsOf(stream)).toEqual({
      own: ['tally-count/a at 2'],
      shared: { version: 1, vouches: ['tally-board/a'] },
    });
    // The other stream of the refused batch was taken by each projection alone. They share again at its next event.
    expect([await checkpointOf(healthy.stream), await checkpointOf(healthy.stream, 'tally-count')]).toEqual([2, 2]);
    await add(healthy.tallyId, 3);
    await deliver([{ stream: healthy.stream, fromVersion: 3, toVersion: 3 }]);
    expect(await rowsOf(healthy.stream)).toEqual({ own: [], shared: { version: 3, vouches: BOTH } });

    await deliverThrice(second);
    expect(await refusedOf(stream)).toMatchObject({ version: 2, is_open: 1 });
    await setMost(undefined);
    try {
      await replayDeadLetters(system, tallyBoard, await onlyGroup(), {});
      await expect.poll(() => checkpointOf(stream)).toBe(2);
    } finally {
      await setMost(TOO_MUCH + 10);
    }
    await add(tallyId, 3);
    await deliver([{ stream, fromVersion: 3, toVersion: 3 }]);
    expect(await rowsOf(stream)).toEqual({ own: [], shared: { version: 3, vouches: BOTH } });
    expect(await boardOf(tallyId)).toEqual({ version: 3, sum: TOO_MUCH + 4 });
  });
});

describe('a target that the shared row says nothing about', () => {
  it('starts at the first event, as a projection that a deployment has added', async () => {
    const { tallyId, stream, hint } = await tallyOf(1, 2);
    await deliver([hint]);
    // As if the shared row were of other projections.
    await database.batch([
      database
        .prepare('UPDATE shared_checkpoint SET vouches = ? WHERE stream = ?')
        .bind('["added-before/a","tally-count/a"]', stream),
      database.prepare('DELETE FROM tally_board_a WHERE tally_id = ?').bind(tallyId),
      database.prepare('DELETE FROM tally_entries_a WHERE tally_id = ?').bind(tallyId),
    ]);
    expect(await checkpointOf(stream)).toBe(0);
    await add(tallyId, 3);
    await deliver([{ stream, fromVersion: 3, toVersion: 3 }]);
    expect(await boardOf(tallyId)).toEqual({ version: 3, sum: 6 });
    expect(await entriesOf(tallyId)).toEqual([1, 2, 3]);
  });

  it('stays where it is when the others move, also if this Worker has no code for it', async () => {
    const { tallyId, stream, hint } = await tallyOf(1);
    await deliver([hint]);
    await database
      .prepare('UPDATE shared_checkpoint SET vouches = ? WHERE stream = ?')
      .bind('["of-another-release/b","tally-board/a","tally-count/a"]', stream)
      .run();
    await add(tallyId, 2);
    await deliver([{ stream, fromVersion: 2, toVersion: 2 }]);
    expect(await rowsOf(stream)).toEqual({
      own: ['of-another-release/b at 1'],
      shared: { version: 2, vouches: BOTH },
    });
    await database.prepare(`DELETE FROM checkpoint WHERE projection = 'of-another-release'`).run();
  });
});

describe('a joint batch', () => {
  it('that has lost a race is tried again, and nothing is applied twice', async () => {
    const before = await countedIn();
    const { tallyId, stream, hint } = await tallyOf(1, 2);
    let hasLost = false;
    const calls = withFaults({
      async beforeBatch(number) {
        if (number !== 2 || hasLost) return;
        hasLost = true;
        // A rival applies the first event for both.
        withoutFaults();
        await deliver([{ stream, fromVersion: 1, toVersion: 1 }]);
      },
    });
    expect((await deliver([hint])).explicitAcks).toHaveLength(1);
    expect(hasLost).toBe(true);
    expect(calls.batches).toBeGreaterThanOrEqual(2);
    expect(await boardOf(tallyId)).toEqual({ version: 2, sum: 3 });
    expect(await entriesOf(tallyId)).toEqual([1, 2]);
    expect((await countedIn()).additions).toBe(before.additions + 2);
    expect(await rowsOf(stream)).toEqual({ own: [], shared: { version: 2, vouches: BOTH } });
  });

  it('of many rivals is applied once', async () => {
    const before = await countedIn();
    const { tallyId, stream, hint } = await tallyOf(1, 2, 3, 4);
    const hints = [1, 2, 3, 4].map((toVersion) => ({ ...hint, toVersion }));
    await Promise.all([...hints, ...hints].map((one) => deliver([one])));
    await deliver([hint]);
    expect(await boardOf(tallyId)).toEqual({ version: 4, sum: 10 });
    expect((await countedIn()).additions).toBe(before.additions + 4);
    expect([await checkpointOf(stream), await checkpointOf(stream, 'tally-count')]).toEqual([4, 4]);
  });

  it.each([
    ['is full', 'D1_ERROR: database or disk is full: SQLITE_FULL', 300],
    ['is away', 'D1_ERROR: D1 DB is overloaded. Requests queued for too long.', 2],
  ])('to a database that %s has each projection report it once', async (_, error, delaySeconds) => {
    const { tallyId, hint } = await tallyOf(1);
    const failed: unknown[] = [];
    withFaults({
      beforeBatch() {
        throw new Error(error);
      },
    });
    const retried: unknown[] = [];
    const message = {
      body: { sender: 'group', hints: [hint] },
      attempts: 1,
      ack: () => expect.unreachable('the message is done'),
      retry: (options: unknown) => void retried.push(options),
    };
    const report = (event: string, details: object) =>
      void (event === 'projection.failed' && failed.push((details as { projection?: unknown }).projection));
    await consumeHints({ ...system, report }, serving, [message]);
    withoutFaults();
    expect(retried).toEqual([{ delaySeconds }]);
    expect(failed).toHaveLength(2);
    expect(new Set(failed)).toEqual(new Set(['tally-board', 'tally-count']));
    expect(await boardOf(tallyId)).toBeNull();
    expect((await deliver([hint])).explicitAcks).toHaveLength(1);
  });
});

describe('in the format of the release before', () => {
  const former = runtimeOf({ ...env, CHECKPOINT_FORMAT: '1' });
  const deliverFormer = (hint: Hint) =>
    consumeHints(former, serving, [
      {
        body: { sender: 'group', hints: [hint] },
        attempts: 1,
        ack: () => undefined,
        retry: () => expect.unreachable('the message is not done'),
      },
    ]);

  it('each projection has rows of its own, and takes them back from a shared one', async () => {
    const { tallyId, stream, hint } = await tallyOf(1);
    await deliverFormer(hint);
    expect(await rowsOf(stream)).toEqual({ own: ['tally-board/a at 1', 'tally-count/a at 1'], shared: null });
    await add(tallyId, 2);
    const second = { stream, fromVersion: 2, toVersion: 2 };
    await deliver([second]);
    expect(await rowsOf(stream)).toEqual({ own: [], shared: { version: 2, vouches: BOTH } });
    await add(tallyId, 3);
    await deliverFormer({ stream, fromVersion: 3, toVersion: 3 });
    expect(await rowsOf(stream)).toEqual({ own: ['tally-board/a at 3', 'tally-count/a at 3'], shared: null });
    expect(await boardOf(tallyId)).toEqual({ version: 3, sum: 6 });
  });

  it('a Worker of that release writes no row for a target that a shared row names, and takes that for a lost race', async () => {
    const { stream, hint } = await tallyOf(1);
    await deliver([hint]);
    const writeAs = (projection: string) =>
      database
        .prepare(
          `INSERT INTO checkpoint (projection, slot, stream, version, event_id)
          SELECT move.value ->> 0, move.value ->> 1, move.value ->> 2, move.value ->> 3, move.value ->> 4
          FROM json_each(?1) AS move
          WHERE true
          ON CONFLICT (projection, slot, stream) DO UPDATE SET version = excluded.version, event_id = excluded.event_id`,
        )
        .bind(JSON.stringify([[projection, 'a', stream, 1, 'an event']]))
        .run();
    await expect(writeAs('tally-board')).rejects.toThrow('checkpoint_as_read');
    expect(await rowsOf(stream)).toEqual({ own: [], shared: { version: 1, vouches: BOTH } });
    // Of a target that the row does not name, it may.
    await writeAs('tally');
    expect(await rowsOf(stream)).toMatchObject({ own: ['tally/a at 1'] });
    await database.prepare(`DELETE FROM checkpoint WHERE projection = 'tally'`).run();
  });
});
