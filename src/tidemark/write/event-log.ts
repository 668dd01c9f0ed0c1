import type { EventMetadata, StoredEvent } from '../domain/event.ts';
import type { JsonObject } from '../domain/json.ts';
import type { StreamId } from '../domain/stream.ts';
import type { AggregateStorage, Commit, Head, RememberedCommand, Snapshot } from './aggregate-storage.ts';

/** A page of the log ends early after this much data and metadata, in UTF-16 code units. So a page always fits an RPC answer and a D1 batch. */
const PAGE_BYTES = 512 * 1024;

/**
 * One row for each event and no secondary index: a command pays only for the events that it records. Each table is made with its first row. Most
 * objects live a short life, without a key, a snapshot or a lagging group.
 */
const TABLES = {
  /** Only the first row has `stream`. An object that an alarm wakes has to know its own stream. */
  event: `CREATE TABLE event (
    version INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    data TEXT NOT NULL,
    metadata TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    stream TEXT CHECK ((stream IS NULL) = (version <> 1))
  )`,
  idempotency: `CREATE TABLE idempotency (
    key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    version INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  ) WITHOUT ROWID`,
  snapshot: `CREATE TABLE snapshot (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    state_version INTEGER NOT NULL,
    version INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    state TEXT NOT NULL
  )`,
  delivery: `CREATE TABLE delivery (
    grp TEXT PRIMARY KEY,
    attempt INTEGER NOT NULL
  ) WITHOUT ROWID`,
};

/**
 * The key of the one row of the table `delivery`. A former Worker wrote a row under the name of each lagging group, and such rows still count. That
 * Worker does not know this key: after a rollback it forgets the row and starts its backoff again.
 */
const ALL_GROUPS = '*';

type TableName = keyof typeof TABLES;

type EventRow = {
  version: number;
  id: string;
  type: string;
  schema_version: number;
  data: string;
  metadata: string;
  recorded_at: string;
};

/**
 * The number of delivery checks in a row that found a group lagging, without new events. It is kept only while a group lags, or may lag without an
 * alarm.
 */
export interface DeliveryAttempts {
  attempt(): number;
  /** Remembers `attempt`; 0 forgets it. */
  setAttempt(attempt: number): void;
}

/**
 * The size at which a log takes no more commands, in bytes. An object holds 10 GB (developers.cloudflare.com/durable-objects/platform/limits). A
 * statement that reaches that limit resets the object, and every answer on its way is lost. The rest is room for the relay and the platform.
 */
const MAX_BYTES = 9_900_000_000;

/**
 * How many remembered keys each new key examines. At an even pace, each key is examined sixteen times while it is remembered. So it is deleted at
 * most half a day after it expires.
 */
const SWEPT_AT_ONCE = 16;

