import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';

import { PARTIAL_MS } from '../../../src/tidemark/queries/causal-token.ts';
import type { AggregateRpc } from '../../../src/tidemark/write/aggregates.ts';
import { MAX_TOKEN_LENGTH, MAX_TOKEN_STREAMS } from '../../../src/tidemark/http/limits.ts';
import { eventsOf, get, json, post, withToken } from '../../support/api.ts';
import { addTo, openTally } from '../../support/tallies.ts';
import { faultyDatabase } from '../../support/database.ts';
import { allPages } from '../../support/pages.ts';
import { ports, production } from '../../support/platform.ts';
import { deliverEverything } from '../../support/queue.ts';
import { decoded, seenVersions, workersCodec } from '../../support/tokens.ts';

const codec = workersCodec();

/** The token of one client who has opened as many tallies as a token holds, oldest first. */
async function fullToken() {
  const tallies = await Promise.all(Array.from({ length: MAX_TOKEN_STREAMS }, () => openTally()));
  const streams = seenVersions(Object.fromEntries(tallies.map(({ stream }) => [stream, 1])));
  const header = { 'X-Causal-Token': await codec.encode({ streams, bookmarks: new Map() }) };
  return { header, oldest: tallies[0]?.stream };
}

describe('a token that grows', () => {
  it('drops nothing up to 96 streams, as documented', async () => {
    expect(MAX_TOKEN_STREAMS).toBe(96);
    const { header } = await fullToken();
    const sent = await codec.decode(header['X-Causal-Token']);
    const [oldest = ''] = [...(sent?.streams.keys() ?? [])];
    const again = await addTo(`/tallies/${oldest.slice('tally-'.length)}`, 1, header);
    const token = await decoded(again);
    expect([token.streams.size, again.headers.has('X-Causal-Scope')]).toEqual([96, false]);
    expect(token.shortenedAt).toBeUndefined();
  });

  it('drops the streams that every projection has reached, without a header, since nothing is lost', async () => {
    const { header } = await fullToken();
    await deliverEverything();
    const { answer, stream } = await openTally(1, header);
    const token = await decoded(answer);
    expect([...token.streams.keys()]).toEqual([stream]);
    expect(token.bookmarks.has('serving')).toBe(true);
    expect(answer.headers.has('X-Causal-Scope')).toBe(false);
  });

  it('drops the oldest, never the newest, and says so, if nothing can be confirmed', async () => {
    const { header, oldest } = await fullToken();
    const { answer, stream } = await openTally(1, header);
    const streams = [...(await decoded(answer)).streams.keys()];
    expect(streams).toHaveLength(MAX_TOKEN_STREAMS);
    expect(streams.at(-1)).toBe(stream);
    expect(streams).not.toContain(oldest);
    expect(answer.headers.get('X-Causal-Scope')).toBe('partial');
    expect(answer.headers.get('X-Causal-Token')?.length).toBeLessThanOrEqual(MAX_TOKEN_LENGTH);
  });

  it('drops nothing while a database has an unknown projection: a newer Worker has to wait there', async () => {
    const { header } = await fullToken();
    await deliverEverything();
    const pointer = (sql: string) => env.SERVING_DB.prepare(sql).run();
    await pointer(
      `INSERT INTO projection_pointer (projection, epoch, live_revision, live_slot) VALUES ('of-tomorrow', 1, 1, 'a')`,
    );
    const { answer } = await openTally(1, header);
    expect(answer.headers.get('X-Causal-Scope')).toBe('partial');
    expect((await decoded(answer)).shortenedAt).toBeUndefined();
    await pointer(`DELETE FROM projection_pointer WHERE projection = 'of-tomorrow'`);
    const { answer: later } = await openTally(1, header);
    expect(await decoded(later)).toMatchObject({ shortenedAt: expect.any(Number) as number });
    expect(later.headers.has('X-Causal-Scope')).toBe(false);
  });

  it('keeps a stream with a dead letter: its read model may have a lost history', async () => {
    const { header, oldest } = await fullToken();
    await deliverEverything();
    await env.SERVING_DB.prepare(
      `INSERT INTO dead_letter (projection, stream, version, event_id, cause, kind, error, tries, first_at, last_at, is_open)
      VALUES ('tally-board', ?, 2, '', 'log-restored', 'log-restored', '', 3, '', '', 1)`,
    )
      .bind(oldest ?? '')
      .run();
    const { answer, stream } = await openTally(1, header);
    expect([...(await decoded(answer)).streams.keys()]).toEqual([oldest, stream]);
  });

  it('waits for the confirmation for at most half a second', async () => {
    const { header } = await fullToken();
    const faulty = faultyDatabase(env.SERVING_DB, { beforeQuery: () => new Promise(() => undefined) });
    ports.database = () => faulty.database;
    const { answer } = await openTally(1, header);
    expect(answer.status).toBe(201);
    expect(answer.headers.get('X-Causal-Scope')).toBe('partial');
  });
});

describe('a seen resource', () => {
  it('stays visible in a list of the same database, although no consumer runs', async () => {
    const { tallyId, path, answer } = await openTally();
    const seen = await get(path, withToken(answer));
    const added = await addTo(path, 2, withToken(seen));
    const listed = (await allPages('/tallies?limit=100', withToken(added))).flat();
    expect(listed).toContainEqual({ tallyId, sum: 3, version: 2 });
  });
});

