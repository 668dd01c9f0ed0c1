import { env } from 'cloudflare:workers';
import { afterEach, describe, expect, it } from 'vitest';

import { causalRead } from '../../../src/tidemark/queries/causal-read.ts';
import { type CausalToken, EMPTY_TOKEN, withVersion } from '../../../src/tidemark/queries/causal-token.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import { replaceTimers } from '../../../src/tidemark/platform/timeout.ts';
import { deliverThrice, forgetDeadLetters, refusedOf } from '../../support/boards.ts';
import { type DatabaseFaults, faultyDatabase } from '../../support/database.ts';
import { ports, production } from '../../support/platform.ts';
import { deliver, sentHints } from '../../support/queue.ts';
import { add, newTally, restoreLog, system } from '../../support/system.ts';
import { POISON, allTallies, broken, tallyBoard, tallyById } from '../../support/tally.ts';

function token(...seen: (readonly [StreamId, number])[]): CausalToken {
  return seen.reduce((merged, [stream, version]) => withVersion(merged, stream, version), EMPTY_TOKEN);
}

function readOne(tallyId: string, stream: StreamId, seen: CausalToken, timeoutMs = 1_000) {
  return causalRead(
    system,
    { projection: tallyBoard, token: seen, stream, queries: one(tallyById(tallyId)) },
    { timeoutMs },
  );
}

function readAll(seen: CausalToken, timeoutMs = 1_000) {
  return causalRead(system, { projection: tallyBoard, token: seen, queries: one(allTallies) }, { timeoutMs });
}

/** One query, with the name `rows`. */
const one =
  <Tables, Query>(query: (tables: Tables) => Query) =>
  (tables: Tables) => ({ rows: query(tables) });

async function tallyAt(...additions: number[]) {
  const { tallyId, stream } = newTally();
  for (const by of additions) await add(tallyId, by);
  return { tallyId, stream, seen: token([stream, additions.length]) };
}

function withFaults(faults: DatabaseFaults) {
  const faulty = faultyDatabase(env.SERVING_DB, faults);
  ports.database = () => faulty.database;
  return faulty.calls;
}

