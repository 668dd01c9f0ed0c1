import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';

import type { StoredEvent } from '../../../src/tidemark/domain/event.ts';
import { type CatchUpOptions, catchUp } from '../../../src/tidemark/catch-up/catch-up.ts';
import {
  EVENTS_OF_A_PAGE,
  LOADS_TIMEOUT_MS,
  MAX_BATCH_LENGTH,
  MAX_CATCH_UP_MS,
  MAX_LOADED_BYTES,
  MAX_LOADED_EVENTS,
  MAX_LOST_RACES,
  MAX_STATEMENTS,
  MAX_SUBREQUESTS,
  STREAMS_AT_ONCE,
} from '../../../src/tidemark/catch-up/catch-up-limits.ts';
import type { Aggregates } from '../../../src/tidemark/write/aggregates.ts';
import { pointerCache } from '../../../src/tidemark/projections/pointer.ts';
import type { CatchUpRequest } from '../../../src/tidemark/catch-up/stream-progress.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import { boardOf } from '../../support/boards.ts';
import { ports, production } from '../../support/platform.ts';
import { logsRead } from '../../support/projections.ts';
import { deliver, sentHints } from '../../support/queue.ts';
import { add, newTally, system } from '../../support/system.ts';
import { TOO_MUCH, storedAddition, tallyBoard } from '../../support/tally.ts';

type Load = Aggregates['load'];

function addedTo(stream: StreamId, by: number, padding = ''): StoredEvent {
  return { ...storedAddition(stream, 1), id: crypto.randomUUID(), data: { by, padding } };
}

/** A page of the log of an endless stream. */
function logOf(stream: StreamId, fromVersion: number, limit: number) {
  const events = Array.from({ length: limit }, (_, index): StoredEvent => {
    const version = fromVersion + index;
    return { ...addedTo(stream, 1), id: `event-${version}`, version };
  });
  return { events, previousId: fromVersion > 1 ? `event-${fromVersion - 1}` : null, head: 1_000_000 };
}

/** Requests for so many streams, each without its event. So the log has to be read. */
function gaps(count: number, prefix = ''): readonly CatchUpRequest[] {
  return Array.from({ length: count }, () => ({
    stream: `tally-${prefix}${crypto.randomUUID()}` as StreamId,
    wanted: 1,
  }));
}

/** Requests for so many streams, each with its only event at hand. */
function withEvents(count: number, by: (index: number) => number, prefix = ''): readonly CatchUpRequest[] {
  return gaps(count, prefix).map((request, index) => {
    const event = addedTo(request.stream, by(index));
    return {
      ...request,
      hints: [{ stream: request.stream, fromVersion: 1, toVersion: 1, previousId: null, events: [event] }],
    };
  });
}

/** Runs a catch-up of the board and counts what it asks of the platform. */
async function caughtUp(
  requests: readonly CatchUpRequest[],
  { load, now = Date.now, ...options }: CatchUpOptions & { load?: Load; now?: () => number } = {},
) {
  const spent = { statements: 0, subrequests: 0, mostStreams: 0 };
  const seen = () =>
    env.SERVING_DB.prepare('SELECT count(*) AS n FROM target_position')
      .first<number>('n')
      .then((count) => count ?? 0);
  let before = await seen();
  const database = new Proxy(env.SERVING_DB, {
    get(target, property) {
      const value = Reflect.get(target, property) as unknown;
      if (typeof value !== 'function') return value;
      if (property !== 'batch') return value.bind(target) as unknown;
      return async (statements: D1PreparedStatement[]) => {
        spent.statements += statements.length;
        spent.subrequests += 1;
        const answers = await target.batch(statements);
        const after = await seen();
        spent.mostStreams = Math.max(spent.mostStreams, after - before);
        before = after;
        return answers;
      };
    },
  });
  const result = await catchUp(
    {
      ...system,
      databaseOf: () => database,
      pointers: pointerCache(),
      clock: { ...system.clock, now },
      report: () => undefined,
      aggregates: logsRead(async (stream, fromVersion, limit) => {
        spent.subrequests += 1;
        return load ? load(stream, fromVersion, limit) : { events: [addedTo(stream, 1)], previousId: null, head: 1 };
      }),
    },
    tallyBoard,
    requests,
    options,
  );
  const isLeft = ({ stream }: CatchUpRequest) =>
    result.streams.get(stream)?.standstill?.reason === 'left to the next attempt';
  return { ...spent, result, left: requests.filter(isLeft).length };
}

