import { abortAllDurableObjects, evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';

import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import { sqliteEventLog } from '../../../src/tidemark/write/event-log.ts';
import { OutcomeUnknownError } from '../../../src/tidemark/platform/faults.ts';
import type { AggregateRpc } from '../../../src/tidemark/write/aggregates.ts';
import { ports, sent } from '../../support/platform.ts';
import { deliver, deliverEverything, hintsOf, sentHints, takeHints } from '../../support/queue.ts';
import { settle } from '../../support/settle.ts';
import { add, newTally, objectOf, resetTo0, system } from '../../support/system.ts';
import { broken, storedAddition } from '../../support/tally.ts';

const never = () => new Promise<never>(() => undefined);

function tablesOf(stream: Parameters<typeof objectOf>[0]): Promise<unknown[]> {
  return runInDurableObject(objectOf(stream), (_, state) =>
    state.storage.sql.exec(`SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'`).toArray(),
  );
}

function alarmOf(stream: Parameters<typeof objectOf>[0]): Promise<number | null> {
  return runInDurableObject(objectOf(stream), (_, state) => state.storage.getAlarm());
}

function attemptsOf(stream: Parameters<typeof objectOf>[0]): Promise<unknown[]> {
  return runInDurableObject(objectOf(stream), (_, state) =>
    state.storage.sql.exec(`SELECT grp, attempt FROM delivery`).toArray(),
  );
}

/** Makes the runtime reset the object after the next command’s commit, before it answers. */
async function abortAfterCommit(stream: Parameters<typeof objectOf>[0]): Promise<void> {
  await runInDurableObject(objectOf(stream), (instance, state) => {
    // Calls from outside use only the methods of the class.
    let prototype = Object.getPrototypeOf(instance) as AggregateRpc;
    while (!Object.hasOwn(prototype, 'execute')) prototype = Object.getPrototypeOf(prototype) as AggregateRpc;
    const original = Object.getOwnPropertyDescriptor(prototype, 'execute')?.value as AggregateRpc['execute'];
    prototype.execute = async function execute(this: AggregateRpc, request) {
      prototype.execute = original;
      const answer = await original.call(this, request);
      await state.storage.sync();
      state.abort('exceeded its CPU time limit');
      return answer;
    };
  });
}

describe('the log in its object', () => {
  it('gives versions 1..n without a gap to concurrent commands', async () => {
    const { tallyId, stream } = newTally();
    const results = await Promise.all(Array.from({ length: 40 }, (_, index) => add(tallyId, index + 1)));
    const versions = results.map((result) => (result.outcome === 'applied' ? result.version : 0));
    expect(versions.toSorted((one, other) => one - other)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
    const { events, head } = await system.aggregates.load(stream, 1, 100);
    expect(events.map(({ version }) => version)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
    expect(head).toBe(40);
  });

  it('lets exactly one of two concurrent commands append at a version', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    const outcomes = await Promise.all([
      add(tallyId, 2, { expectedVersion: 1 }),
      add(tallyId, 3, { expectedVersion: 1 }),
    ]);
    expect(outcomes.map(({ outcome }) => outcome).toSorted()).toEqual(['applied', 'version-mismatch']);
    expect(await system.aggregates.currentVersion(stream)).toBe(2);
  });

  it('reports an unknown outcome if the object is aborted between commit and answer (I4)', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    await abortAfterCommit(stream);
    await expect(add(tallyId, 2)).rejects.toBeInstanceOf(OutcomeUnknownError);
    expect(await system.aggregates.currentVersion(stream)).toBe(2);
  });

  it('returns the outcome of a command with a key if the object is aborted between commit and answer (I4)', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    await abortAfterCommit(stream);
    const idempotency = { key: 'k', fingerprint: 'f' };
    expect(await add(tallyId, 2, { idempotency })).toMatchObject({ outcome: 'applied', version: 2, replayed: true });
    expect(await system.aggregates.currentVersion(stream)).toBe(2);
  });

  it('survives an eviction', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 5);
    await evictDurableObject(objectOf(stream));
    await add(tallyId, 6);
    await evictDurableObject(objectOf(stream));
    expect(await system.aggregates.state(stream)).toMatchObject({ version: 2, state: { sum: 11 } });
  });

  it('stores nothing for reads of a missing stream, nor for a refused command', async () => {
    const { tallyId, stream } = newTally();
    expect(await system.aggregates.state(stream)).toBeUndefined();
    expect(await system.aggregates.currentVersion(stream)).toBe(0);
    expect(await system.aggregates.load(stream, 1, 10)).toEqual({ events: [], previousId: null, head: 0 });
    expect((await add(tallyId, 0)).outcome).toBe('rejected');
    expect(await tablesOf(stream)).toEqual([]);
    expect(await alarmOf(stream)).toBeNull();
  });

  it('stores nothing when a decider throws, and runs the next command', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    broken.decide = true;
    await expect(add(tallyId, 2)).rejects.toThrow('a bad deploy');
    broken.decide = false;
    expect(await add(tallyId, 3)).toMatchObject({ outcome: 'applied', version: 2 });
    expect(await system.aggregates.state(stream)).toMatchObject({ version: 2, state: { sum: 4 } });
  });
});

