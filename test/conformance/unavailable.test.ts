import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it, vi } from 'vitest';

import type { StreamId } from '../../src/tidemark/domain/stream.ts';
import type { AggregateRpc } from '../../src/tidemark/write/aggregates.ts';
import { type Headers, asOperator, eventsOf, get, json, post, withToken } from '../support/api.ts';
import { separateCheckpoints } from '../support/checkpoints.ts';
import { addTo, openTally } from '../support/tallies.ts';
import { faultyDatabase } from '../support/database.ts';
import { expectRetryLater, expectTooOld, lost, objectsFail, overloaded } from '../support/failing-objects.ts';
import { ports, production, resetPorts } from '../support/platform.ts';
import { expectProblem } from '../support/problem.ts';
import { appendAsStored, objectOf, system } from '../support/system.ts';

function objectsWork(): void {
  ports.aggregateStub = production.aggregateStub;
}

describe('503 overloaded', () => {
  it('answers a command that its object turned away, without a change', async () => {
    const { path, stream } = await openTally();
    objectsFail('tally', { execute: overloaded });
    await expectRetryLater(addTo(path, 1, { 'Idempotency-Key': 'k' }), 'overloaded');
    objectsWork();
    expect(await eventsOf(stream)).toHaveLength(1);
  });

  it('answers a read that needs the write side', async () => {
    const { path, stream, answer } = await openTally();
    objectsFail('tally', { state: overloaded, load: overloaded, currentVersion: overloaded });
    await expectRetryLater(get(path, { 'X-Version': '1' }), 'overloaded');
    await expectRetryLater(get(path, withToken(answer)), 'overloaded');
    await expectRetryLater(get(`${path}/history`, asOperator), 'overloaded');
    await expectRetryLater(get(`${path}?asOf=1`, asOperator), 'overloaded');
    await expectRetryLater(get(`/streams/${stream}/events`, asOperator), 'overloaded');
  });
});

describe('503 code-too-old', () => {
  /** A tally whose log has an event of newer code, after an addition with a key. */
  async function ofTomorrow() {
    const tally = await openTally();
    const change = (headers: Headers) => addTo(tally.path, 3, headers);
    expect((await change({ 'Idempotency-Key': 'more' })).status).toBe(200);
    await appendAsStored(tally.stream, { type: 'OfTomorrow', schemaVersion: 1, data: {} });
    return { ...tally, change };
  }

  it('answers a command on a stream with events of newer code, without a change', async () => {
    const { stream, change } = await ofTomorrow();
    const logged = vi.spyOn(console, 'log');
    await expectTooOld(change({}));
    await expectTooOld(change({ 'Idempotency-Key': 'another' }));
    const lines = logged.mock.calls.flat().map(String);
    logged.mockRestore();
    expect(lines.find((line) => line.includes('"code.too-old"'))).toContain('OfTomorrow');
    expect(lines.find((line) => line.includes('"command"'))).toContain('"outcome":"code-too-old"');
    expect(await system.aggregates.currentVersion(stream)).toBe(3);
  });

  it('does not answer a key that was applied before', async () => {
    const { change } = await ofTomorrow();
    const replayed = await change({ 'Idempotency-Key': 'more', Prefer: 'return=representation' });
    expect([replayed.status, replayed.headers.get('Idempotency-Replayed')]).toEqual([200, 'true']);
  });
});

describe('503 outcome-unknown', () => {
  it('answers if the first try got no answer and the second was refused, and the log has the outcome', async () => {
    const { path } = await openTally();
    for (const second of [
      { outcome: 'rejected' as const, rejection: { code: 'wrong-state', message: '' }, version: 1 },
      { outcome: 'code-too-old' as const },
    ]) {
      const answers = [lost, () => Promise.resolve(second)];
      objectsFail('tally', { execute: () => answers.shift()?.() ?? expect.unreachable('a third try') });
      const logged = vi.spyOn(console, 'log');
      await expectRetryLater(addTo(path, 1, { 'Idempotency-Key': 'k' }), 'outcome-unknown');
      const lines = logged.mock.calls.flat().map(String);
      logged.mockRestore();
      expect(lines.find((line) => line.includes('command.outcome-unknown'))).toContain('the connection was lost');
    }
  });
});

