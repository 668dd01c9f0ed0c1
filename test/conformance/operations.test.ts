import { env } from 'cloudflare:workers';
import { describe, expect, it, vi } from 'vitest';

import type { Group } from '../../src/tidemark/platform/group.ts';
import { reporting } from '../../src/groups.ts';
import { groups } from '../support/groups.ts';
import { asNobody, type Headers, asOperator, get, json, post, request, withToken } from '../support/api.ts';
import { addTo, openTally, talliedBy } from '../support/tallies.ts';
import { faultyDatabase } from '../support/database.ts';
import { pagesOf } from '../support/pages.ts';
import { ports, production } from '../support/platform.ts';
import { expectInvalidFields, expectProblem } from '../support/problem.ts';
import { setDeadLetter } from '../support/projections.ts';
import { resetTo0 } from '../support/system.ts';
import { modules } from '../worker.ts';
import { deliverEverything, hintsOf, sentHints, takeHints } from '../support/queue.ts';

const KEY = 'an-operations-key-for-tests-of-32-bytes';

describe('a route of the operator', () => {
  it.each<Headers>([
    { Authorization: '' },
    { Authorization: 'Bearer' },
    { Authorization: 'Bearer ' },
    { Authorization: 'Bearer wrong' },
    { Authorization: KEY },
    { Authorization: `Basic ${btoa(`operator:${KEY}`)}` },
    { Authorization: `Bearer ${KEY}x` },
    { Authorization: `Bearer ${KEY.slice(0, -1)}` },
    { Authorization: `Bearer ${KEY.toUpperCase()}` },
    { Authorization: `Bearer ${KEY}, Bearer ${KEY}` },
    { Authorization: `Bearer ${'x'.repeat(8000)}` },
  ])('is 401 with %j, whether it exists or not', async (headers) => {
    const { tallyId, stream } = await openTally();
    for (const id of [tallyId, crypto.randomUUID()]) {
      for (const path of [`/tallies/${id}/history`, `/streams/tally-${id}/events`, `/tallies/${id}?asOf=1`]) {
        const answer = await get(path, headers);
        expect(answer.headers.get('WWW-Authenticate')).toBe('Bearer');
        await expectProblem(answer, 401, 'unauthorized');
      }
    }
    await expectProblem(request('GET', `/streams/${stream}/nonsense`, headers), 404, 'not-found');
  });

  it('answers with the key, in any case of the scheme', async () => {
    const { path: tally, stream } = await openTally();
    for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
      for (const path of [`${tally}/history`, `/streams/${stream}/events`, `${tally}?asOf=1`]) {
        expect((await get(path, { Authorization: `${scheme} ${KEY}` })).status).toBe(200);
      }
    }
  });
});

describe('the history of a resource', () => {
  it('lists the events in order, from the log itself', async () => {
    const { path, tallyId } = await talliedBy(3, 4);
    await resetTo0(tallyId);
    const { items, nextCursor } = await json(get(`${path}/history`, asOperator));
    expect(nextCursor).toBeNull();
    expect(items.map(({ version, type }: { version: number; type: string }) => [version, type])).toEqual([
      [1, 'Added'],
      [2, 'Added'],
      [3, 'Reset'],
    ]);
    expect(Object.keys(items[1]).toSorted()).toEqual([
      'actor',
      'correlationId',
      'data',
      'recordedAt',
      'type',
      'version',
    ]);
    expect(items[1]).toMatchObject({ actor: { kind: 'operator', id: 'operator' }, data: { by: 4 } });
  });

  it('is 404 for a tally that does not exist, and 400 for a malformed id', async () => {
    await expectProblem(get(`/tallies/${crypto.randomUUID()}/history`, asOperator), 404, 'not-found');
    const problem = await expectProblem(get('/tallies/1/history', asOperator), 400, 'invalid-id');
    expect(problem['parameters']).toEqual(['tallyId']);
  });
});