describe('a causal read of one stream', () => {
  it('shows the write although no consumer runs', async () => {
    const { tallyId, stream, seen } = await tallyAt(1, 2, 3);
    expect(await readOne(tallyId, stream, seen)).toMatchObject({
      outcome: 'read',
      answers: { rows: [{ tallyId, version: 3, sum: 6 }] },
    });
  });

  it('costs one round trip if the read model has reached the token', async () => {
    const { tallyId, stream, seen } = await tallyAt(1);
    await readOne(tallyId, stream, seen);
    const calls = withFaults({});
    expect(await readOne(tallyId, stream, seen)).toMatchObject({ outcome: 'read' });
    expect(calls).toEqual({ batches: 0, queries: 1 });
  });

  it('costs three if the read model has to catch up: the batch that moves it also runs the query', async () => {
    const first = await tallyAt(1);
    await readOne(first.tallyId, first.stream, first.seen);
    const { tallyId, stream, seen } = await tallyAt(1, 2);
    const calls = withFaults({});
    const answer = await readOne(tallyId, stream, seen);
    expect(answer).toMatchObject({ outcome: 'read', answers: { rows: [{ tallyId, version: 2, sum: 3 }] } });
    expect(calls).toEqual({ batches: 2, queries: 1 });
    // A client with this bookmark finds the rows that it has read.
    expect(answer).toHaveProperty('bookmark', expect.any(String));
  });

  it('does not blame the event for a query that the database refuses', async () => {
    const { tallyId, stream, seen } = await tallyAt(1);
    let reads = 0;
    const refusedTheSecondTime = (tables: Parameters<ReturnType<typeof tallyById>>[0]) => {
      const query = tallyById(tallyId)(tables);
      reads += 1;
      const asked = reads === 1 ? query.toSQL() : { sql: 'SELECT zeroblob(3000000000)', params: [] };
      return { toSQL: () => asked, _: query._ };
    };
    const queries = one(refusedTheSecondTime);
    const reading = causalRead(system, { projection: tallyBoard, token: seen, stream, queries });
    await expect(reading).rejects.toThrow('D1_ERROR');

    const calls = withFaults({});
    expect(await readOne(tallyId, stream, seen)).toMatchObject({
      outcome: 'read',
      answers: { rows: [{ version: 1 }] },
    });
    expect(calls).toEqual({ batches: 0, queries: 1 });
  });

  it('does not wait for other streams of the token', async () => {
    const [lagging, other] = [await tallyAt(1), await tallyAt(2)];
    await readOne(other.tallyId, other.stream, other.seen);
    const calls = withFaults({});
    const seen = token([lagging.stream, 1], [other.stream, 1]);
    expect(await readOne(other.tallyId, other.stream, seen)).toMatchObject({ outcome: 'read' });
    expect(calls.batches).toBe(0);
  });

  it('runs one catch-up for a hundred readers', async () => {
    const { tallyId, stream, seen } = await tallyAt(1, 2);
    let loads = 0;
    ports.aggregateStub = (bindings, of) => {
      loads += 1;
      return production.aggregateStub(bindings, of);
    };
    const answers = await Promise.all(Array.from({ length: 100 }, () => readOne(tallyId, stream, seen, 5_000)));
    for (const answer of answers)
      expect(answer).toMatchObject({ outcome: 'read', answers: { rows: [{ version: 2 }] } });
    expect(loads).toBe(1);
  });

  it('continues without a silent leader', async () => {
    const { tallyId, stream, seen } = await tallyAt(1);
    // The request that leads the catch-up was cancelled, so its work never ends.
    void system.flights.run([`tally-board/${stream}`], () => new Promise(() => undefined));
    expect(await readOne(tallyId, stream, seen, 4_000)).toMatchObject({
      outcome: 'read',
      answers: { rows: [{ version: 1 }] },
    });
  });

  it('leaves a stale replica for the primary before it runs a catch-up', async () => {
    const { tallyId, stream, seen } = await tallyAt(1);
    await deliver(await sentHints(1, stream));
    let loads = 0;
    ports.aggregateStub = (bindings, of) => {
      loads += 1;
      return production.aggregateStub(bindings, of);
    };
    ports.database = () => staleReplica(env.SERVING_DB);
    const withBookmark = {
      ...seen,
      bookmarks: new Map([['serving', '00000000-00000000-00000000-00000000000000000000000000000000']]),
    };
    expect(await readOne(tallyId, stream, withBookmark)).toMatchObject({
      outcome: 'read',
      answers: { rows: [{ version: 1 }] },
    });
    expect(answeredByReplica).toBe(1);
    expect(loads).toBe(0);
  });

  it('treats an answer of unknown origin as the primary’s, since databases without replicas give such answers', async () => {
    const { tallyId, stream, seen } = await tallyAt(1);
    await deliver(await sentHints(1, stream));
    let loads = 0;
    ports.aggregateStub = (bindings, of) => {
      loads += 1;
      return production.aggregateStub(bindings, of);
    };
    ports.database = () => staleReplica(env.SERVING_DB, {});
    expect(await readOne(tallyId, stream, { ...seen, bookmarks: ANY_BOOKMARK })).toMatchObject({ outcome: 'read' });
    // The answer counts as the primary’s, so the next step is the catch-up.
    expect(loads).toBe(1);
  });

  it('does not mistake the rows of a stale replica for the primary’s', async () => {
    const { tallyId, stream, seen } = await tallyAt(1, 2);
    await deliver([{ stream, fromVersion: 1, toVersion: 2 }]);
    // The replica has the tally at its first version, in the row and in the checkpoint.
    ports.database = () =>
      replicated(env.SERVING_DB, (sql) =>
        withPositions(
          sql,
          (table) =>
            `SELECT ${table === 'checkpoint' ? 'projection, slot' : 'vouches'}, stream, 1 AS version, 'x' AS event_id FROM ${table}`,
        ).replaceAll(
          'from "tally_board_a"',
          'from (SELECT tally_id, 1 AS version, 1 AS sum FROM tally_board_a) AS "tally_board_a"',
        ),
      );
    const bookmarked = { ...EMPTY_TOKEN, bookmarks: ANY_BOOKMARK };
    // A client that has seen nothing of the tally gets the replica’s row. A client that has seen version 2 does not.
    expect(await readOne(tallyId, stream, bookmarked)).toMatchObject({
      outcome: 'read',
      answers: { rows: [{ version: 1, sum: 1 }] },
    });
    const current = { outcome: 'read', answers: { rows: [{ tallyId, version: 2, sum: 3 }] } };
    expect(await readOne(tallyId, stream, { ...seen, bookmarks: ANY_BOOKMARK })).toMatchObject(current);
    const all = await readAll({ ...seen, bookmarks: ANY_BOOKMARK });
    expect(all.outcome === 'read' && all.answers.rows).toContainEqual({ tallyId, version: 2, sum: 3 });
  });

  it.each([
    ['is overloaded', new Error('D1_ERROR: D1 DB is overloaded.')],
    ['does not know the bookmark', new Error('D1_ERROR: bookmark is ahead: SQLITE_ERROR')],
    ['throws another error', new TypeError('no such thing')],
  ])('leaves a replica for the primary at once if the replica %s', async (_, error) => {
    const { tallyId, stream, seen } = await tallyAt(1);
    await deliver([{ stream, fromVersion: 1, toVersion: 1 }]);
    let failures = 0;
    const failing = () => {
      failures += 1;
      throw error;
    };
    for (const replica of [
      replicated(env.SERVING_DB, failing),
      // This replica does not even open a session at that bookmark.
      sessionsThrough(env.SERVING_DB, failing),
    ]) {
      ports.database = () => replica;
      // With a timeout of 0: there is no wait before the primary is asked.
      expect(await readOne(tallyId, stream, { ...seen, bookmarks: ANY_BOOKMARK }, 0)).toMatchObject({
        outcome: 'read',
        answers: { rows: [{ version: 1 }] },
      });
    }
    expect(failures).toBe(2);
  });

  it('throws the primary’s error for an invalid query', async () => {
    const { stream, seen } = await tallyAt(1);
    const query = {
      toSQL: () => ({ sql: 'SELECT 1 FROM nowhere', params: [] }),
      _: tallyById('x')(tallyBoard.tables('a'))._,
    };
    const reading = causalRead(system, {
      projection: tallyBoard,
      token: { ...seen, bookmarks: ANY_BOOKMARK },
      stream,
      queries: () => ({ rows: query }),
    });
    await expect(reading).rejects.toThrow('no such table');
  });

  it('waits for a random time before it queries an overloaded database again', async () => {
    const { tallyId, stream, seen } = await tallyAt(1);
    withFaults({
      beforeQuery() {
        throw new Error('D1_ERROR: D1 DB is overloaded.');
      },
    });
    const pauses = async (chance: number) => {
      const waited: number[] = [];
      let now = 0;
      replaceTimers((ms, ring) => {
        waited.push(ms);
        now += ms;
        queueMicrotask(ring);
        return () => undefined;
      });
      const reads = { ...system, clock: { ...system.clock, now: () => now, random: () => chance } };
      await causalRead(
        reads,
        { projection: tallyBoard, token: seen, stream, queries: one(tallyById(tallyId)) },
        { timeoutMs: 700 },
      );
      replaceTimers();
      return waited;
    };
    expect(await pauses(0)).toEqual([25, 50, 100, 200, 200, 125]);
    expect(await pauses(0.5)).toEqual([37.5, 75, 150, 300, 137.5]);
  });

  it('answers "behind" in time if the database refuses every batch', async () => {
    const { tallyId, stream, seen } = await tallyAt(1);
    withFaults({
      beforeBatch() {
        throw new Error('D1_ERROR: D1 DB is overloaded.');
      },
    });
    expect(await readOne(tallyId, stream, seen, 300)).toEqual({
      outcome: 'behind',
      stream,
      wanted: 1,
      has: 0,
      isOverloaded: false,
    });
  });

  it('survives a passing database fault, and answers "unavailable" for a lasting one', async () => {
    const { tallyId, stream, seen } = await tallyAt(1);
    let faults = 2;
    withFaults({
      beforeQuery() {
        faults -= 1;
        if (faults >= 0) throw new Error('D1_ERROR: Network connection lost.');
      },
    });
    expect(await readOne(tallyId, stream, seen)).toMatchObject({
      outcome: 'read',
      answers: { rows: [{ version: 1 }] },
    });
    faults = Number.POSITIVE_INFINITY;
    expect(await readOne(tallyId, stream, seen, 200)).toEqual({ outcome: 'unavailable' });
  });

  it('catches up a stream that is thousands of events behind, page by page', async () => {
    const { tallyId, stream } = newTally();
    for (let page = 0; page < 11; page += 1) await Promise.all(Array.from({ length: 100 }, () => add(tallyId, 1)));
    expect(await readOne(tallyId, stream, token([stream, 1_100]), 5_000)).toMatchObject({
      answers: { rows: [{ version: 1_100, sum: 1_100 }] },
    });
  });

  it('answers "behind" at once if the object is overloaded', async () => {
    const { tallyId, stream, seen } = await tallyAt(1);
    ports.aggregateStub = (bindings, of) => ({
      ...production.aggregateStub(bindings, of),
      load: () => Promise.reject(Object.assign(new Error('Durable Object is overloaded.'), { overloaded: true })),
    });
    expect(await readOne(tallyId, stream, seen, 60_000)).toMatchObject({ outcome: 'behind', isOverloaded: true });
  });

  it('refuses at once a token that is ahead of the stream', async () => {
    const { tallyId, stream } = await tallyAt(1);
    expect(await readOne(tallyId, stream, token([stream, 9]), 60_000)).toEqual({
      outcome: 'token-ahead',
      stream,
      wanted: 9,
      head: 1,
    });
  });

  it('answers "dead letter" at once if the token has seen more than the projection can apply', async () => {
    const { tallyId, stream, seen } = await tallyAt(1, POISON);
    broken.handler = true;
    expect(await readOne(tallyId, stream, seen, 60_000)).toEqual({ outcome: 'dead-letter', stream, wanted: 2, has: 1 });
    expect(await readOne(tallyId, stream, token([stream, 1]))).toMatchObject({
      outcome: 'read',
      answers: { rows: [{ version: 1 }] },
    });
  });

  it('returns no rows at version 0 for an absent stream', async () => {
    const { tallyId, stream } = newTally();
    expect(await readOne(tallyId, stream, EMPTY_TOKEN)).toMatchObject({ outcome: 'read', answers: { rows: [] } });
  });
});

