import type { EventMetadata, StoredEvent } from '../domain/event.ts';
import type { JsonObject } from '../domain/json.ts';
import type { StreamId } from '../domain/stream.ts';
import type { AggregateStorage, Commit, Head, RememberedCommand, Snapshot } from './aggregate-storage.ts';

/** A page of the log ends early after this many bytes of event data, so that a page always fits an RPC answer and a D1 batch. */
const PAGE_BYTES = 512 * 1024;

/**
 * One row an event and no secondary index: a command pays for what it records and nothing else. Each table is made when something is first
 * put into it: most objects live a short life, without a key, a snapshot or a lagging group.
 */
const TABLES = {
  /** `stream` is in the first row alone: an object that an alarm wakes has to know who it is. */
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
 * The one row of the table `delivery`. Before, each group that lagged had a row under its own name, which still counts. The Worker of before
 * knows no such group: it forgets the row, and begins its pauses anew.
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

/** How many delivery checks in a row have found a group lagging, without new events; kept only while one lags, or may lag without an alarm. */
export interface DeliveryAttempts {
  attempt(): number;
  /** Remembers `attempt`; 0 forgets it. */
  setAttempt(attempt: number): void;
}

/**
 * A log of this size in bytes takes no more commands. An object holds 10 GB
 * (developers.cloudflare.com/durable-objects/platform/limits). A statement that meets that end resets the object, and with it every answer
 * that is on its way, so none may. What is left is for what the relay and the platform write.
 */
const MAX_BYTES = 9_900_000_000;

/**
 * So many remembered keys are looked at with each new one. At an even pace, then, each is looked at sixteen times while it is remembered, and
 * goes half a day after that at the latest.
 */
const SWEPT_AT_ONCE = 16;

/** The log in the SQLite storage of a Durable Object. Tables are made with the first append, not before. */
export function sqliteEventLog(storage: DurableObjectStorage): AggregateStorage & DeliveryAttempts {
  const { sql } = storage;
  let known: Set<string> | undefined;
  /** The key that was looked at last for whether it has expired. A commit that is rolled back only has its turn missed. */
  let sweptTo: string | undefined;
  let stream: StreamId | undefined;

  /** Asked for at the first use: a constructor that throws resets the object, and then the caller cannot tell that nothing was done. */
  function tables(): Set<string> {
    known ??= new Set(
      sql
        .exec<{ name: string }>(`SELECT name FROM sqlite_master WHERE type = 'table'`)
        .toArray()
        .map(({ name }) => name),
    );
    return known;
  }

  /** Before, the stream's id had a table of its own, and the events no column for it. */
  function isOfFormerLayout(): boolean {
    return tables().has('stream');
  }

  /** Makes those that are not there yet. The caller remembers them after the transaction commits. */
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
   * Each commit with a key looks at the next few keys, in turn, and forgets those that have expired: its cost does not grow with the number
   * of keys. A lifetime begins at the key of its first commit: keys are hashes, so short lives look everywhere too.
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
      // In the words of SQLite, which the caller knows (runtime-errors.ts).
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
          // What it may replace is a row that has expired and was not swept yet.
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