describe('GET /streams/{stream}/events', () => {
  it('gives the events as stored', async () => {
    const { path, stream } = await openTally(1, { 'Idempotency-Key': 'k', 'X-Correlation-Id': 'c-1' });
    await addTo(path);
    const answer = await get(`/streams/${stream}/events`, asOperator);
    expect(answer.headers.get('X-Version')).toBe('2');
    const { items } = await json(answer);
    expect(items).toMatchObject([
      { stream, version: 1, type: 'Added', schemaVersion: 1, metadata: { correlationId: 'c-1' } },
      { stream, version: 2, type: 'Added', schemaVersion: 1 },
    ]);
    expect(items[1].recordedAt >= items[0].recordedAt).toBe(true);
    expect(items[0].id).not.toBe(items[1].id);
  });

  it('is paged, from any version on, without a double or a gap while events are appended', async () => {
    const { path, stream } = await openTally();
    const change = (by: number) => addTo(path, by);
    for (const by of [1, 2, 3, 4]) await change(by);
    const seen: number[] = [];
    let appended = 0;
    for await (const page of pagesOf(`/streams/${stream}/events?limit=2&fromVersion=2`, asOperator)) {
      expect(page.length).toBeLessThanOrEqual(2);
      seen.push(...page.map(({ version }) => version as number));
      if (appended < 2) await change((appended += 1));
    }
    expect(seen).toEqual([2, 3, 4, 5, 6, 7]);
  });

  it('beyond the head is an empty page', async () => {
    const { stream } = await openTally();
    for (const version of [2, 9_007_199_254_740_991]) {
      const page = await json(get(`/streams/${stream}/events?fromVersion=${version}`, asOperator));
      expect(page).toEqual({ items: [], nextCursor: null });
    }
  });

  it('refuses unknown parameters, and the cursor of another stream', async () => {
    const [one, other] = [await talliedBy(1, 2), await talliedBy(1, 2)];
    const page = (stream: string, query: string) => get(`/streams/${stream}/events?${query}`, asOperator);
    for (const value of ['0', '-1', 'x', '1.5', '', '9007199254740993']) {
      expect(await expectInvalidFields(page(one.stream, `fromVersion=${value}`))).toEqual(['/fromVersion']);
    }
    for (const value of ['0', '101', 'abc']) {
      expect(await expectInvalidFields(page(one.stream, `limit=${value}`))).toEqual(['/limit']);
    }
    expect(await expectInvalidFields(page(one.stream, 'from=1'))).toEqual(['/from']);
    const { nextCursor } = await json(page(one.stream, 'limit=1'));
    expect((await page(one.stream, `cursor=${nextCursor}`)).status).toBe(200);
    await expectProblem(page(other.stream, `cursor=${nextCursor}`), 400, 'invalid-cursor');
    await expectProblem(page(one.stream, 'cursor=x'), 400, 'invalid-cursor');
  });

  it.each([
    'tally',
    'tally-',
    '-1',
    'Tally-1',
    'tally_1',
    'tally-%2F',
    'tally-%00',
    'tally-é',
    `tally-${'x'.repeat(201)}`,
    '%20',
  ])('is 400 for a malformed stream id: %s', async (stream) => {
    await expectProblem(get(`/streams/${stream}/events`, asOperator), 400, 'invalid-id');
  });

  it('is 404 for a stream or a category that does not exist', async () => {
    for (const stream of [
      `tally-${crypto.randomUUID()}`,
      'tally-1',
      `nothing-${crypto.randomUUID()}`,
      'constructor-1',
    ]) {
      await expectProblem(get(`/streams/${stream}/events`, asOperator), 404, 'not-found');
    }
  });
});