describe('publication and delivery', () => {
  it('answers while a send hangs, and publishes when the alarm fires', async () => {
    const { tallyId, stream } = newTally();
    ports.sendHint = never;
    expect((await add(tallyId, 1)).outcome).toBe('applied');
    expect(await alarmOf(stream)).not.toBeNull();
    ports.sendHint = async (_env, group, hint) => void sent.push({ group, hint });
    // The hung send times out. The next alarm then sends.
    await expect
      .poll(async () => {
        ports.clockOffsetMs += 60_000;
        await runDurableObjectAlarm(objectOf(stream));
        return hintsOf(stream).length;
      })
      .toBeGreaterThan(0);
    expect(hintsOf(stream)[0]).toMatchObject({ stream, fromVersion: 1, toVersion: 1 });
  });

  it('publishes events committed before a crash, without another command', async () => {
    const { tallyId, stream } = newTally();
    ports.sendHint = never;
    await add(tallyId, 1);
    await abortAllDurableObjects();
    ports.sendHint = async (_env, group, hint) => void sent.push({ group, hint });
    expect(await alarmOf(stream)).not.toBeNull();
    await runDurableObjectAlarm(objectOf(stream));
    const [hint] = await sentHints(1, stream);
    expect(hint).toEqual({ stream, fromVersion: 1, toVersion: 1 });
    expect((await deliver([hint])).explicitAcks).toEqual(['0']);
  });

  it('sends a lost message again, on a stream without further commands', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    await sentHints(1, stream);
    takeHints(stream);
    ports.clockOffsetMs = 30_000;
    await runDurableObjectAlarm(objectOf(stream));
    expect(takeHints(stream)).toEqual([{ stream, fromVersion: 1, toVersion: 1 }]);
  });

  it('clears the alarm once every projection of every group is confirmed', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    await sentHints(1, stream);
    await deliverEverything();
    expect(await alarmOf(stream)).not.toBeNull();
    ports.clockOffsetMs = 60_000;
    await runDurableObjectAlarm(objectOf(stream));
    expect(hintsOf(stream)).toEqual([]);
    expect(await alarmOf(stream)).toBeNull();
  });

  it('asks again only the projections that were not confirmed', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    await sentHints(1, stream);
    takeHints(stream);
    await system.catchUp(system.registry.projectionsFollowing(stream)[0]!, [{ stream, wanted: 1 }]);
    ports.clockOffsetMs = 30_000;
    await runDurableObjectAlarm(objectOf(stream));
    expect(takeHints(stream)).toHaveLength(1);
    expect(await attemptsOf(stream)).toEqual([{ grp: '*', attempt: 1 }]);
  });

  it('continues the counts that a former Worker stored for each group, and deletes them once all is confirmed', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    await sentHints(1, stream);
    takeHints(stream);
    ports.clockOffsetMs = 30_000;
    await runDurableObjectAlarm(objectOf(stream));
    await runInDurableObject(objectOf(stream), (_, { storage: { sql } }) => {
      sql.exec(`DELETE FROM delivery`);
      sql.exec(`INSERT INTO delivery VALUES ('reporting', 12), ('serving', 2)`);
    });
    await evictDurableObject(objectOf(stream));
    await runDurableObjectAlarm(objectOf(stream));
    expect(await attemptsOf(stream)).toContainEqual({ grp: '*', attempt: 13 });
    expect(await alarmOf(stream)).toBeGreaterThan(Date.now() + 12 * 60 * 60 * 1000);

    await deliver(takeHints(stream));
    await deliverEverything();
    await evictDurableObject(objectOf(stream));
    await runDurableObjectAlarm(objectOf(stream));
    expect(await attemptsOf(stream)).toEqual([]);
  });

  it('keeps an alarm if the deployed domain throws', async () => {
    const { tallyId, stream } = newTally();
    ports.sendHint = never;
    await add(tallyId, 1);
    await abortAllDurableObjects();
    Object.assign(broken, { decide: true, evolve: true, handler: true });
    ports.sendHint = async (_env, group, hint) => void sent.push({ group, hint });
    await runDurableObjectAlarm(objectOf(stream));
    expect(await sentHints(1, stream)).toHaveLength(1);
    expect(await alarmOf(stream)).not.toBeNull();
  });

  it('keeps an alarm if the database fails', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    ports.database = () => {
      throw new Error('D1_ERROR: overloaded');
    };
    ports.clockOffsetMs = 30_000;
    await runDurableObjectAlarm(objectOf(stream));
    expect(await alarmOf(stream)).not.toBeNull();
  });

  it('sets an overdue alarm again at the next command, even a refused one (I7)', async () => {
    const { tallyId, stream } = newTally();
    ports.sendHint = never;
    await add(tallyId, 1);
    await evictDurableObject(objectOf(stream));
    ports.clockOffsetMs = 60 * 60 * 1000;
    expect((await add(tallyId, 0)).outcome).toBe('rejected');
    await expect.poll(() => alarmOf(stream)).toBeGreaterThan(Date.now() + 59 * 60 * 1000);
  });

  it('loses nothing if the alarm fires while commands run', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    ports.clockOffsetMs = 30_000;
    await Promise.all([
      runDurableObjectAlarm(objectOf(stream)),
      ...Array.from({ length: 10 }, (_, index) => add(tallyId, index + 2)),
      runDurableObjectAlarm(objectOf(stream)),
    ]);
    await expect.poll(() => Math.max(...hintsOf(stream).map(({ toVersion }) => toVersion))).toBe(11);
    expect(await alarmOf(stream)).not.toBeNull();
  });

  it('coalesces a burst of a hundred commands into at most ten messages', async () => {
    const { tallyId, stream } = newTally();
    await Promise.all(Array.from({ length: 100 }, () => add(tallyId, 1)));
    await expect.poll(() => Math.max(...hintsOf(stream).map(({ toVersion }) => toVersion))).toBe(100);
    expect(hintsOf(stream).length).toBeLessThanOrEqual(10);
  });
});

