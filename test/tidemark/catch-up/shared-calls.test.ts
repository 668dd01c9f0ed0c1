import { env } from 'cloudflare:workers';
import { afterEach, describe, expect, it } from 'vitest';

import { sharingCalls } from '../../../src/tidemark/catch-up/shared-calls.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import { boardOf, forgetDeadLetters } from '../../support/boards.ts';
import { faultyDatabase } from '../../support/database.ts';
import { ports } from '../../support/platform.ts';
import { logsRead } from '../../support/projections.ts';
import { deliver } from '../../support/queue.ts';
import { add, newTally, system } from '../../support/system.ts';
import { serving } from '../../../src/groups.ts';

const database = env.SERVING_DB;
const PAGE = { events: [], previousId: null, head: 0 };

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
});

describe('batches of one moment', () => {
  type Row = readonly [id: string, number: number | null];
  const rows = async () =>
    (await database.prepare('SELECT id FROM shared_call ORDER BY id').all<{ id: string }>()).results.map(
      ({ id }) => id,
    );

  /** Sends some batches of inserts at once, and returns how each ended and how many batches the database got. */
  async function sent(batches: readonly (readonly Row[])[], beforeBatch: (number: number) => void = () => undefined) {
    await database.batch([
      database.prepare('DROP TABLE IF EXISTS shared_call'),
      database.prepare('CREATE TABLE shared_call (id TEXT PRIMARY KEY, number INTEGER NOT NULL)'),
    ]);
    const { database: faulty, calls } = faultyDatabase(database, { beforeBatch });
    const shared = sharingCalls({ ...system, databaseOf: () => faulty }).databaseOf(serving);
    const outcomes = await Promise.allSettled(
      batches.map((inserts) =>
        shared.batch(inserts.map((row) => shared.prepare('INSERT INTO shared_call VALUES (?, ?)').bind(...row))),
      ),
    );
    return {
      outcomes: outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.length : 'failed')),
      batches: calls.batches,
    };
  }

  it('are one transaction, and each gets its own answers', async () => {
    const batches: Row[][] = [
      [
        ['a', 1],
        ['b', 2],
      ],
      [['c', 3]],
    ];
    expect(await sent(batches)).toEqual({ outcomes: [2, 1], batches: 1 });
    expect(await rows()).toEqual(['a', 'b', 'c']);
  });

  it('are sent alone if one is refused, so that only that one fails', async () => {
    const batches: Row[][] = [[['a', 1]], [['b', null]], [['c', 3]]];
    expect(await sent(batches)).toEqual({ outcomes: [1, 'failed', 1], batches: 4 });
    expect(await rows()).toEqual(['a', 'c']);
  });

  it('are sent alone if the database does not say what is wrong, since one projection may be the cause', async () => {
    const fails = (number: number) => {
      if (number <= 2) throw new Error('D1_ERROR: internal error; reference = 0a1b');
    };
    expect(await sent([[['a', 1]], [['b', 2]]], fails)).toEqual({ outcomes: ['failed', 1], batches: 3 });
  });

  it('fail together while the database is away', async () => {
    const fails = () => {
      throw new Error('D1_ERROR: Network connection lost.');
    };
    expect(await sent([[['a', 1]], [['b', 2]]], fails)).toEqual({ outcomes: ['failed', 'failed'], batches: 1 });
  });

  it('are more than one transaction if they have too many statements', async () => {
    const batches = ['a', 'b', 'c'].map((letter) =>
      Array.from({ length: 50 }, (_, number): Row => [`${letter}${number}`, number]),
    );
    expect(await sent(batches)).toEqual({ outcomes: [50, 50, 50], batches: 2 });
  });
});

describe('a log', () => {
  it('that failed is asked again by the next catch-up', async () => {
    let loads = 0;
    const aggregates = logsRead(async () => {
      loads += 1;
      if (loads === 1) throw new Error('away');
      return PAGE;
    });
    const { load } = sharingCalls({ ...system, aggregates }).aggregates;
    const stream = 'tally-1' as StreamId;
    await expect(load(stream, 1, 10)).rejects.toThrow('away');
    expect(await Promise.all([load(stream, 1, 10), load(stream, 1, 10)])).toEqual([PAGE, PAGE]);
    expect(loads).toBe(2);
  });
});
