import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';

import { catchUp } from '../../../src/tidemark/catch-up/catch-up.ts';
import { pointerCache } from '../../../src/tidemark/projections/pointer.ts';
import { boardOf, checkpointOf } from '../../support/boards.ts';
import { faultyDatabase } from '../../support/database.ts';
import { logsRead } from '../../support/projections.ts';
import { add, newTally, system } from '../../support/system.ts';
import { tallyBoard } from '../../support/tally.ts';

type Load = Parameters<typeof system.aggregates.load>;

/** The system with this database. `loading` is called at every read of a log. */
function contextWith(loading: (...load: Load) => void, database = env.SERVING_DB) {
  return {
    ...system,
    databaseOf: () => database,
    pointers: pointerCache(),
    aggregates: logsRead((...load) => {
      loading(...load);
      return system.aggregates.load(...load);
    }),
    report: () => undefined,
  };
}

it('never holds more events at a time than the limit, however many streams are behind', async () => {
  const tallies = Array.from({ length: 5 }, newTally);
  for (let round = 1; round <= 7; round += 1) await Promise.all(tallies.map(({ tallyId }) => add(tallyId, round)));
  const limits: number[] = [];
  const context = contextWith((_stream, _fromVersion, limit) => limits.push(limit));
  const requests = tallies.map(({ stream }) => ({ stream, wanted: 'head' as const }));
  const { applied } = await catchUp(context, tallyBoard, requests, { maxEvents: 10 });

  expect(Math.max(...limits.slice(0, tallies.length))).toBe(2);
  expect(applied).toBe(4 * tallies.length);
  for (const { tallyId, stream } of tallies) {
    expect(await checkpointOf(stream, tallyBoard.name, 'a')).toBe(7);
    expect(await boardOf(tallyId, 'a')).toMatchObject({ version: 7, sum: 28 });
  }
});

describe('a caller that has just seen the position of a stream', () => {
  it('gets its log read beside the positions', async () => {
    const { tallyId, stream } = newTally();
    for (const by of [1, 2, 3]) await add(tallyId, by);
    const loads: number[] = [];
    const begun = Promise.withResolvers<void>();
    const { database } = faultyDatabase(env.SERVING_DB, {
      beforeBatch: (number) => (number === 1 ? begun.promise : undefined),
    });
    const context = contextWith((_stream, fromVersion) => {
      loads.push(fromVersion);
      begun.resolve();
    }, database);
    const result = await catchUp(context, tallyBoard, [{ stream, wanted: 3, seenAt: 0 }], { pageSize: 2 });

    expect(result.streams.get(stream)).toMatchObject({ version: 3 });
    expect(loads).toEqual([1, 3]);
    expect(await boardOf(tallyId, 'a')).toMatchObject({ version: 3, sum: 6 });
  });

  it('is not told of a restored log if another writer has moved the stream since the log was read', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    const { database } = faultyDatabase(env.SERVING_DB, {
      async beforeBatch(number) {
        if (number > 1) return;
        await add(tallyId, 2);
        await catchUp(
          contextWith(() => undefined),
          tallyBoard,
          [{ stream, wanted: 2 }],
        );
      },
    });
    const context = contextWith(() => undefined, database);
    const result = await catchUp(context, tallyBoard, [{ stream, wanted: 'head', seenAt: 0 }]);

    expect(result.streams.get(stream)).toEqual({ stream, version: 2, head: 2 });
  });

  it('survives a failed early read that it does not need', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    await catchUp(
      contextWith(() => undefined),
      tallyBoard,
      [{ stream, wanted: 1 }],
    );
    const aggregates = logsRead(() => Promise.reject(new Error('out of reach')));
    const context = { ...contextWith(() => undefined), aggregates };
    const result = await catchUp(context, tallyBoard, [{ stream, wanted: 1, seenAt: 0 }]);

    expect(result.streams.get(stream)).toEqual({ stream, version: 1 });
  });
});