describe('503 storage-unavailable', () => {
  const LIMIT = "Exceeded the account's spending cap for Durable Objects.";
  const limited = () => Promise.reject(new Error(LIMIT));

  async function expectUnavailable(answer: Promise<Response>) {
    const received = await answer;
    expect(received.headers.get('Retry-After')).toBe('60');
    return expectProblem(received, 503, 'storage-unavailable');
  }

  it('answers a read that needs a write in a full database; other reads still answer', async () => {
    const { path, answer } = await openTally();
    const { database } = faultyDatabase(env.SERVING_DB, {
      beforeBatch(number) {
        // The first batch of a catch-up reads, and the second writes.
        if (number === 2) throw new Error('D1_ERROR: database or disk is full: SQLITE_FULL');
      },
    });
    ports.database = (_env, { name }) => (name === 'serving' ? database : env.REPORTING_DB);
    await expectUnavailable(get(path, withToken(answer)));
    expect((await get('/tallies')).status).toBe(200);
    resetPorts();
    expect((await get(path, withToken(answer))).status).toBe(200);
  });

  it('answers every read while the spending limit stops the database', async () => {
    const { path } = await openTally(1, { Prefer: 'wait=5' });
    const stopped = () => {
      throw new Error("D1_ERROR: Exceeded the account's spending cap for D1.");
    };
    const { database } = faultyDatabase(env.SERVING_DB, { beforeBatch: stopped, beforeQuery: stopped });
    ports.database = (_env, { name }) => (name === 'serving' ? database : env.REPORTING_DB);
    await expectUnavailable(get(path));
    await expectUnavailable(get('/tallies'));
  });

  it('answers while the spending limit of the account stops the objects; afterwards all requests work (I4)', async () => {
    const { path, stream, answer } = await openTally();
    const key = { 'Idempotency-Key': crypto.randomUUID() };
    ports.aggregateStub = () => ({
      execute: limited,
      replay: limited,
      load: limited,
      currentVersion: limited,
      state: limited,
    });
    await expectUnavailable(addTo(path, 1, key));
    await expectUnavailable(post('/tallies', { by: 1 }, key));
    await expectUnavailable(get(path, { 'X-Version': '1' }));
    await expectUnavailable(get(`${path}/history`, asOperator));
    await expectUnavailable(get(`/streams/${stream}/events`, asOperator));
    objectsWork();
    expect(await eventsOf(stream)).toHaveLength(1);
    const added = await addTo(path, 1, key);
    expect([added.status, added.headers.get('Idempotency-Replayed')]).toEqual([200, null]);
    expect((await get(path, withToken(answer))).status).toBe(200);
  });

  it.each([
    ['the spending limit stops its SQL', LIMIT],
    ['SQLite says that it is full', 'database or disk is full: SQLITE_FULL'],
  ])('answers for an object in which %s, without a change', async (_what, words) => {
    const { path, stream } = await openTally();
    const key = { 'Idempotency-Key': crypto.randomUUID() };
    const undo = await withSql(stream, (exec) => (statement, ...bindings) => {
      const result = exec(statement, ...bindings);
      if (bindings.some((value) => String(value).includes('"idempotency"'))) throw new Error(words);
      return result;
    });
    // The event was written already, and is rolled back.
    await addTo(path);
    await expectUnavailable(addTo(path, 2, key));
    expect(await eventsOf(stream)).toHaveLength(2);
    await undo();
    const added = await addTo(path, 2, key);
    expect([added.status, added.headers.get('X-Version')]).toEqual([200, '3']);
  });

  it('answers for an object near 10 GB: it accepts no command, refuses and replays as before, and can be read', async () => {
    const { path, stream } = await openTally();
    const key = { 'Idempotency-Key': crypto.randomUUID() };
    await addTo(path, 1, key);
    await runInDurableObject(objectOf(stream), (_, { storage }) => {
      Object.defineProperty(storage.sql, 'databaseSize', { value: 9_900_000_001 });
    });
    await expectUnavailable(addTo(path, 2));
    await expectProblem(addTo(path, 0), 409, 'wrong-state');
    expect((await addTo(path, 1, key)).headers.get('Idempotency-Replayed')).toBe('true');
    expect(await json(get(path, { 'X-Version': '2' }))).toMatchObject({ sum: 2 });
    expect(await eventsOf(stream)).toHaveLength(2);
  });
});

/** Replaces how an object runs SQL, until the function that is returned is called. */
async function withSql(stream: StreamId, replace: (exec: Exec) => Exec): Promise<() => Promise<void>> {
  await runInDurableObject(objectOf(stream), (_, { storage: { sql } }) => {
    Object.defineProperty(sql, 'exec', { value: replace(sql.exec.bind(sql)), configurable: true });
  });
  return () =>
    runInDurableObject(objectOf(stream), (_, { storage: { sql } }) => {
      delete (sql as { exec?: unknown }).exec;
    });
}