/** The number of these streams that have reached their only event. */
async function appliedOf(requests: readonly CatchUpRequest[]): Promise<number> {
  const count = await env.SERVING_DB.prepare(
    `SELECT count(*) AS n FROM target_position WHERE projection = ?1 AND slot = 'a' AND version = 1
      AND stream IN (SELECT value FROM json_each(?2))`,
  )
    .bind(tallyBoard.name, JSON.stringify(requests.map(({ stream }) => stream)))
    .first<number>('n');
  return count ?? 0;
}

describe('a catch-up of ten times its limits', () => {
  it('takes 500 streams at a time, and brings all of them up', async () => {
    const requests = withEvents(10 * STREAMS_AT_ONCE, () => 1);
    const { statements, mostStreams } = await caughtUp(requests);
    expect(await appliedOf(requests)).toBe(10 * STREAMS_AT_ONCE);
    expect(mostStreams).toBe(STREAMS_AT_ONCE);
    expect(statements).toBeLessThan(20 * 10);
  });

  it('finds one event that a constraint refuses within the statements of an invocation', async () => {
    const requests = withEvents(1_000, (index) => (index === 500 ? TOO_MUCH + 1 : 1));
    const { statements, result } = await caughtUp(requests);
    expect(statements).toBeLessThan(300);
    expect(await appliedOf(requests)).toBe(999);
    expect(result.streams.get(requests[500]?.stream as StreamId)?.refusal).toMatchObject({ version: 1 });
  });

  it('makes progress until the statements run out, and leaves the rest of the search to the next attempt', async () => {
    const requests = withEvents(10 * STREAMS_AT_ONCE, (index) => (index % 2 === 0 ? TOO_MUCH + 1 : 1));
    const { statements, left } = await caughtUp(requests);
    expect(statements).toBeLessThanOrEqual(MAX_STATEMENTS);
    expect(left).toBeGreaterThan(0);
    expect(await appliedOf(requests)).toBeGreaterThan(0);
  });

  it('sends streams that were refused before in a separate batch, so that they do not fail the others again', async () => {
    const requests = withEvents(250, (index) => (index % 50 === 0 ? TOO_MUCH + 1 : 1));
    const first = await caughtUp(requests);
    const fresh = withEvents(250, () => 1);
    // Each refused stream between fresh ones, as a queue delivers them.
    const mixed = requests.flatMap((request, index) => [request, fresh[index] as CatchUpRequest]);
    const second = await caughtUp(mixed);
    expect(await appliedOf(fresh)).toBe(250);
    expect(second.statements).toBeLessThan(first.statements / 3);
  });

  it('makes progress with more gaps than an invocation has subrequests, and never exceeds these', async () => {
    const requests = gaps(10 * MAX_SUBREQUESTS);
    const { subrequests, left } = await caughtUp(requests);
    expect(subrequests).toBeLessThanOrEqual(MAX_SUBREQUESTS);
    const applied = await appliedOf(requests);
    expect(applied).toBeGreaterThan(MAX_SUBREQUESTS / 2);
    expect(applied + left).toBe(requests.length);
  });

  it('never sends more characters of rows in a batch than the limit, and sends all of them', async () => {
    const idLength = 10_000;
    const requests = withEvents(Math.ceil((10 * MAX_BATCH_LENGTH) / idLength), () => 1, 'x'.repeat(idLength));
    const { mostStreams } = await caughtUp(requests);
    expect(mostStreams).toBeLessThanOrEqual(MAX_BATCH_LENGTH / idLength);
    expect(await appliedOf(requests)).toBe(requests.length);
  });

  it.each([
    ['of one stream for a page', 1, EVENTS_OF_A_PAGE],
    ['of all streams in a round', 20, MAX_LOADED_EVENTS],
  ])('never reads more events %s than the limit, and reads all of them', async (_, streams, most) => {
    const wanted = (10 * most) / streams;
    const requests = gaps(streams).map((request) => ({ ...request, wanted }));
    const limits: number[] = [];
    const load: Load = async (stream, fromVersion, limit) => {
      limits.push(limit);
      return logOf(stream, fromVersion, limit);
    };
    const { result } = await caughtUp(requests, { load });
    expect(Math.max(...limits)).toBe(most / streams);
    expect(requests.map(({ stream }) => result.streams.get(stream)?.version)).toEqual(requests.map(() => wanted));
  });

  it('leaves a stream to other writers once it has lost too many races in a row', async () => {
    const [request] = gaps(1) as [CatchUpRequest];
    let loads = 0;
    const load: Load = async (stream) => {
      loads += 1;
      // Another writer is always faster: it moves the stream on during each read of the log.
      await env.SERVING_DB.prepare(
        `INSERT INTO checkpoint (projection, slot, stream, version, event_id) VALUES (?1, 'a', ?2, 1, ?3)
        ON CONFLICT DO UPDATE SET version = version + 1, event_id = excluded.event_id`,
      )
        .bind(tallyBoard.name, stream, `event-${loads}`)
        .run();
      return logOf(stream, loads, 1);
    };
    const { result } = await caughtUp([{ ...request, wanted: 10 * MAX_LOST_RACES }], { load });
    expect(loads).toBe(MAX_LOST_RACES + 1);
    expect(result.streams.get(request.stream)?.standstill).toMatchObject({
      reason: 'other writers kept changing its checkpoint',
    });
  });

  it('never holds more bytes of events than the limit, and takes the rest in further rounds', async () => {
    const padding = 'x'.repeat(60_000);
    const requests = gaps(Math.ceil((10 * MAX_LOADED_BYTES) / padding.length));
    let [held, most] = [0, 0];
    let { stream: latest } = requests[0] as CatchUpRequest;
    const known = new Set<StreamId>();
    const load: Load = async (stream) => {
      // A round writes its events before the next one reads. Then an earlier stream has its row.
      if (known.size > 0 && (await appliedOf([{ stream: latest, wanted: 1 }])) === 1) held = 0;
      if (held === 0) latest = stream;
      known.add(stream);
      held += padding.length;
      most = Math.max(most, held);
      return { events: [addedTo(stream, 1, padding)], previousId: null, head: 1 };
    };
    await caughtUp(requests, { load });
    expect(await appliedOf(requests)).toBe(requests.length);
    expect(most).toBeLessThan(1.2 * MAX_LOADED_BYTES);
  });

  it('starts no further streams once its time is over', async () => {
    let time = Date.now();
    const requests = gaps(10 * STREAMS_AT_ONCE);
    const load: Load = async (stream) => {
      time += MAX_CATCH_UP_MS / STREAMS_AT_ONCE;
      return { events: [addedTo(stream, 1)], previousId: null, head: 1 };
    };
    const { left } = await caughtUp(requests, { load, now: () => time });
    const applied = await appliedOf(requests);
    expect(applied).toBeGreaterThan(0);
    // One round may take LOADS_TIMEOUT_MS for its logs. The last round starts within the time.
    const mostRounds = MAX_CATCH_UP_MS / LOADS_TIMEOUT_MS + 1;
    expect(applied).toBeLessThanOrEqual((mostRounds * LOADS_TIMEOUT_MS * STREAMS_AT_ONCE) / MAX_CATCH_UP_MS + 12);
    expect(applied + left).toBe(requests.length);
  });
});