describe('a causal read of many streams', () => {
  it('shows every write of the token', async () => {
    const tallies = await Promise.all([tallyAt(1), tallyAt(2, 3), tallyAt(4, 5, 6)]);
    const seen = token(...tallies.map(({ stream }, index) => [stream, index + 1] as const));
    const answer = await readAll(seen);
    const rows = answer.outcome === 'read' ? answer.answers.rows : [];
    for (const [index, { tallyId }] of tallies.entries()) {
      expect(rows.find((row) => row.tallyId === tallyId)?.version).toBe(index + 1);
    }
  });

  it('checks a full token in one statement', async () => {
    const tallies = await Promise.all(Array.from({ length: 96 }, () => tallyAt(1)));
    const seen = token(...tallies.map(({ stream }) => [stream, 1] as const));
    expect(await readAll(seen, 5_000)).toMatchObject({ outcome: 'read', incomplete: [] });
    const calls = withFaults({});
    const answer = await readAll(seen);
    const standings = answer.outcome === 'read' ? [...answer.standings.values()] : [];
    expect(standings.map(({ version }) => version)).toEqual(Array.from({ length: 96 }, () => 1));
    expect(calls).toEqual({ batches: 0, queries: 1 });
  });

  it('answers, and names the streams that are missing because of a dead letter', async () => {
    const [stopped, healthy] = [await tallyAt(1, POISON), await tallyAt(1)];
    broken.handler = true;
    const answer = await readAll(token([stopped.stream, 2], [healthy.stream, 1]));
    expect(answer).toMatchObject({ outcome: 'read', incomplete: [stopped.stream] });
  });
});

