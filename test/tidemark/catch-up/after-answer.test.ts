import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { serving } from '../../../src/groups.ts';
import { type AfterAnswerContext, afterAnswer } from '../../../src/tidemark/catch-up/after-answer.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import type { Hint } from '../../../src/tidemark/write/message.ts';
import { get, json } from '../../support/api.ts';
import { boardOf, forgetDeadLetters } from '../../support/boards.ts';
import { positionsIn } from '../../support/checkpoints.ts';
import { type DatabaseFaults, faultyDatabase } from '../../support/database.ts';
import { ports } from '../../support/platform.ts';
import { deliver, sentHints, takeHints } from '../../support/queue.ts';
import { add, newTally, system } from '../../support/system.ts';
import { POISON, broken } from '../../support/tally.ts';
import { addTo, openTally } from '../../support/tallies.ts';

beforeEach(() => {
  ports.appliesAfterAnswer = true;
});
afterEach(async () => {
  broken.handler = false;
  await forgetDeadLetters();
});

const sumOf = async (path: string) => (await json(get(path))).sum;

/** Adds to a tally, and returns the hint that a Worker has of it after its answer. */
async function answered(by = 1, { tallyId, stream } = newTally()) {
  const result = await add(tallyId, by, { returnEvents: true });
  if (result.outcome !== 'applied' || !result.appended) throw new Error('there are no events');
  const { version } = result;
  return { tallyId, hint: { stream, fromVersion: version, toVersion: version, ...result.appended } satisfies Hint };
}

/** An isolate of its own, on a database with faults. It counts how often it reads a log. */
function isolate(faults: DatabaseFaults = {}, more: Partial<AfterAnswerContext> = {}) {
  const { database, calls } = faultyDatabase(env.SERVING_DB, faults);
  const loads: StreamId[] = [];
  const context: AfterAnswerContext = {
    ...system,
    databaseOf: () => database,
    aggregates: {
      ...system.aggregates,
      async load(stream, ...page) {
        loads.push(stream);
        return system.aggregates.load(stream, ...page);
      },
    },
    ...more,
  };
  return { calls, loads, ...afterAnswer(context, { roundMs: 100, pauseMs: 5, restMs: 60_000 }) };
}

describe('after the answer of a command', () => {
  it('a read without a token shows the event, though no message was delivered', async () => {
    const { path } = await openTally(1);
    await expect.poll(() => sumOf(path)).toBe(1);
    await addTo(path, 2);
    await expect.poll(() => sumOf(path)).toBe(3);
  });

  it('the consumer of the queue only looks, and passes the message on', async () => {
    const { path, stream } = await openTally(1);
    await expect.poll(() => sumOf(path)).toBe(1);
    await sentHints(1, stream);
    const { database, calls } = faultyDatabase(env.SERVING_DB);
    ports.database = () => database;
    expect((await deliver(takeHints(stream))).explicitAcks).toHaveLength(1);
    const [LOOK, WRITE] = [1, 0];
    expect(calls.batches).toBe(LOOK + WRITE);
  });

  it('nothing is applied for a group that does not ask for it', async () => {
    const { hint, tallyId } = await answered();
    const groupsOf = () => [{ ...serving, appliesAfterAnswer: false }];
    const { apply } = isolate({}, { registry: { ...system.registry, groupsOf } });
    await apply(hint);
    expect(await boardOf(tallyId)).toBeNull();
  });
});

describe('several projections that follow the stream', () => {
  const [LOOK, WRITE] = [1, 1];

  it('move together: one look and one batch for all of them', async () => {
    const { hint } = await answered();
    const { apply, calls } = isolate();
    await apply(hint);
    expect(await positionsIn(env.SERVING_DB, hint.stream)).toMatchObject([
      { projection: 'tally-board', version: 1 },
      { projection: 'tally-count', version: 1 },
    ]);
    expect(calls.batches).toBe(LOOK + WRITE);
  });

  it('move without the one that refuses the event, which the queue tries again', async () => {
    const tally = newTally();
    const { apply } = isolate();
    await apply((await answered(1, tally)).hint);
    broken.handler = true;
    await apply((await answered(POISON, tally)).hint);
    expect(await positionsIn(env.SERVING_DB, tally.stream)).toMatchObject([
      { projection: 'tally-board', version: 1 },
      { projection: 'tally-count', version: 2 },
    ]);
  });
});

describe('an isolate that applies after answers', () => {
  it('reads no log, and takes the events that come meanwhile in one further round', async () => {
    const all = await Promise.all(Array.from({ length: 10 }, () => answered()));
    const { apply, calls, loads } = isolate();
    await Promise.all(all.map(({ hint }) => apply(hint)));
    for (const { tallyId } of all) expect(await boardOf(tallyId)).toMatchObject({ version: 1 });
    const [LOOK, WRITE, ROUNDS, PROJECTIONS] = [1, 1, 2, 2];
    expect(calls.batches).toBeLessThanOrEqual((LOOK + WRITE) * ROUNDS * PROJECTIONS);
    expect(loads).toEqual([]);
  });

  it('rests after a fault of the database, and tries nothing again', async () => {
    const [first, second] = [await answered(), await answered()];
    const { apply, calls } = isolate({
      beforeBatch() {
        throw new Error('D1_ERROR: D1 DB is overloaded. Requests queued for too long.');
      },
    });
    await apply(first.hint);
    const { batches } = calls;
    await apply(second.hint);
    expect(calls.batches).toBe(batches);
  });

  it('does not wait for a request that the platform has cancelled', async () => {
    const [lost, next] = [await answered(), await answered()];
    let isCancelled = true;
    let now = Date.now();
    const hangs = () => (isCancelled ? new Promise<void>(() => undefined) : undefined);
    const { apply } = isolate({ beforeBatch: hangs }, { clock: { ...system.clock, now: () => now } });
    void apply(lost.hint);
    isCancelled = false;
    now += 1_000;
    await apply(next.hint);
    expect(await boardOf(next.tallyId)).toMatchObject({ version: 1 });
  });
});