type Exec = (statement: string, ...bindings: unknown[]) => SqlStorageCursor<Record<string, SqlStorageValue>>;

describe('503 outcome-unknown', () => {
  it('answers a command with an unknown outcome, and a retry with its key finds the outcome', async () => {
    const body = { by: 1 };
    const key = { 'Idempotency-Key': crypto.randomUUID() };
    ports.aggregateStub = (bindings, stream) => {
      const stub = production.aggregateStub(bindings, stream);
      if (!stream.startsWith('tally-')) return stub;
      const execute: AggregateRpc['execute'] = async (request) => {
        await stub.execute(request);
        throw new Error('the connection was lost after the commit');
      };
      return { execute, replay: async (request) => stub.replay?.(request) } as AggregateRpc;
    };
    await expectRetryLater(post('/tallies', body, key), 'outcome-unknown');
    objectsWork();
    const again = await post('/tallies', body, key);
    expect([again.status, again.headers.get('Idempotency-Replayed')]).toEqual([201, 'true']);
    expect(await eventsOf(`tally-${(await json(again)).tallyId}`)).toHaveLength(1);
  });
});

describe('a read model that cannot answer', () => {
  it('is 503 projection-behind after the timeout, with the wanted and the present version', async () => {
    const { path, answer, stream } = await openTally();
    const { database } = faultyDatabase(env.SERVING_DB, { beforeBatch: () => new Promise(() => undefined) });
    ports.database = () => database;
    const problem = await expectRetryLater(get(path, withToken(answer)), 'projection-behind');
    expect(problem).toMatchObject({ projection: 'tally-board', stream, wanted: 1, has: 0 });
    const list = await expectRetryLater(get('/tallies', withToken(answer)), 'projection-behind');
    expect(list).toMatchObject({ projection: 'tally-board', stream, wanted: 1, has: 0 });
  });

  it('is 503 projection-dead-letter at once for a resource that is stopped at an event, and says so in a list', async () => {
    const { tallyId, path, stream } = await openTally(1, { Prefer: 'wait=5' });
    // The log that the checkpoint was made from is not this one: nothing can be applied any more.
    const stop = `UPDATE checkpoint SET event_id = 'another' WHERE projection = 'tally-board' AND stream = ?`;
    await separateCheckpoints(env.SERVING_DB);
    await env.SERVING_DB.prepare(stop).bind(stream).run();
    const changed = await addTo(path);
    const token = withToken(changed);
    const problem = await expectRetryLater(get(path, token), 'projection-dead-letter');
    expect(problem).toMatchObject({ projection: 'tally-board', stream, wanted: 2, has: 1 });
    const list = await get('/tallies?limit=100', token);
    expect([list.status, list.headers.get('X-Causal-Incomplete')]).toEqual([200, stream]);
    expect((await json(list)).items).toContainEqual({ tallyId, version: 1, sum: 1 });
    // The read model has a lost history, and does not show it. The write side answers.
    await expectRetryLater(get(path), 'projection-dead-letter');
    for (const headers of [{}, token]) {
      const fromWriteStore = await get(path, { ...headers, 'X-Version': '2' });
      expect(fromWriteStore.headers.get('X-Read-From')).toBe('write-store');
      expect(await json(fromWriteStore)).toMatchObject({ sum: 2, version: 2 });
    }
    const async = await get(path, { ...token, 'X-Version': '2', Prefer: 'respond-async' });
    expect([async.status, await json(async)]).toEqual([202, { wanted: 2, has: 1 }]);
  });

  it('is 503 projection-building during its first build', async () => {
    const { path, answer } = await openTally();
    const revise = (by: number) =>
      env.SERVING_DB.prepare(
        `UPDATE projection_pointer SET live_revision = live_revision + ?, epoch = epoch + 1 WHERE projection = 'tally-board'`,
      )
        .bind(by)
        .run();
    await revise(1);
    const ask = (asked: string, headers: Headers = {}) => expectRetryLater(get(asked, headers), 'projection-building');
    await ask(path);
    await ask(path, withToken(answer));
    const problem = await ask('/tallies');
    expect(problem['projection']).toBe('tally-board');
    const fromWriteStore = await get(path, { 'X-Version': '1' });
    expect([fromWriteStore.status, fromWriteStore.headers.get('X-Read-From')]).toEqual([200, 'write-store']);
    // What does not read it goes on.
    expect((await get('/events', asOperator)).status).toBe(200);
    expect((await addTo(path)).status).toBe(200);
    await revise(-1);
    expect((await get(path, withToken(answer))).status).toBe(200);
  });
});
