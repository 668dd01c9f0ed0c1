import { evictDurableObject, runInDurableObject } from 'cloudflare:test';

import type { JsonObject } from '../../src/tidemark/domain/json.ts';
import type { StreamId } from '../../src/tidemark/domain/stream.ts';
import { sqliteEventLog } from '../../src/tidemark/write/event-log.ts';
import { objectOf, system } from '../support/system.ts';
import type { SnapshotRow } from './stored-snapshots.ts';

export type Row = Readonly<Record<string, string | number | null>>;

/** All that an object has stored: its tables as that release of the code made them, and their rows. */
export interface ObjectStorage {
  readonly stream: StreamId;
  readonly tables: Readonly<Record<string, { readonly sql: string; readonly rows: readonly Row[] }>>;
}

/** Puts into a stream's object, which has nothing yet, what an earlier release stored; the object then starts cold. */
export async function restore({ stream, tables }: ObjectStorage): Promise<void> {
  await runInDurableObject(objectOf(stream), (_object, { storage: { sql } }) => {
    for (const [name, { sql: declaration, rows }] of Object.entries(tables)) {
      sql.exec(declaration);
      for (const row of rows) {
        const columns = Object.keys(row);
        sql.exec(
          `INSERT INTO ${name} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
          ...Object.values(row),
        );
      }
    }
  });
  await evictDurableObject(objectOf(stream));
}

/** What a stream's object stores, with a snapshot of the version before the last, as objects keep one from time to time. */
export async function dump(stream: StreamId): Promise<ObjectStorage> {
  const { head } = await system.aggregates.load(stream, 1, 1);
  await keepSnapshot(stream, Math.max(head - 1, 1));
  const { tables } = await storageOf(stream);
  // Which group lagged at that moment is not part of it.
  const { delivery: _, ...lasting } = tables;
  return { stream, tables: lasting };
}

/** The snapshots that an object would store at each of its versions. */
export async function dumpSnapshots(stream: StreamId): Promise<readonly SnapshotRow[]> {
  const { head } = await system.aggregates.load(stream, 1, 1);
  const rows: SnapshotRow[] = [];
  for (let version = 1; version <= head; version += 1) {
    await keepSnapshot(stream, version);
    const { tables } = await storageOf(stream);
    rows.push(tables['snapshot']?.rows[0] as unknown as SnapshotRow);
  }
  return rows;
}

/** Puts an earlier release's snapshot in the place of the one that the object has; the object then starts cold. */
export async function restoreSnapshot(stream: StreamId, row: SnapshotRow): Promise<void> {
  await runInDurableObject(objectOf(stream), (_object, { storage: { sql } }) => {
    sql.exec(
      'INSERT OR REPLACE INTO snapshot (only, state_version, version, event_id, state) VALUES (?, ?, ?, ?, ?)',
      row.only,
      row.state_version,
      row.version,
      row.event_id,
      row.state,
    );
  });
  await evictDurableObject(objectOf(stream));
}

/** Has the object store a snapshot of one of its versions, by the code that stores them. */
async function keepSnapshot(stream: StreamId, version: number): Promise<void> {
  const { events } = await system.aggregates.load(stream, version, 1);
  const kept = await system.aggregates.state(stream, { version });
  const snapshot = {
    stateVersion: system.registry.typeOf(stream).stateVersion,
    version,
    eventId: events[0]?.id ?? '',
    state: (kept?.state ?? null) as JsonObject,
  };
  await runInDurableObject(objectOf(stream), (_object, { storage }) => {
    sqliteEventLog(storage).commit({ stream, events: [], snapshot, now: 0, armAlarm: () => undefined });
  });
}

/** What a stream's object stores. */
export function storageOf(stream: StreamId): Promise<ObjectStorage> {
  return runInDurableObject(objectOf(stream), (_object, { storage: { sql } }) => {
    const declared = sql.exec<{ name: string; sql: string }>(
      `SELECT name, sql FROM sqlite_master WHERE type = 'table'`,
    );
    const own = declared.toArray().filter(({ name }) => !name.startsWith('_cf'));
    const tables = own.map(({ name, sql: declaration }) => {
      return [name, { sql: declaration, rows: sql.exec<Row>(`SELECT * FROM ${name}`).toArray() }] as const;
    });
    return { stream, tables: Object.fromEntries(tables) };
  });
}