/** The id of a stream’s event at a version. */
async function eventIdOf(stream: StreamId, version: number): Promise<string> {
  const { events } = await system.aggregates.load(stream, version, 1);
  return events[0]?.id ?? expect.unreachable(`no version ${version}`);
}

/** A tally whose log was restored. Version 2 was lost, and another event is now at version 2. */
async function tallyWithTwoHistories(options: { readonly isApplied: boolean }) {
  const { tallyId, stream } = await tallyAt(1, 2);
  const lostId = await eventIdOf(stream, 2);
  if (options.isApplied) await deliver([{ stream, fromVersion: 1, toVersion: 2 }]);
  await restoreLog(stream, 1);
  await add(tallyId, 5);
  const seenLost = withVersion(EMPTY_TOKEN, stream, 2, lostId);
  const seenNow = withVersion(EMPTY_TOKEN, stream, 2, await eventIdOf(stream, 2));
  return { tallyId, stream, seenLost, seenNow };
}

describe('a token that has seen a version of a lost history (I21)', () => {
  it('is refused by a read model at that version, for one resource and for many', async () => {
    const { tallyId, stream, seenLost } = await tallyWithTwoHistories({ isApplied: false });
    const refused = { outcome: 'token-ahead', stream, wanted: 2, head: 2 };
    // The first read makes the read model catch up to the version. The second finds it there.
    for (const _ of [1, 2]) expect(await readOne(tallyId, stream, seenLost)).toEqual(refused);
    expect(await readAll(seenLost)).toEqual(refused);
  });

  it('is refused by a read model that is behind that version', async () => {
    const { stream, seenLost } = await tallyWithTwoHistories({ isApplied: false });
    expect(await readAll(seenLost)).toMatchObject({ outcome: 'token-ahead', stream });
  });

  it('is accepted by a read model beyond that version', async () => {
    const { tallyId, stream, seenLost } = await tallyWithTwoHistories({ isApplied: false });
    await add(tallyId, 7);
    await deliver([{ stream, fromVersion: 1, toVersion: 3 }]);
    expect(await readOne(tallyId, stream, seenLost)).toMatchObject({
      outcome: 'read',
      answers: { rows: [{ version: 3, sum: 13 }] },
    });
  });

  it('is accepted without a fingerprint', async () => {
    const { tallyId, stream, seenNow } = await tallyWithTwoHistories({ isApplied: false });
    for (const seen of [token([stream, 2]), seenNow])
      expect(await readOne(tallyId, stream, seen)).toMatchObject({ outcome: 'read', answers: { rows: [{ sum: 6 }] } });
  });
});