/** The log in the SQLite storage of a Durable Object. The first append makes the tables. */
export function sqliteEventLog(storage: DurableObjectStorage): AggregateStorage & DeliveryAttempts {
  const { sql } = storage;
  let known: Set<string> | undefined;
  /** The last key that was examined for expiry. If the commit is rolled back, an expired key only waits for its next turn. */
  let sweptTo: string | undefined;
  let stream: StreamId | undefined;

  /**
   * Reads the list of tables at the first use, not in the constructor. A constructor that throws resets the object. The caller then cannot tell that
   * nothing was done.
   */
  function tables(): Set<string> {
    known ??= new Set(
      sql
        .exec<{ name: string }>(`SELECT name FROM sqlite_master WHERE type = 'table'`)
        .toArray()
        .map(({ name }) => name),
    );
    return known;
  }

  /** In the former layout, the stream's id had a table of its own, and `event` had no column for it. */
  function isOfFormerLayout(): boolean {
    return tables().has('stream');
  }

  /** Makes the missing tables. The caller remembers them after the transaction commits. */
  function make(names: readonly TableName[]): void {
    for (const name of names) if (!tables().has(name)) sql.exec(TABLES[name]);
  }

  function streamOf(): StreamId {
    stream ??= sql
      .exec<{ stream: StreamId }>(
        isOfFormerLayout() ? `SELECT id AS stream FROM stream` : `SELECT stream FROM event WHERE version = 1`,
      )
      .one().stream;
    return stream;
  }

  function toEvent(itsStream: StreamId, row: EventRow): StoredEvent {
    return {
      id: row.id,
      stream: itsStream,
      version: row.version,
      type: row.type,
      schemaVersion: row.schema_version,
      data: JSON.parse(row.data) as JsonObject,
      metadata: JSON.parse(row.metadata) as EventMetadata,
      recordedAt: row.recorded_at,
    };
  }

  /**
   * Each commit with a key examines the next few keys in turn and deletes the expired ones. So its cost does not grow with the number of keys. Each
   * lifetime of the object starts at the key of its first commit. Keys are hashes, so short lifetimes also start everywhere.
   */
  function forgetSomeExpired(since: string, now: number): void {
    const from = sweptTo ?? since;
    const next = (condition: string, limit: number) =>
      sql
        .exec<{ key: string; expires_at: number }>(
          `SELECT key, expires_at FROM idempotency WHERE ${condition} ORDER BY key LIMIT ?`,
          from,
          limit,
        )
        .toArray();
    const after = next('key > ?', SWEPT_AT_ONCE);
    const looked = after.length < SWEPT_AT_ONCE ? [...after, ...next('key <= ?', SWEPT_AT_ONCE - after.length)] : after;
    for (const { key, expires_at } of looked) {
      if (expires_at <= now) sql.exec(`DELETE FROM idempotency WHERE key = ?`, key);
    }
    sweptTo = looked.at(-1)?.key;
  }

  return {
    head(): Head | undefined {
      if (!tables().has('event')) return undefined;
      const row = sql.exec<EventRow>(`SELECT * FROM event ORDER BY version DESC LIMIT 1`).toArray()[0];
      return row && { stream: streamOf(), version: row.version, eventId: row.id, recordedAt: row.recorded_at };
    },

    read(fromVersion, limit): readonly StoredEvent[] {
      if (!tables().has('event')) return [];
      const itsStream = streamOf();
      const events: StoredEvent[] = [];
      let bytes = 0;
      for (const row of sql.exec<EventRow>(
        `SELECT * FROM event WHERE version >= ? ORDER BY version LIMIT ?`,
        fromVersion,
        limit,
      )) {
        bytes += row.data.length + row.metadata.length;
        if (events.length > 0 && bytes > PAGE_BYTES) break;
        events.push(toEvent(itsStream, row));
      }
      return events;
    },

    snapshot(): Snapshot | undefined {
      if (!tables().has('snapshot')) return undefined;
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
      if (!tables().has('idempotency')) return undefined;
      return sql
        .exec<{ fingerprint: string; version: number }>(
          `SELECT fingerprint, version FROM idempotency WHERE key = ? AND expires_at > ?`,
          key,
          now,
        )
        .toArray()[0];
    },

    commit(commit: Commit): void {
      // SQLite's own words, which the caller recognizes (runtime-errors.ts).
      if (sql.databaseSize > MAX_BYTES) throw new Error('database or disk is full: SQLITE_FULL');
      const needed: readonly TableName[] = [
        'event',
        ...(commit.remember ? (['idempotency'] as const) : []),
        ...(commit.snapshot ? (['snapshot'] as const) : []),
      ];
      storage.transactionSync(() => {
        make(needed);
        for (const event of commit.events) {
          const values = [
            event.version,
            event.id,
            event.type,
            event.schemaVersion,
            JSON.stringify(event.data),
            JSON.stringify(event.metadata),
            event.recordedAt,
          ];
          if (isOfFormerLayout()) sql.exec(`INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)`, ...values);
          else {
            const itsStream = event.version === 1 ? event.stream : null;
            sql.exec(`INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, ...values, itsStream);
          }
        }
        if (commit.remember) {
          const { key, fingerprint, version, expiresAt } = commit.remember;
          // The only row that this can replace is an expired one that was not deleted yet.
          sql.exec(
            `INSERT OR REPLACE INTO idempotency (key, fingerprint, version, expires_at) VALUES (?, ?, ?, ?)`,
            key,
            fingerprint,
            version,
            expiresAt,
          );
          forgetSomeExpired(key, commit.now);
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
      for (const name of needed) tables().add(name);
    },

    attempt(): number {
      if (!tables().has('delivery')) return 0;
      return sql.exec<{ attempt: number | null }>(`SELECT max(attempt) AS attempt FROM delivery`).one().attempt ?? 0;
    },

    setAttempt(attempt): void {
      if (attempt === 0) {
        if (tables().has('delivery')) sql.exec(`DELETE FROM delivery`);
        return;
      }
      make(['delivery']);
      tables().add('delivery');
      sql.exec(`INSERT OR REPLACE INTO delivery (grp, attempt) VALUES (?, ?)`, ALL_GROUPS, attempt);
    },
  };
}
