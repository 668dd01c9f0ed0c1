import { joinPosition, positionAt, positionsOf } from '../projections/checkpoint.ts';
import type { Group } from '../platform/group.ts';
import { CONNECTIONS_AT_ONCE, eachOf } from '../platform/concurrency.ts';
import type { StreamId } from '../domain/stream.ts';
import type { Aggregates } from '../write/aggregates.ts';
import type { Target } from '../projections/pointer.ts';
import type { SystemContext } from '../projections/system-context.ts';

/** A projection, and its live slot. */
export interface LiveProjection {
  readonly name: string;
  readonly group: Group;
  readonly live: Target;
}

/** One category in which a projection lags. */
export interface CategoryLag {
  readonly category: string;
  /** A projection of any group that is ahead in this category. */
  readonly leader: LiveProjection;
  /** The id of the newest event that the lagging projection has applied in this category; '' if there is none. */
  readonly newestId: string;
}

/** When the oldest unapplied events of a projection were recorded, in ms since the Unix epoch. Undefined if there is none. */
export interface OldestUnapplied {
  /** In streams that need only time. */
  readonly movable: number | undefined;
  /** In streams that an open dead letter holds. */
  readonly held: number | undefined;
}

/** The most streams of a leader that are compared, and the most lagging ones whose logs are read. */
const MAX_COMPARED = 1_000;
const MAX_LOOKED_UP = 20;

interface Place {
  readonly stream: StreamId;
  readonly version: number;
}

/**
 * Finds the oldest unapplied event of a projection that lags, within bounds. In each category it compares up to 1,000 streams with a projection that
 * is ahead. It reads the first unapplied events of up to 20 lagging streams from their logs.
 *
 * It compares streams first that changed right after the projection's newest event: a projection that stopped altogether has stopped there. After
 * these come the streams that changed before that, latest first. It does not find older ones, so the time is a lower bound of the lag.
 */
export async function findOldestUnapplied(
  { databaseOf, aggregates }: Pick<SystemContext, 'databaseOf' | 'aggregates'>,
  projection: LiveProjection,
  categories: readonly CategoryLag[],
  hasDeadLetters: boolean,
): Promise<OldestUnapplied> {
  const database = databaseOf(projection.group);
  const found = await Promise.all(
    categories.map(async (category) => {
      const changed = await recentlyChanged(databaseOf(category.leader.group), category);
      const behind = await laggingOnes(database, projection, changed);
      const last = changed.at(-1);
      // Some stream lags, or this category would not be listed. If no compared stream does, the lagging one changed before all of them.
      return behind.length === 0 && last && changed.length === MAX_COMPARED
        ? [{ ...last, from: last.version }]
        : behind;
    }),
  );
  const oldestFirst = found.flat().toSorted((one, other) => (one.eventId < other.eventId ? -1 : 1));
  const places = oldestFirst.slice(0, MAX_LOOKED_UP).map(({ stream, from }) => ({ stream, version: from }));
  const held = hasDeadLetters ? await oldestHeld(database, projection) : undefined;
  const [movableTimes, heldTimes] = await Promise.all([
    timesOf(aggregates, places),
    timesOf(aggregates, held ? [held] : []),
  ]);
  return { movable: earliest(movableTimes), held: earliest(heldTimes) };
}

interface Changed extends Place {
  readonly eventId: string;
}

/** Streams of a category, with the version and the event that the leader has reached. */
async function recentlyChanged(
  database: D1Database,
  { category, leader, newestId }: CategoryLag,
): Promise<readonly Changed[]> {
  const { results } = await database
    .prepare(
      `SELECT stream, version, event_id AS eventId
      FROM (${positionsOf('?1', '?2', 'stream >= ?3 AND stream < ?4')})
      ORDER BY event_id > ?5 DESC, CASE WHEN event_id > ?5 THEN event_id END, event_id DESC
      LIMIT ${MAX_COMPARED}`,
    )
    // '.' comes right after '-', so the range is exactly the category, and uses the primary key.
    .bind(leader.name, leader.live.slot, `${category}-`, `${category}.`, newestId)
    .all<Changed>();
  return results;
}

/** The streams in which the projection is behind and that no dead letter holds, each with the version that the projection needs next. */
async function laggingOnes(database: D1Database, projection: LiveProjection, changed: readonly Changed[]) {
  const { results } = await database
    .prepare(
      `SELECT wanted.value AS stream, coalesce(${positionAt('at', 'version')}, 0) AS version
      FROM json_each(?1) AS wanted
      ${joinPosition('at', '?2', '?3', 'wanted.value')}
      WHERE NOT EXISTS (SELECT 1 FROM held_stream AS h WHERE h.projection = ?2 AND h.stream = wanted.value)`,
    )
    .bind(JSON.stringify(changed.map(({ stream }) => stream)), projection.name, projection.live.slot)
    .all<Place>();
  const has = new Map(results.map(({ stream, version }) => [stream, version]));
  return changed.flatMap(({ stream, version, eventId }) => {
    const at = has.get(stream);
    return at !== undefined && at < version ? [{ stream, eventId, from: at + 1 }] : [];
  });
}

/** The open dead letter that holds the oldest event. */
async function oldestHeld(database: D1Database, projection: LiveProjection): Promise<Place | undefined> {
  const place = await database
    .prepare(`SELECT stream, version FROM held_stream WHERE projection = ?1 ORDER BY event_id LIMIT 1`)
    .bind(projection.name)
    .first<Place>();
  return place ?? undefined;
}

/** When the events at these places were recorded. Leaves out a log that cannot be read. Throws if none can. */
async function timesOf({ load }: Pick<Aggregates, 'load'>, places: readonly Place[]): Promise<readonly number[]> {
  const failures: unknown[] = [];
  const times = await eachOf(places, CONNECTIONS_AT_ONCE, async ({ stream, version }) => {
    try {
      const { events } = await load(stream, version, 1);
      return events.map(({ recordedAt }) => Date.parse(recordedAt));
    } catch (error) {
      failures.push(error);
      return [];
    }
  });
  if (failures.length > 0 && failures.length === places.length) throw failures[0];
  return times.flat();
}

function earliest(times: readonly number[]): number | undefined {
  return times.length > 0 ? Math.min(...times) : undefined;
}
