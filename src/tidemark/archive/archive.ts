import { firstPositionsOf, positionsOf } from '../projections/checkpoint.ts';
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

/** The columns that the archive writes. The database assigns the table's key, which is the feed's position. */
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

/** The name of the archive. It is also its key in the database. */
const ARCHIVE = 'archive';

/** The number of possible marks: 40 bits. */
const MARKS = 2 ** 40;

/**
 * The archive: every event of every stream, once, as it was stored, in an order that keeps the order of each stream. The feed and rebuilds read it.
 * It is append-only and has one slot: it is repaired by appending, never rebuilt.
 *
 * Each entry has its own random mark. By the mark, a cursor distinguishes it from the same event at the same position after a restore (I21). No code
 * folds or compares a mark, so this handler may use a random source.
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

/** How many entries one page of a filtered feed examines. */
const WINDOW = 1_000;

/**
 * A page of the feed. `page` holds the events after a position that pass the filter. `lookedAt` is the last examined entry: the next page begins
 * after it. `covered` is the entry at the position itself, if there is one. Only one transaction writes at a time, so no event ever appears before a
 * position that was already read.
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
      // With `max`, SQLite takes the other columns from the row of the maximum. A sort would read every row twice.
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

/** Distinguishes an entry from every other entry that has or had its position: its event's id and its mark. */
function proofOf({ event, mark }: { readonly event: AnySQLiteColumn; readonly mark: AnySQLiteColumn }) {
  return sql<string>`(${event} ->> '$.id') || ':' || coalesce(${mark}, '')`.as('proof');
}

/** A page of a build's replay. */
export interface ReplayPage {
  /** The position of the last examined event. Undefined if no events are left. */
  readonly last: number | undefined;
  /** The page's events that the projection follows, in order. */
  readonly events: readonly StoredEvent[];
  /** Streams whose logs no longer hold all their archived events. */
  readonly restored: ReadonlySet<StreamId>;
}

/** How many events of a page are read, folded and written before the next page. */
export const REPLAYED_AT_ONCE = 2_000;

/** The largest page of a replay. */
export interface ReplayLimits {
  readonly maxEvents?: number;
  /** The size of all events together, as JSON, in bytes. A thousand large events would not fit into an isolate. A single event may be larger. */
  readonly maxBytes?: number;
}

/** The archived events after a position that a projection follows, from one snapshot. Undefined if the archive is not live. */
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
    // Sizes first: a window over the events themselves would copy every one of them.
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

/** SQL: the live slot of the projection `?1`. */
const LIVE_SLOT = `(SELECT live_slot FROM projection_pointer WHERE projection = ?1)`;

/** A page of the streams that a projection follows, in their order, with the archived version of each. `last` is undefined on the last page. */
export async function archivedHeads(
  database: D1Database,
  archive: Pick<Projection, 'name'>,
  projection: Pick<Projection, 'follows'>,
  after: string,
  limit: number,
): Promise<{ readonly last: StreamId | undefined; readonly versions: ReadonlyMap<StreamId, number> }> {
  const { results } = await database
    .prepare(firstPositionsOf('?1', LIVE_SLOT, 'stream > ?2', '?3'))
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

/** How many archived events the projection follows. */
export async function countArchived(
  database: D1Database,
  archive: Pick<Projection, 'name'>,
  projection: Pick<Projection, 'follows'>,
): Promise<number> {
  const row = await database
    .prepare(
      `SELECT coalesce(sum(version), 0) AS events FROM (${positionsOf('?1', LIVE_SLOT)})
      WHERE substr(stream, 1, instr(stream, '-') - 1) IN (SELECT value FROM json_each(?2))`,
    )
    .bind(archive.name, JSON.stringify(Object.keys(projection.follows)))
    .first<{ events: number }>();
  return row?.events ?? 0;
}
