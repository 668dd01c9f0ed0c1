import type { EventMetadata, StoredEvent } from '../domain/event.ts';
import type { JsonObject } from '../domain/json.ts';
import type { StreamId } from '../domain/stream.ts';
import type { AggregateStorage, Commit, Head, RememberedCommand, Snapshot } from './aggregate-storage.ts';

/** A page of the log ends early after this much data and metadata, in UTF-16 code units. So a page always fits an RPC answer and a D1 batch. */
const PAGE_BYTES = 512 * 1024;

/** The idempotency key in an event's row. */
const KEY_OF_EVENT = `metadata ->> '$.idempotency.key'`;

/** The keys of so many first events are read into memory, at the first command with a key. So a short stream writes no index entry for a key. */
const VERSIONS_READ = 100;

/**
 * One row for each event. In a short stream, a command pays only for the events that it records. Each table and index is made with its first row.
 * Most objects live a short life, without a snapshot or a lagging group.
 */
const SCHEMA = {
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
  /** Finds the event of a key in a long stream. An index on the JSON needs no column, so a former Worker can still insert its rows. */
  event_key: `CREATE INDEX event_key ON event (${KEY_OF_EVENT})
    WHERE ${KEY_OF_EVENT} IS NOT NULL AND version > ${VERSIONS_READ}`,
  /** The keys of commands that decided nothing: they have no event. Former Workers kept all keys here. */
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

type SchemaName = keyof typeof SCHEMA;

type EventRow = {
  version: number;
  id: string;
  type: string;
  schema_version: number;
  data: string;
  metadata: string;
  recorded_at: string;
};

/** The outcome of a key, and when it expires. */
type Remembered = RememberedCommand & { readonly expiresAt: number };

/** The key of a command in the row of its last event. */
interface Mark {
  readonly key: string;
  readonly fingerprint: string;
  /** In ms since the epoch. */
  readonly expiresAt: number;
}

function markOf({ key, fingerprint, expiresAt }: Mark): Mark {
  return { key, fingerprint, expiresAt };
}

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

export interface EventLogOptions {
  /** Keeps every key in the table `idempotency`, as former Workers do and read. Default: false. */
  readonly keysInTable?: boolean;
}

/** The log in the SQLite storage of a Durable Object. The first append makes the tables. */
export function sqliteEventLog(
  storage: DurableObjectStorage,
  { keysInTable = false }: EventLogOptions = {},
): AggregateStorage & DeliveryAttempts {
  const { sql } = storage;
  let known: Set<string> | undefined;
  /** The last key that was examined for expiry. If the commit is rolled back, an expired key only waits for its next turn. */
  let sweptTo: string | undefined;
  let stream: StreamId | undefined;
  let firstKeys: Map<string, Remembered> | undefined;

  /**
   * Reads the names of tables and indexes at the first use, not in the constructor. A constructor that throws resets the object. The caller then cannot
   * tell that nothing was done.
   */
  function existing(): Set<string> {
    known ??= new Set(
      sql
        .exec<{ name: string }>(`SELECT name FROM sqlite_master`)
        .toArray()
        .map(({ name }) => name),
    );
    return known;
  }

  /** In the former layout, the stream's id had a table of its own, and `event` had no column for it. */
  function isOfFormerLayout(): boolean {
    return existing().has('stream');
  }

  /** Makes the missing tables and indexes. The caller remembers them after the transaction commits. */
  function make(names: readonly SchemaName[]): void {
    for (const name of names) if (!existing().has(name)) sql.exec(SCHEMA[name]);
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
      metadata: metadataOf(row),
      recordedAt: row.recorded_at,
    };
  }

  /** The metadata of an event, without a key that only this storage needs. */
  function metadataOf({ version, metadata }: Pick<EventRow, 'version' | 'metadata'>): EventMetadata {
    const { idempotency, ...others } = JSON.parse(metadata) as EventMetadata;
    return version === 1 && idempotency ? { ...others, idempotency } : others;
  }

  /** The keys in the first rows, read once for each lifetime. The first event is left out: the aggregate reads its key itself. */
  function keysOfFirst(): Map<string, Remembered> {
    firstKeys ??= new Map(
      sql
        .exec<{ version: number; mark: string }>(
          `SELECT version, metadata ->> '$.idempotency' AS mark
          FROM event
          WHERE version BETWEEN 2 AND ${VERSIONS_READ} AND ${KEY_OF_EVENT} IS NOT NULL
          ORDER BY version`,
        )
        .toArray()
        .map(({ version, mark }) => {
          const { key, ...others } = JSON.parse(mark) as Mark;
          return [key, { ...others, version }];
        }),
    );
    return firstKeys;
  }

  /** The outcome of a key whose event has it in its row. The newest one counts, since an expired key may be used again. */
  function rememberedInRow(key: string, now: number): RememberedCommand | undefined {
    const [indexed] = existing().has('event_key')
      ? sql
          .exec<{ version: number; mark: string }>(
            `SELECT version, metadata ->> '$.idempotency' AS mark
            FROM event
            WHERE ${KEY_OF_EVENT} = ? AND version > ${VERSIONS_READ}
            ORDER BY version DESC
            LIMIT 1`,
            key,
          )
          .toArray()
      : [];
    const found = indexed
      ? { ...(JSON.parse(indexed.mark) as Mark), version: indexed.version }
      : keysOfFirst().get(key);
    return found && found.expiresAt > now ? { fingerprint: found.fingerprint, version: found.version } : undefined;
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
      if (!existing().has('event')) return undefined;
      const row = sql.exec<EventRow>(`SELECT * FROM event ORDER BY version DESC LIMIT 1`).toArray()[0];
      return row && { stream: streamOf(), version: row.version, eventId: row.id, recordedAt: row.recorded_at };
    },

    read(fromVersion, limit): readonly StoredEvent[] {
      if (!existing().has('event')) return [];
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
      if (!existing().has('snapshot')) return undefined;
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
      if (!existing().has('event')) return undefined;
      const inRow = rememberedInRow(key, now);
      if (inRow || !existing().has('idempotency')) return inRow;
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
      const { remember } = commit;
      const last = keysInTable ? undefined : commit.events.at(-1);
      const needed: readonly SchemaName[] = [
        'event',
        ...(remember && !last ? (['idempotency'] as const) : []),
        ...(remember && last && last.version > VERSIONS_READ ? (['event_key'] as const) : []),
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
            JSON.stringify(
              event === last && remember ? { ...event.metadata, idempotency: markOf(remember) } : event.metadata,
            ),
            event.recordedAt,
          ];
          if (isOfFormerLayout()) sql.exec(`INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)`, ...values);
          else {
            const itsStream = event.version === 1 ? event.stream : null;
            sql.exec(`INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, ...values, itsStream);
          }
        }
        if (remember && !last) {
          const { key, fingerprint, version, expiresAt } = remember;
          // The only row that this can replace is an expired one that was not deleted yet.
          sql.exec(
            `INSERT OR REPLACE INTO idempotency (key, fingerprint, version, expires_at) VALUES (?, ?, ?, ?)`,
            key,
            fingerprint,
            version,
            expiresAt,
          );
        }
        if (remember && (!last || existing().has('idempotency'))) forgetSomeExpired(remember.key, commit.now);
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
      for (const name of needed) existing().add(name);
      if (remember && last && last.version <= VERSIONS_READ) firstKeys?.set(remember.key, remember);
    },

    attempt(): number {
      if (!existing().has('delivery')) return 0;
      return sql.exec<{ attempt: number | null }>(`SELECT max(attempt) AS attempt FROM delivery`).one().attempt ?? 0;
    },

    setAttempt(attempt): void {
      if (attempt === 0) {
        if (existing().has('delivery')) sql.exec(`DELETE FROM delivery`);
        return;
      }
      make(['delivery']);
      existing().add('delivery');
      sql.exec(`INSERT OR REPLACE INTO delivery (grp, attempt) VALUES (?, ?)`, ALL_GROUPS, attempt);
    },
  };
}