describe('a read model of a lost history', () => {
  afterEach(forgetDeadLetters);

  it('refuses the client of the log’s present event, and so is discovered', async () => {
    const { tallyId, stream, seenNow } = await tallyWithTwoHistories({ isApplied: true });
    expect(await readOne(tallyId, stream, seenNow, 60_000)).toEqual({
      outcome: 'dead-letter',
      stream,
      wanted: 2,
      has: 2,
    });
    expect(await readAll(seenNow, 60_000)).toMatchObject({ outcome: 'read', incomplete: [stream] });
    await readAll(seenNow, 60_000);
    expect(await refusedOf(stream)).toMatchObject({ cause: 'log-restored', is_open: 1 });
  });

  it('waits between its tries while the log cannot be compared', async () => {
    const { tallyId, stream, seenNow } = await tallyWithTwoHistories({ isApplied: true });
    let loads = 0;
    ports.aggregateStub = (environment, id) => {
      const stub = production.aggregateStub(environment, id);
      // Every second load fails: the reader reaches the log, but its catch-up does not.
      const load: typeof stub.load = (...asked) =>
        (loads += 1) % 2 === 1 ? stub.load(...asked) : Promise.reject(new Error('gone'));
      return { ...stub, load };
    };
    expect(await readOne(tallyId, stream, seenNow, 500)).toMatchObject({ outcome: 'behind', stream });
    expect(loads).toBeLessThan(20);
  });

  it('answers no client about that resource after the dead letter is open, whatever its token', async () => {
    const { tallyId, stream, seenLost } = await tallyWithTwoHistories({ isApplied: true });
    expect(await readOne(tallyId, stream, EMPTY_TOKEN)).toMatchObject({ outcome: 'read' });
    await deliverThrice({ stream, fromVersion: 3, toVersion: 3 });
    for (const [seen, wanted] of [
      [EMPTY_TOKEN, 0],
      [token([stream, 1]), 1],
      [seenLost, 2],
    ] as const)
      expect(await readOne(tallyId, stream, seen, 60_000)).toEqual({ outcome: 'dead-letter', stream, wanted, has: 2 });
  });

  it('is named in a list if the token has the stream, at any version', async () => {
    const { stream } = await tallyWithTwoHistories({ isApplied: true });
    await deliverThrice({ stream, fromVersion: 3, toVersion: 3 });
    expect(await readAll(token([stream, 1]))).toMatchObject({ outcome: 'read', incomplete: [stream] });
    expect(await readAll(EMPTY_TOKEN)).toMatchObject({ outcome: 'read', incomplete: [] });
  });

  it('answers again after the dead letter is closed', async () => {
    const { tallyId, stream } = await tallyWithTwoHistories({ isApplied: true });
    await deliverThrice({ stream, fromVersion: 3, toVersion: 3 });
    await forgetDeadLetters();
    expect(await readOne(tallyId, stream, EMPTY_TOKEN)).toMatchObject({ outcome: 'read' });
  });
});