describe('GET /projections', () => {
  const PATHS = ['/projections', '/projections/tally-board', '/projections/nonesuch'];

  it.each(PATHS)('is only for the operator: %s', async (path) => {
    await expectProblem(get(path, asNobody), 401, 'unauthorized');
    await expectProblem(get(path, { Authorization: 'Bearer wrong' }), 401, 'unauthorized');
  });

  it('lists every projection of both groups, with all its members', async () => {
    const { items } = await json(get('/projections', asOperator));
    const names = items.map(({ name, group }: { name: string; group: string }) => `${group}/${name}`);
    for (const group of groups) {
      const own = modules.flatMap(({ projections }) => projections.filter((each) => each.group === group));
      expect(names).toEqual(expect.arrayContaining(own.map(({ name }) => `${group.name}/${name}`)));
    }
    expect(names).toContain('reporting/archive');
    for (const item of items) {
      expect(Object.keys(item).toSorted()).toEqual([
        'build',
        'codeRevision',
        'deadLetters',
        'fault',
        'group',
        'lag',
        'mode',
        'name',
        'rate',
        'revision',
        'rollback',
        'slot',
        'stalled',
        'state',
      ]);
      expect(item).toMatchObject({ state: 'live', slot: 'a', stalled: false, deadLetters: 0, build: null });
      const { name, revision, codeRevision } = item;
      // A new database begins with the newest revision of each; only the tally's is made to wait.
      expect(revision, name).toBe(name === 'tally-count' ? 1 : codeRevision);
    }
  });

  it('shows the lag of a group that got no message, and that it has caught up after the message', async () => {
    // A synchronous projection has seen what tests before this one kept from all others.
    await json(post('/sweep', {}, asOperator));
    await deliverEverything();
    const { path } = await openTally(1, { Prefer: 'wait=5' });
    await deliverEverything();
    const lagOf = async (name: string) => (await json(get(`/projections/${name}`, asOperator))).lag;
    expect(await lagOf('archive')).toEqual({ events: 0, ms: 0 });

    const added = await addTo(path);
    await get(path, withToken(added));
    const lag = await lagOf('archive');
    expect(lag.events).toBe(1);
    expect(lag.ms).toBeGreaterThanOrEqual(0);
    expect(await lagOf('tally-board')).toEqual({ events: 0, ms: 0 });

    await get('/events', { ...asOperator, ...withToken(added) });
    expect(await lagOf('archive')).toEqual({ events: 0, ms: 0 });
  });

  it('is 404 for an unknown name, with the known names', async () => {
    for (const name of ['nonesuch', 'Tally-Board', '__proto__', 'archive%20']) {
      const problem = await expectProblem(get(`/projections/${name}`, asOperator), 404, 'not-found');
      expect(problem.detail).toContain('tally-board');
      expect(problem['names']).toContain('archive');
    }
  });

  it('has no parameters', async () => {
    for (const path of ['/projections?limit=1', '/projections/archive?limit=1']) {
      expect(await expectInvalidFields(get(path, asOperator))).toEqual(['/limit']);
    }
  });

  it('answers while a database is away, and names the projections without a status', async () => {
    databaseAway(reporting);
    const { items } = await json(get('/projections', asOperator));
    const stateOf = (wanted: string) => items.find(({ name }: { name: string }) => name === wanted).state;
    expect(stateOf('tally-board')).toBe('live');
    expect(stateOf('archive')).toBe('unreachable');
    expect(await json(get('/projections/archive', asOperator))).toMatchObject({ state: 'unreachable', lag: null });
  });
});

