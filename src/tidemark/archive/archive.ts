import { asc, eq, gt, sql } from 'drizzle-orm';
import { type AnySQLiteColumn, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';

import type { Clock } from '../platform/clock.ts';
import type { StoredEvent } from '../domain/event.ts';
import type { Group } from '../platform/group.ts';
import { type StreamId, categoryOf } from '../domain/stream.ts';
import type { AnyAggregateType } from '../domain/aggregate-type.ts';
import { queryBuilder } from '../queries/causal-read.ts';
import { pointerStatement } from '../projections/pointer.ts';
import { restoredStatement } from '../dead-letters/restored-logs.ts';
import type { Projection } from '../projections/projection.ts';

/** What the archive writes: the feed's position is the table's own key, given by the database. */
const written = sqliteTable('archive_event', {
  stream: text('stream').notNull(),
  version: integer('version').notNull(),
  event: text('event', { mode: 'json' }).$type<StoredEvent>().notNull(),
  mark: text('mark'),
});

const archived = sqliteTable('archive_event', {
  position: integer('position').primaryKey(),
  stream: text('stream').notNull(),
  version: integer('version').notNull(),
  event: text('event', { mode: 'json' }).$type<StoredEvent>().notNull(),
  mark: text('mark'),
});

/** The archive's name, and its key in the database. */
const ARCHIVE = 'archive';

/** Values of a mark: 40 bits. */
const MARKS = 2 ** 40;

/**
 * The archive: every event of every stream, once, as it was stored, in an order that keeps each stream's. The feed and rebuilds read it. It
 * is append-only and has one slot: it is repaired by appending, never rebuilt.
 *
 * Each entry has a random mark of its own, so that a cursor can tell it from the same event at the same position after a restore (I21).
 * Nothing folds or compares a mark, so the handler may depend on chance.
 */
export function archiveOf(
  types: readonly AnyAggregateType[],
  group: Group,
  random: Clock['random'],
): Projection<{ readonly events: typeof archived }> {
  return {
    name: ARCHIVE,
    revision: 1,
    group,
    mode: 'asynchronous',
    follows: Object.fromEntries(types.map(({ category, events }) => [category, events])),
    row: undefined,
    appends: { events: { a: written, b: written } },
    counters: {},
    handlers: {},
    everyEvent: {
      append(event) {
        const mark = Math.floor(random() * MARKS).toString(36);
        return { events: [{ stream: event.stream, version: event.version, event, mark }] };
      },
    },
    tables: () => ({ events: archived }),
  };
}

/** How far one page of a filtered feed looks, in events. */
const WINDOW = 1_000;

/**
 * A page of the feed: the events after a position that pass the filter; the last entry that was looked at, after which the next page begins;
 * and the entry at the position itself, if there is one. One transaction writes at a time, so no event ever appears before a position that
 * was already read.
 */
export function feedAfter(
  position: number,
  filter: { readonly category?: string | undefined; readonly type?: string | undefined },
  take: number,
) {
  return ({ events }: { readonly events: typeof archived }) => {
    const window = queryBuilder
      .select()
      .from(events)
      .where(gt(events.position, position))
      .orderBy(asc(events.position))
      .limit(filter.category === undefined && filter.type === undefined ? take : WINDOW)
      .as('looked_at');
    return {
      page: queryBuilder
        .select({ position: window.position, proof: proofOf(window), event: window.event })
        .from(window)
        .where(
          sql.join(
            [
              sql`true`,
              ...(filter.category === undefined
                ? []
                : [sql`substr(${window.stream}, 1, instr(${window.stream}, '-') - 1) = ${filter.category}`]),
              ...(filter.type === undefined ? [] : [sql`${window.event} ->> '$.type' = ${filter.type}`]),
            ],
            sql` AND `,
          ),
        )
        .orderBy(asc(window.position))
        .limit(take),
      // Beside `max`, SQLite takes the other columns from the row that has it. Sorting would read every row twice.
      lookedAt: queryBuilder
        .select({ position: sql<number | null>`max(${window.position})`.as('position'), proof: proofOf(window) })
        .from(window),
      covered: queryBuilder
        .select({ proof: proofOf(events) })
        .from(events)
        .where(eq(events.position, position)),
    };
  };
}

/** What tells an entry of the archive from every other that has or had its position: its event's id, and its mark. */
function proofOf({ event, mark }: { readonly event: AnySQLiteColumn; readonly mark: AnySQLiteColumn }) {
  return sql<string>`(${event} ->> '$.id') || ':' || coalesce(${mark}, '')`.as('proof');
}

/** A page of what a build replays. */
export interface ReplayPage {
  /** The position of the last event that was looked at; undefined once there is nothing left. */
  readonly last: number | undefined;
  /** Those that concern the projection, in order. */
  readonly events: readonly StoredEvent[];
  /** Streams whose logs have lost what is archived of them. */
  readonly restored: ReadonlySet<StreamId>;
}

/** Events of a page, which are read, folded and written before the next. */
export const REPLAYED_AT_ONCE = 2_000;

/** How much one page of a replay may hold. */
export interface ReplayLimits {
  readonly maxEvents?: number;
  /** Of all events together, as JSON: by the thousand, large ones would not fit an isolate. One event may be larger. */
  readonly maxBytes?: number;
}

/** The archived events after a position that concern a projection, from one snapshot; undefined where the archive is not live. */
export async function replayPage(
  database: D1Database,
  archive: Pick<Projection, 'name'>,
  projection: Pick<Projection, 'follows'>,
  position: number,
  { maxEvents = REPLAYED_AT_ONCE, maxBytes = 4_000_000 }: ReplayLimits = {},
): Promise<ReplayPage | undefined> {
  const [pointers, restored, page] = await database.batch([
    pointerStatement(database, archive.name),
    restoredStatement(database, archive.name),
    // Their sizes first: a window over the events themselves would copy every one of them.
    database
      .prepare(
        `WITH
          page AS (SELECT position, octet_length(event) AS bytes FROM archive_event WHERE position > ?1 ORDER BY position LIMIT ?3),
          summed AS (SELECT position, sum(bytes) OVER (ORDER BY position) - bytes AS bytes_before FROM page)
        SELECT position, CASE WHEN substr(stream, 1, instr(stream, '-') - 1) IN (SELECT value FROM json_each(?2)) THEN event END AS event
        FROM archive_event
        WHERE position > ?1 AND position <= (SELECT max(position) FROM summed WHERE bytes_before < ?4)
        ORDER BY position`,
      )
      .bind(position, JSON.stringify(Object.keys(projection.follows)), maxEvents, maxBytes),
  ]);
  if (!pointers?.results[0]) return undefined;
  const rows = (page?.results ?? []) as readonly { position: number; event: string | null }[];
  return {
    last: rows.at(-1)?.position,
    events: rows.flatMap(({ event }) => (event === null ? [] : [JSON.parse(event) as StoredEvent])),
    restored: new Set(restored?.results.map((row) => (row as { stream: StreamId }).stream)),
  };
}

/** A page of the streams that concern a projection and how far each is archived, in their order; `last` is undefined on the last page. */
export async function archivedHeads(
  database: D1Database,
  archive: Pick<Projection, 'name'>,
  projection: Pick<Projection, 'follows'>,
  after: string,
  limit: number,
): Promise<{ readonly last: StreamId | undefined; readonly versions: ReadonlyMap<StreamId, number> }> {
  const { results } = await database
    .prepare(
      `SELECT c.stream, c.version FROM projection_pointer AS pointer
      JOIN checkpoint AS c ON c.projection = pointer.projection AND c.slot = pointer.live_slot
      WHERE pointer.projection = ?1 AND c.stream > ?2
      ORDER BY c.stream LIMIT ?3`,
    )
    .bind(archive.name, after, limit)
    .all<{ stream: StreamId; version: number }>();
  return {
    last: results.length === limit ? results.at(-1)?.stream : undefined,
    versions: new Map(
      results
        .filter(({ stream }) => Object.hasOwn(projection.follows, categoryOf(stream)))
        .map(({ stream, version }) => [stream, version]),
    ),
  };
}

/** How many events that concern a projection are archived. */
export async function countArchived(
  database: D1Database,
  archive: Pick<Projection, 'name'>,
  projection: Pick<Projection, 'follows'>,
): Promise<number> {
  const row = await database
    .prepare(
      `SELECT coalesce(sum(c.version), 0) AS events FROM projection_pointer AS pointer
      JOIN checkpoint AS c ON c.projection = pointer.projection AND c.slot = pointer.live_slot
      WHERE pointer.projection = ?1
        AND substr(c.stream, 1, instr(c.stream, '-') - 1) IN (SELECT value FROM json_each(?2))`,
    )
    .bind(archive.name, JSON.stringify(Object.keys(projection.follows)))
    .first<{ events: number }>();
  return row?.events ?? 0;
}