describe('epochs and builds', () => {
  it('reads the pointer again after the epoch has changed', async () => {
    const { tallyId, stream, seen } = await tallyAt(1);
    await readOne(tallyId, stream, seen);
    await env.SERVING_DB.prepare(
      `UPDATE projection_pointer SET epoch = epoch + 1 WHERE projection = 'tally-board'`,
    ).run();
    expect(await readOne(tallyId, stream, seen)).toMatchObject({
      outcome: 'read',
      answers: { rows: [{ version: 1 }] },
    });
  });

  it('reads the live slot even if the tables of the remembered slot are damaged', async () => {
    const { tallyId, stream } = await tallyAt(1);
    expect(await readOne(tallyId, stream, EMPTY_TOKEN)).toMatchObject({ outcome: 'read' });
    const run = (...statements: string[]) => env.SERVING_DB.batch(statements.map((sql) => env.SERVING_DB.prepare(sql)));
    const live = (slot: string) =>
      `UPDATE projection_pointer SET epoch = epoch + 1, live_slot = '${slot}' WHERE projection = 'tally-board'`;
    await run(live('b'), 'ALTER TABLE tally_board_a RENAME TO tally_board_damaged');
    const read = await readOne(tallyId, stream, EMPTY_TOKEN);
    await run(live('a'), 'ALTER TABLE tally_board_damaged RENAME TO tally_board_a');
    expect(read).toMatchObject({ outcome: 'read', answers: { rows: [] } });
  });

  it('answers "building" if the Worker has no code for the live revision', async () => {
    const { tallyId, stream, seen } = await tallyAt(1);
    const setRevision = (revision: number) =>
      env.SERVING_DB.prepare(
        `UPDATE projection_pointer SET epoch = epoch + 1, live_revision = ? WHERE projection = 'tally-board'`,
      )
        .bind(revision)
        .run();
    await setRevision(7);
    expect(await readOne(tallyId, stream, seen)).toEqual({ outcome: 'building' });
    await setRevision(1);
    expect(await readOne(tallyId, stream, seen)).toMatchObject({ outcome: 'read' });
  });
});

let answeredByReplica = 0;

const ANY_BOOKMARK = new Map([['serving', '00000000-00000000-00000000-00000000000000000000000000000000']]);

/** A database that opens sessions with a bookmark through `session`. */
function sessionsThrough(real: D1Database, session: () => unknown): D1Database {
  return new Proxy(real, {
    get(target, property) {
      if (property !== 'withSession') {
        const value = Reflect.get(target, property) as unknown;
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      }
      return (from: string) => (from === 'first-primary' ? target.withSession(from) : session());
    },
  });
}

/** A database whose sessions with a bookmark come from a replica. `seesIt` rewrites each statement, to change the data that the replica sees. */
function replicated(real: D1Database, seesIt: (sql: string) => string, says: SaysWho = BY_REPLICA): D1Database {
  return sessionsThrough(real, () => replicaSession(real, seesIt, says));
}

/** A database whose sessions with a bookmark come from a replica that has seen no stream. */
function staleReplica(real: D1Database, says?: SaysWho): D1Database {
  const seesNothing = (sql: string) => withPositions(sql, (table) => `SELECT * FROM ${table} WHERE false`);
  return replicated(real, seesNothing, says);
}

/** A statement that reads the positions from other queries than the two tables. */
function withPositions(sql: string, queryOn: (table: string) => string): string {
  return sql.replaceAll(/JOIN (checkpoint|shared_checkpoint) AS/g, (_, table: string) => `JOIN (${queryOn(table)}) AS`);
}

/** The part of an answer that tells where it comes from. */
interface SaysWho {
  readonly served_by_primary?: boolean;
}
const BY_REPLICA: SaysWho = { served_by_primary: false };

function replicaSession(
  real: D1Database,
  seesIt: (sql: string) => string,
  says: SaysWho,
): Pick<D1DatabaseSession, 'prepare' | 'getBookmark'> {
  return {
    prepare(sql) {
      answeredByReplica += 1;
      const statement = real.prepare(seesIt(sql));
      return new Proxy(statement, {
        get: (target, property) =>
          property === 'bind'
            ? (...values: unknown[]) => ({
                all: async () => {
                  const answer = await target.bind(...values).all();
                  return { ...answer, meta: { ...answer.meta, served_by_primary: undefined, ...says } };
                },
              })
            : (Reflect.get(target, property) as unknown),
      });
    },
    getBookmark: () => null,
  };
}
