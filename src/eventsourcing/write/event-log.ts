import type { EventMetadata, StoredEvent } from '../event.ts';
import type { JsonObject } from '../json.ts';
import type { StreamId } from '../stream.ts';
import type { AggregateStorage, Commit, Head, RememberedCommand, Snapshot } from './aggregate-storage.ts';

/** A page of the log ends early after this many bytes of event data, so that a page always fits an RPC answer and a D1 batch. */
const PAGE_BYTES = 512 * 1024;

/**
 * One row an event and no secondary index: a command pays for what it records and nothing else. `stream` has a single row, since an
 * object that an alarm wakes has to know who it is.
 */
const TABLES = `
  CREATE TABLE IF NOT EXISTS stream (
    id TEXT PRIMARY KEY
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS event (
    version INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    data TEXT NOT NULL,
    metadata TEXT NOT NULL,
    recorded_at TEXT NOT NULL
  );
  CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    version INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS snapshot (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    state_version INTEGER NOT NULL,
    version INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    state TEXT NOT NULL
  );
  CREATE TABLE IF NOT EXISTS delivery (
    grp TEXT PRIMARY KEY,
    attempt INTEGER NOT NULL
  ) WITHOUT ROWID;
`;

type EventRow = {
  version: number;
  id: string;
  type: string;
  schema_version: number;
  data: string;
  metadata: string;
  recorded_at: string;
};

/** How often delivery to each group was found lagging in a row; kept only while it lags. */
export interface DeliveryAttempts {
  attempts(): ReadonlyMap<string, number>;
  /** Remembers `attempt` for `group`; 0 forgets it. */
  setAttempt(group: string, attempt: number): void;
}

/** The log in the SQLite storage of a Durable Object. Tables are made with the first append, not before. */
export function sqliteEventLog(storage: DurableObjectStorage): AggregateStorage & DeliveryAttempts {
  const { sql } = storage;
  let exists = sql.exec(`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'stream'`).toArray().length > 0;
  let oldestExpiry: number | undefined;

  function streamOf(): StreamId {
    return sql.exec<{ id: string }>(`SELECT id FROM stream`).one().id as StreamId;
  }

  function toEvent(stream: StreamId, row: EventRow): StoredEvent {
    return {
      id: row.id,
      stream,
      version: row.version,
      type: row.type,
      schemaVersion: row.schema_version,
      data: JSON.parse(row.data) as JsonObject,
      metadata: JSON.parse(row.metadata) as EventMetadata,
      recordedAt: row.recorded_at,
    };
  }

  function forgetExpired(now: number): void {
    oldestExpiry ??=
      sql.exec<{ oldest: number | null }>(`SELECT min(expires_at) AS oldest FROM idempotency`).one().oldest ??
      Number.POSITIVE_INFINITY;
    if (oldestExpiry > now) return;
    sql.exec(`DELETE FROM idempotency WHERE expires_at <= ?`, now);
    oldestExpiry = undefined;
  }

  return {
    head(): Head | undefined {
      if (!exists) return undefined;
      const row = sql.exec<EventRow>(`SELECT * FROM event ORDER BY version DESC LIMIT 1`).toArray()[0];
      return row && { stream: streamOf(), version: row.version, eventId: row.id, recordedAt: row.recorded_at };
    },

    read(fromVersion, limit): readonly StoredEvent[] {
      if (!exists) return [];
      const stream = streamOf();
      const events: StoredEvent[] = [];
      let bytes = 0;
      for (const row of sql.exec<EventRow>(
        `SELECT * FROM event WHERE version >= ? ORDER BY version LIMIT ?`,
        fromVersion,
        limit,
      )) {
        bytes += row.data.length + row.metadata.length;
        if (events.length > 0 && bytes > PAGE_BYTES) break;
        events.push(toEvent(stream, row));
      }
      return events;
    },

    snapshot(): Snapshot | undefined {
      if (!exists) return undefined;
      const row = sql
        .exec<{ state_version: number; version: number; event_id: string; state: string }>(`SELECT * FROM snapshot`)
        .toArray()[0];
      return (
        row && {
          stateVersion: row.state_version,
          version: row.version,
          eventId: row.event_id,
          state: JSON.parse(row.state) as JsonObject,
        }
      );
    },

    remembered(key, now): RememberedCommand | undefined {
      if (!exists) return undefined;
      return sql
        .exec<{ fingerprint: string; version: number }>(
          `SELECT fingerprint, version FROM idempotency WHERE key = ? AND expires_at > ?`,
          key,
          now,
        )
        .toArray()[0];
    },

    commit(commit: Commit): void {
      storage.transactionSync(() => {
        if (!exists) {
          sql.exec(TABLES);
          sql.exec(`INSERT INTO stream (id) VALUES (?)`, commit.stream);
        }
        for (const event of commit.events) {
          sql.exec(
            `INSERT INTO event (version, id, type, schema_version, data, metadata, recorded_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
            event.version,
            event.id,
            event.type,
            event.schemaVersion,
            JSON.stringify(event.data),
            JSON.stringify(event.metadata),
            event.recordedAt,
          );
        }
        if (commit.remember) {
          const { key, fingerprint, version, expiresAt } = commit.remember;
          forgetExpired(commit.now);
          // What it may replace is a row that has expired and was not swept yet.
          sql.exec(
            `INSERT OR REPLACE INTO idempotency (key, fingerprint, version, expires_at) VALUES (?, ?, ?, ?)`,
            key,
            fingerprint,
            version,
            expiresAt,
          );
          oldestExpiry = Math.min(oldestExpiry ?? expiresAt, expiresAt);
        }
        if (commit.snapshot) {
          const { stateVersion, version, eventId, state } = commit.snapshot;
          sql.exec(
            `INSERT OR REPLACE INTO snapshot (only, state_version, version, event_id, state) VALUES (1, ?, ?, ?, ?)`,
            stateVersion,
            version,
            eventId,
            JSON.stringify(state),
          );
        }
        commit.armAlarm();
      });
      exists = true;
    },

    attempts(): ReadonlyMap<string, number> {
      if (!exists) return new Map();
      const rows = sql.exec<{ grp: string; attempt: number }>(`SELECT grp, attempt FROM delivery`).toArray();
      return new Map(rows.map((row) => [row.grp, row.attempt]));
    },

    setAttempt(group, attempt): void {
      if (attempt === 0) sql.exec(`DELETE FROM delivery WHERE grp = ?`, group);
      else sql.exec(`INSERT OR REPLACE INTO delivery (grp, attempt) VALUES (?, ?)`, group, attempt);
    },
  };
}