describe('idempotency keys in storage', () => {
  const DAY_MS = 24 * 60 * 60 * 1000;
  const keyed = (key: string) => ({ idempotency: { key, fingerprint: 'the same' } });

  it('remember a command that decided nothing, without an alarm (I3)', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    await resetTo0(tallyId);
    await settle(stream);
    expect(await alarmOf(stream)).toBeNull();
    expect(await resetTo0(tallyId, keyed('k'))).toMatchObject({ outcome: 'applied', version: 2, replayed: false });
    expect(await alarmOf(stream)).toBeNull();
    await add(tallyId, 5);
    await evictDurableObject(objectOf(stream));
    expect(await resetTo0(tallyId, keyed('k'))).toMatchObject({ outcome: 'applied', version: 2, replayed: true });
    expect(await system.aggregates.state(stream)).toMatchObject({ version: 3, state: { sum: 5 } });
  });

  it('create no storage for a stream that does not exist, if the command decides nothing', async () => {
    const { tallyId, stream } = newTally();
    expect(await resetTo0(tallyId, keyed('k'))).toMatchObject({ outcome: 'applied', version: 0 });
    expect(await tablesOf(stream)).toEqual([]);
    expect(await alarmOf(stream)).toBeNull();
  });

  /** The keys that have a row of their own. */
  const keysInTable = (stream: StreamId) =>
    runInDurableObject(objectOf(stream), (_, { storage: { sql } }) =>
      sql
        .exec(`SELECT key FROM idempotency ORDER BY key`)
        .toArray()
        .map(({ key }) => key),
    );

  it('are in the row of the event, and in no event that leaves the object', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    await add(tallyId, 2, keyed('k'));
    expect(await tablesOf(stream)).toEqual([{ name: 'event' }]);
    const { events } = await system.aggregates.load(stream, 1, 10);
    expect(JSON.stringify(events)).not.toContain('the same');
    await evictDurableObject(objectOf(stream));
    expect(await add(tallyId, 2, keyed('k'))).toMatchObject({ outcome: 'applied', version: 2, replayed: true });
    const reused = { idempotency: { key: 'k', fingerprint: 'another' } };
    expect(await add(tallyId, 2, reused)).toMatchObject({ outcome: 'key-reused' });
  });

  it('of commands that decided nothing are deleted after they expire, before and after an eviction', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    await resetTo0(tallyId);
    for (const key of ['a', 'b', 'c']) await resetTo0(tallyId, keyed(key));
    ports.clockOffsetMs = 6 * DAY_MS;
    await resetTo0(tallyId, keyed('d'));
    expect(await keysInTable(stream)).toEqual(['a', 'b', 'c', 'd']);
    await evictDurableObject(objectOf(stream));
    ports.clockOffsetMs = 8 * DAY_MS;
    await resetTo0(tallyId, keyed('e'));
    expect(await keysInTable(stream)).toEqual(['d', 'e']);
    ports.clockOffsetMs = 14 * DAY_MS;
    // A command that decides something deletes them, too.
    await add(tallyId, 1, keyed('f'));
    expect(await keysInTable(stream)).toEqual(['e']);
  });

  it('of a former Worker are found in their table, and a Worker that keeps them there finds those in rows', async () => {
    const { stream } = newTally();
    await runInDurableObject(env.AGGREGATES.get(env.AGGREGATES.newUniqueId()), (_, { storage }) => {
      // Each is one lifetime of the object.
      const former = () => sqliteEventLog(storage, { keysInTable: true });
      const present = () => sqliteEventLog(storage);
      const commit = (log: ReturnType<typeof present>, version: number, key?: string) =>
        log.commit({
          stream,
          events: [storedAddition(stream, version)],
          ...(key !== undefined && { remember: { key, fingerprint: 'f', version, expiresAt: 1_000 } }),
          now: 0,
          armAlarm: () => undefined,
        });
      commit(former(), 1);
      commit(former(), 2, 'in the table');
      const lifetime = present();
      expect(lifetime.remembered('in the first rows', 0)).toBeUndefined();
      commit(lifetime, 3, 'in the first rows');
      for (let version = 4; version <= 100; version += 1) commit(lifetime, version);
      commit(lifetime, 101, 'in the index');
      for (const log of [lifetime, former(), present()]) {
        expect(log.remembered('in the table', 999)).toEqual({ fingerprint: 'f', version: 2 });
        expect(log.remembered('in the first rows', 999)).toEqual({ fingerprint: 'f', version: 3 });
        expect(log.remembered('in the index', 999)).toEqual({ fingerprint: 'f', version: 101 });
        for (const key of ['in the table', 'in the first rows', 'in the index'])
          expect(log.remembered(key, 1_000)).toBeUndefined();
        expect(log.remembered('unknown', 0)).toBeUndefined();
      }
    });
  });

  it('can be used again after they expire, whether or not their row was deleted', async () => {
    const { tallyId } = newTally();
    await add(tallyId, 1);
    for (const [key, days] of [
      ['one', 0],
      ['two', 4],
      ['three', 7.5],
      ['two', 11.5],
    ] as const) {
      ports.clockOffsetMs = days * DAY_MS;
      expect(await add(tallyId, 1, keyed(key)), `${key} on day ${days}`).toMatchObject({
        outcome: 'applied',
        replayed: false,
      });
    }
    expect(await add(tallyId, 1, keyed('two'))).toMatchObject({ outcome: 'applied', replayed: true, version: 5 });
  });
});