describe('POST /sweep', () => {
  it('is only for the operator', async () => {
    await expectProblem(request('POST', '/sweep', asNobody), 401, 'unauthorized');
    await expectProblem(request('POST', '/sweep', { Authorization: 'Bearer wrong' }), 401, 'unauthorized');
  });

  it('finds a group that got no message about a tally, and has it reminded', async () => {
    await deliverEverything();
    const { path, stream, answer } = await openTally();
    await get(path, withToken(answer));
    await sentHints(1, stream);
    takeHints();
    const swept = await json(request('POST', '/sweep', asOperator));
    expect(swept).toMatchObject({ isStart: true, isComplete: true, unreachable: [] });
    expect(swept.behind).toBeGreaterThanOrEqual(1);
    expect(hintsOf(stream, reporting)).toEqual([{ stream, fromVersion: 1, toVersion: 1 }]);
    await deliverEverything();
    const { items } = await json(get('/projections', asOperator));
    const lags = items.map(({ name, lag }: { name: string; lag: unknown }) => [name, lag]);
    expect(lags).toContainEqual(['archive', { events: 0, ms: 0 }]);
    expect(await json(request('POST', '/sweep', asOperator))).toMatchObject({ behind: 0, sent: 0, isComplete: true });
  });

  it('names the group that it could not judge, and does not call the pass complete', async () => {
    databaseAway(reporting);
    const swept = await json(post('/sweep', {}, asOperator));
    expect(swept).toMatchObject({ isComplete: false, unreachable: ['reporting'] });
  });
});

describe('GET /health', () => {
  it('is open to every client, and names the database that does not answer', async () => {
    databaseAway(reporting);
    expect(await json(get('/health'))).toEqual({
      status: 'degraded',
      reasons: [expect.stringContaining('the database of the group "reporting" does not answer')],
    });
  });

  it('counts the open dead letters of each projection, and names no stream', async () => {
    const stream = `tally-${crypto.randomUUID()}`;
    const database = env.SERVING_DB;
    await setDeadLetter(database, 'tally-board', stream, 1);
    const { status, reasons } = await json(get('/health'));
    expect([status, reasons.length]).toEqual(['degraded', 1]);
    expect(reasons[0]).toContain('tally-board has 1 open dead letter');
    expect(reasons[0]).not.toContain(stream);
    expect(await json(get('/projections/tally-board', asOperator))).toMatchObject({ deadLetters: 1 });
    await database.prepare('DELETE FROM dead_letter WHERE stream = ?').bind(stream).run();
    expect(await json(get('/health'))).toEqual({ status: 'ok', reasons: [] });
  });
});

describe('at the spending limit of objects alone', () => {
  it('a read is 503, and the health blames no database, since these still work', async () => {
    const { path, answer } = await openTally();
    ports.aggregateStub = (bindings, stream) => ({
      ...production.aggregateStub(bindings, stream),
      load: () => Promise.reject(new Error("Exceeded the account's spending cap for Durable Objects.")),
    });
    await expectProblem(get(path, withToken(answer)), 503, 'storage-unavailable');
    expect(await json(get('/health'))).toEqual({ status: 'ok', reasons: [] });
  });
});

describe('the log', () => {
  it('has one line for each command, with the correlation id of its request and its events', async () => {
    const lines: Record<string, unknown>[] = [];
    const spy = vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(JSON.parse(line)));
    const { stream } = await openTally(987, { 'X-Correlation-Id': 'checkout-9' });
    spy.mockRestore();
    const logged = lines.filter(({ event, type }) => event === 'command' && type === 'Add');
    const [recorded] = (await json(get(`/streams/${stream}/events`, asOperator))).items;
    expect(logged).toEqual([
      {
        event: 'command',
        type: 'Add',
        stream,
        outcome: 'applied',
        version: 1,
        durationMs: expect.any(Number),
        actor: 'operator:operator',
        correlationId: 'checkout-9',
        causationId: recorded.metadata.causationId,
      },
    ]);
    expect(JSON.stringify(lines)).not.toContain('987');
  });
});

/** The group's database is away; the others' are not. */
function databaseAway(failing: Group): void {
  const away = () => {
    throw new Error('D1_ERROR: Network connection lost.');
  };
  const real = ports.database;
  ports.database = (bindings, group) => {
    const database = real(bindings, group);
    return group === failing ? faultyDatabase(database, { beforeBatch: away, beforeQuery: away }).database : database;
  };
}
