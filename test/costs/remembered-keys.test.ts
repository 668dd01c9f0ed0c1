import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { expect, it } from 'vitest';

import { streamId } from '../../src/tidemark/domain/stream.ts';
import { sqliteEventLog } from '../../src/tidemark/write/event-log.ts';
import { sha256 } from '../../src/tidemark/platform/sha256.ts';
import { storedAddition } from '../support/tally.ts';

/*
 * What a command costs on a stream that remembers thousands of keys, on the days after the first of them have expired. These are budgets:
 * if you raise one, say why in the commit.
 */

const DAY_MS = 24 * 60 * 60 * 1000;
const RETENTION_MS = 7 * DAY_MS;
const DAYS = 21;

type Decides = 'nothing' | 'an event';

/** Looks up one key after another and commits its command, at an even pace. Counts from day 8 on. */
async function weeksOfKeys(perDay: number, isColdEachTime: boolean, decides: Decides) {
  const hash = (name: string) => sha256(new TextEncoder().encode(name));
  const keys = await Promise.all(Array.from({ length: DAYS * perDay }, (_, index) => hash(`key ${index}`)));
  const fingerprint = await hash('{}');
  const stream = streamId('tally', 'busy');
  return runInDurableObject(env.AGGREGATES.get(env.AGGREGATES.newUniqueId()), (_, { storage }) => {
    const exec = storage.sql.exec.bind(storage.sql);
    let cursors: SqlStorageCursor<Record<string, SqlStorageValue>>[] = [];
    Object.defineProperty(storage.sql, 'exec', {
      value: (...args: Parameters<typeof exec>) => {
        const cursor = exec(...args);
        cursors.push(cursor);
        return cursor;
      },
    });
    let log = sqliteEventLog(storage);
    const armAlarm = () => undefined;
    log.commit({ stream, events: [storedAddition(stream, 1)], now: 0, armAlarm });
    const count = { commands: 0, read: 0, mostRead: 0, written: 0, mostKept: 0 };
    for (const [index, key] of keys.entries()) {
      const now = (index * DAY_MS) / perDay;
      if (isColdEachTime) log = sqliteEventLog(storage);
      cursors = [];
      const version = decides === 'nothing' ? 1 : index + 2;
      expect(log.remembered(key, now)).toBeUndefined();
      const remember = { key, fingerprint, version, expiresAt: now + RETENTION_MS };
      log.commit({
        stream,
        events: decides === 'nothing' ? [] : [storedAddition(stream, version)],
        remember,
        now,
        armAlarm,
      });
      if (now < 8 * DAY_MS) continue;
      const read = cursors.reduce((sum, { rowsRead }) => sum + rowsRead, 0);
      count.commands += 1;
      count.read += read;
      count.mostRead = Math.max(count.mostRead, read);
      count.written += cursors.reduce((sum, { rowsWritten }) => sum + rowsWritten, 0);
      expect(log.remembered(keys[index - perDay] ?? '', now)).toMatchObject({ fingerprint });
      if (decides === 'an event' || index % 50 > 0) continue;
      const kept = exec<{ n: number }>(`SELECT count(*) AS n FROM idempotency`).one().n;
      count.mostKept = Math.max(count.mostKept, kept);
    }
    return {
      rowsReadEach: count.read / count.commands,
      mostRowsRead: count.mostRead,
      rowsWrittenEach: count.written / count.commands,
      keptBeyondSevenDays: count.mostKept / (7 * perDay) - 1,
    };
  });
}

// A cold log reads the names of its tables as well, and what is looked at is chosen by chance.
it.each([
  ['of an object that stays in memory', false, 20, 0.08],
  ['of an object that is evicted after each', true, 28, 0.12],
])(
  'a key of a command that decides nothing, %s, costs the same however many are remembered',
  async (_, isCold, rowsRead, beyond) => {
    const [few, many] = [await weeksOfKeys(50, isCold, 'nothing'), await weeksOfKeys(500, isCold, 'nothing')];
    for (const cost of [few, many]) {
      expect(cost.rowsReadEach).toBeLessThanOrEqual(rowsRead);
      expect(cost.mostRowsRead).toBeLessThanOrEqual(3 * 16);
      // One is remembered, and in the long run one forgotten.
      expect(cost.rowsWrittenEach).toBeLessThanOrEqual(2.1);
      expect(cost.keptBeyondSevenDays).toBeLessThan(beyond);
    }
  },
);

it.each([
  ['of an object that stays in memory', false, 2],
  // It reads its first hundred rows again.
  ['of an object that is evicted after each', true, 110],
])(
  'a key in the row of its event, %s, costs one index entry in a long stream, however many there are',
  async (_, isCold, rowsRead) => {
    const [few, many] = [await weeksOfKeys(50, isCold, 'an event'), await weeksOfKeys(500, isCold, 'an event')];
    for (const cost of [few, many]) {
      expect(cost.mostRowsRead).toBeLessThanOrEqual(rowsRead);
      // The event and its index entry.
      expect(cost.rowsWrittenEach).toBe(2);
    }
  },
);