describe('a shortened token', () => {
  it('marks every later answer as partial for a day', async () => {
    const { header } = await fullToken();
    const { answer } = await openTally(1, header);
    const later = await get('/tallies?limit=1', withToken(answer));
    expect(later.headers.get('X-Causal-Scope')).toBe('partial');
    ports.clockOffsetMs = PARTIAL_MS;
    const nextDay = await get('/tallies?limit=1', withToken(later));
    expect(nextDay.headers.has('X-Causal-Scope')).toBe(false);
  });

  it('is refused by a command if it has seen more of the stream than the log holds', async () => {
    const { path, stream } = await openTally();
    const ahead = await codec.encode({ streams: seenVersions({ [stream]: 9 }), bookmarks: new Map() });
    const answer = await addTo(path, 1, { 'X-Causal-Token': ahead });
    expect(answer.status).toBe(409);
    expect(await json(answer)).toMatchObject({ code: 'causal-token-ahead', wanted: 9, head: 1 });
  });
});

describe('a command whose answer is lost', () => {
  /** Runs the command, then loses the answer, `times` times. */
  function loseAnswers(times: number): void {
    let left = times;
    ports.aggregateStub = (bindings, stream) => {
      const stub = production.aggregateStub(bindings, stream);
      return {
        execute: async (request) => {
          const result = await stub.execute(request);
          left -= 1;
          if (left >= 0) throw Object.assign(new Error('Network connection lost.'), { retryable: true });
          return result;
        },
        load: (...args) => stub.load(...args),
        currentVersion: () => stub.currentVersion(),
        state: (...args) => stub.state(...args),
      };
    };
  }

  it('is 503 outcome-unknown, and its retry with the same key ends as exactly one tally', async () => {
    loseAnswers(2);
    const body = { by: 5 };
    const key = { 'Idempotency-Key': crypto.randomUUID() };
    const lost = await post('/tallies', body, key);
    expect(lost.status).toBe(503);
    expect(await json(lost.clone())).toMatchObject({ code: 'outcome-unknown' });
    expect(lost.headers.get('Retry-After')).toBe('1');
    const retried = await post('/tallies', body, key);
    expect(retried.status).toBe(201);
    expect(retried.headers.get('Idempotency-Replayed')).toBe('true');
    const { tallyId } = await json(retried.clone());
    expect(await eventsOf(`tally-${tallyId}`)).toHaveLength(1);
    expect(await json(get(`/tallies/${tallyId}`, withToken(retried)))).toMatchObject({ sum: 5, version: 1 });
  });
});

describe('a read that waits in vain', () => {
  it('is 503 with the wanted and the present version, and Retry-After', async () => {
    const tally = await openTally();
    const faulty = faultyDatabase(env.SERVING_DB, {
      beforeBatch() {
        throw new Error('D1_ERROR: D1 DB is overloaded.');
      },
    });
    ports.database = () => faulty.database;
    const answer = await get(tally.path, withToken(tally.answer));
    expect(answer.status).toBe(503);
    expect(await json(answer.clone())).toMatchObject({
      code: 'projection-behind',
      projection: 'tally-board',
      stream: tally.stream,
      wanted: 1,
      has: 0,
    });
    expect(answer.headers.get('Retry-After')).toBe('1');
    expect((await decoded(answer)).streams.get(tally.stream)?.version).toBe(1);
  });

  it('does not change the outcome of a write if `Prefer: wait` cannot be met', async () => {
    const { path } = await openTally();
    const faulty = faultyDatabase(env.SERVING_DB, {
      beforeBatch() {
        throw new Error('D1_ERROR: D1 DB is overloaded.');
      },
    });
    ports.database = () => faulty.database;
    const answer = await addTo(path, 1, { Prefer: 'wait=1' });
    expect(answer.status).toBe(200);
    expect(answer.headers.has('Preference-Applied')).toBe(false);
    expect(await json(answer)).toMatchObject({ version: 2 });
  });
});

describe('a 5xx answer', () => {
  const away = (message: string) => () => {
    const fail = () => {
      throw new Error(message);
    };
    return faultyDatabase(env.SERVING_DB, { beforeBatch: fail }).database;
  };
  const failing = (failure: unknown) => (): AggregateRpc => {
    const fail = () => Promise.reject(failure);
    return { execute: fail, load: fail, currentVersion: fail, state: fail };
  };
  const lost = Object.assign(new Error('Network connection lost.'), { retryable: true });
  const full = new Error('SQLITE_FULL: database or disk is full');
  const bug = () => {
    throw new RangeError('a bug');
  };

  it.each<[string, Partial<typeof ports>]>([
    ['outcome-unknown', { aggregateStub: failing(lost) }],
    ['storage-unavailable', { aggregateStub: failing(full) }],
  ])('to a command brings a token that covers those of the request: %s', async (code, faults) => {
    const [one, other] = await Promise.all([openTally(), openTally()]);
    Object.assign(ports, faults);
    const answer = await addTo(one.path, 1, both(one, other));
    expect(await json(answer.clone())).toMatchObject({ code });
    await expectToCover(answer, one, other);
  });

  it.each<[string, Partial<typeof ports>]>([
    ['projection-behind', { database: away('D1_ERROR: D1 DB is overloaded.') }],
    ['internal', { database: bug }],
  ])('to a query brings a token that covers those of the request: %s', async (code, faults) => {
    const [one, other] = await Promise.all([openTally(), openTally()]);
    Object.assign(ports, faults);
    const answer = await get('/tallies', both(one, other));
    expect(await json(answer.clone())).toMatchObject({ code });
    await expectToCover(answer, one, other);
  });

  type Created = Awaited<ReturnType<typeof openTally>>;

  function both(one: Created, other: Created) {
    return {
      'X-Causal-Token': [one, other].map(({ answer }) => answer.headers.get('X-Causal-Token')).join(', '),
    };
  }

  async function expectToCover(answer: Response, one: Created, other: Created): Promise<void> {
    expect(answer.status).toBeGreaterThanOrEqual(500);
    const { streams } = await decoded(answer);
    expect([...streams.keys()].toSorted()).toEqual([one.stream, other.stream].toSorted());
  }
});