it('makes progress in a stream far behind until its time is over, and leaves the rest to the next attempt', async () => {
  const begun = Date.now();
  let time = begun;
  const [request] = gaps(1) as [CatchUpRequest];
  const readMs = 2_900;
  const load: Load = async (...asked) => {
    time += readMs;
    return logOf(asked[0], asked[1], 1);
  };
  const { result, left } = await caughtUp([{ ...request, wanted: 'head' }], { load, now: () => time });
  expect(left).toBe(1);
  expect(time - begun).toBeLessThan(MAX_CATCH_UP_MS + readMs);
  expect(result.streams.get(request.stream)).toMatchObject({ version: (time - begun) / readMs });
});

describe('an object that does not answer', () => {
  it('does not hold up other streams of the batch that have their events at hand', async () => {
    const [hung, well] = [newTally(), newTally()];
    await add(hung.tallyId, 1);
    await add(well.tallyId, 1);
    const [hint] = await sentHints(1, well.stream);
    const asked = Promise.withResolvers<void>();
    ports.aggregateStub = (environment, stream) => {
      const stub = production.aggregateStub(environment, stream);
      if (stream !== hung.stream) return stub;
      return {
        ...stub,
        load: () => {
          asked.resolve();
          return new Promise(() => undefined);
        },
      };
    };
    const delivered = deliver([{ stream: hung.stream, fromVersion: 1, toVersion: 1 }, hint]);
    await asked.promise;
    // The consumer is still waiting for the other log.
    await expect.poll(() => boardOf(well.tallyId)).toMatchObject({ version: 1 });
    const { explicitAcks, retryMessages } = await delivered;
    expect(explicitAcks).toEqual(['1']);
    expect(retryMessages).toHaveLength(1);
  });

  it('is left to the next attempt, and the other streams’ logs are read', async () => {
    const requests = gaps(20);
    const [hung] = requests as [CatchUpRequest];
    const load: Load = async (stream) =>
      stream === hung.stream
        ? new Promise(() => undefined)
        : { events: [addedTo(stream, 1)], previousId: null, head: 1 };
    const { result } = await caughtUp(requests, { load });
    expect(await appliedOf(requests)).toBe(19);
    expect(result.streams.get(hung.stream)?.standstill).toMatchObject({ cause: 'transient' });
  });
});
