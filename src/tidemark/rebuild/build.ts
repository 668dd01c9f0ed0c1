import type { StreamId } from '../domain/stream.ts';
import { keptError } from '../dead-letters/dead-letter.ts';
import { type Pointer, type Target, pointerStatement, toPointer } from '../projections/pointer.ts';
import type { Slot } from '../projections/slot-tables.ts';

/** Where a build is in its life. The first three are active: one such build for each projection. */
export type BuildState = 'building' | 'comparing' | 'awaiting-acceptance' | 'swapped' | 'failed' | 'cancelled';

/** For SQL. */
export const ACTIVE = `('building', 'comparing', 'awaiting-acceptance')`;

/** What made a build fail; of one that is on its way, what its last try met. */
export interface BuildError {
  readonly message: string;
  /** The event that it could not take, if that was it. */
  readonly stream?: StreamId;
  readonly version?: number;
  readonly kind?: string;
}

/** A second copy of a projection on its way to become the live one. */
export interface Build {
  readonly id: string;
  readonly projection: string;
  readonly target: Target;
  /** What was live when it began; `UNBUILT`: nothing. */
  readonly liveRevision: number;
  readonly state: BuildState;
  /** Differences from what is live need nobody's consent. */
  readonly acceptsDifferences: boolean;
  /** It compares, and leaves the swap to whoever accepts it. */
  readonly isTrial: boolean;
  /** When its slot was empty; null before that. */
  readonly clearedAt: string | null;
  /** Events. */
  readonly replayed: number;
  readonly total: number;
  /** JSON: how it differs from what was live, once compared. */
  readonly comparison: string | null;
  readonly error: BuildError | null;
  readonly startedAt: string;
  readonly updatedAt: string;
  readonly endedAt: string | null;
}

/** Whether a build is still on its way. */
export function isActive({ state }: Pick<Build, 'state'>): boolean {
  return state === 'building' || state === 'comparing' || state === 'awaiting-acceptance';
}

interface BuildRow {
  readonly id: string;
  readonly projection: string;
  readonly revision: number;
  readonly slot: Slot;
  readonly live_revision: number;
  readonly state: BuildState;
  readonly accepts_differences: number;
  readonly is_trial: number;
  readonly cleared_at: string | null;
  readonly replayed: number;
  readonly total: number;
  readonly comparison: string | null;
  readonly error: string | null;
  readonly started_at: string;
  readonly updated_at: string;
  readonly ended_at: string | null;
}

function toBuild(row: BuildRow): Build {
  return {
    id: row.id,
    projection: row.projection,
    target: { revision: row.revision, slot: row.slot },
    liveRevision: row.live_revision,
    state: row.state,
    acceptsDifferences: row.accepts_differences === 1,
    isTrial: row.is_trial === 1,
    clearedAt: row.cleared_at,
    replayed: row.replayed,
    total: row.total,
    comparison: row.comparison,
    error: row.error === null ? null : (JSON.parse(row.error) as BuildError),
    startedAt: row.started_at,
    updatedAt: row.updated_at,
    endedAt: row.ended_at,
  };
}

/** The build with this id, or undefined. */
export async function buildOf(database: D1Database, projectionName: string, id: string): Promise<Build | undefined> {
  const row = await database
    .prepare(`SELECT * FROM projection_build WHERE projection = ? AND id = ?`)
    .bind(projectionName, id)
    .first<BuildRow>();
  return row ? toBuild(row) : undefined;
}

/** The builds that are on their way, of one projection or of all in the database. */
export async function activeBuilds(database: D1Database, projectionName?: string): Promise<readonly Build[]> {
  const { results } = await database
    .prepare(`SELECT * FROM projection_build WHERE state IN ${ACTIVE} AND projection = coalesce(?, projection)`)
    .bind(projectionName ?? null)
    .all<BuildRow>();
  return results.map(toBuild);
}

/** The build that is on its way comes first, whatever the clocks said, then the one that was started last. */
export const LATEST_FIRST = `state IN ${ACTIVE} DESC, started_at DESC, id DESC`;

/** The build that is on its way, or else the one that was started last, however it ended. */
export async function latestBuild(database: D1Database, projectionName: string): Promise<Build | undefined> {
  const row = await database
    .prepare(`SELECT * FROM projection_build WHERE projection = ? ORDER BY ${LATEST_FIRST} LIMIT 1`)
    .bind(projectionName)
    .first<BuildRow>();
  return row ? toBuild(row) : undefined;
}

/** A build that is still on its way and the pointer as it was then, from one snapshot: whoever ends a build raises the epoch. */
export async function activeBuild(
  database: D1Database,
  projectionName: string,
  id: string,
): Promise<{ readonly build: Build; readonly pointer: Pointer } | undefined> {
  const [builds, pointers] = await database.batch([
    database
      .prepare(`SELECT * FROM projection_build WHERE projection = ? AND id = ? AND state IN ${ACTIVE}`)
      .bind(projectionName, id),
    pointerStatement(database, projectionName),
  ]);
  const row = builds?.results[0] as BuildRow | undefined;
  const pointer = toPointer(pointers?.results[0]);
  return row && pointer && { build: toBuild(row), pointer };
}

/** Writes down how far a build is, and with that forgets earlier trouble. Of one that has ended nothing changes. */
export async function noteProgress(
  database: D1Database,
  id: string,
  progress: {
    readonly state?: BuildState;
    readonly replayed?: number;
    readonly comparison?: string;
    /** What a try met that will be tried again. */
    readonly trouble?: BuildError;
    readonly at: string;
  },
): Promise<void> {
  const { state, replayed, comparison, trouble, at } = progress;
  await database
    .prepare(
      `UPDATE projection_build
      SET state = coalesce(?2, state), replayed = coalesce(?3, replayed), comparison = coalesce(?4, comparison),
        error = ?6, updated_at = ?5
      WHERE id = ?1 AND state IN ${ACTIVE}`,
    )
    .bind(id, state ?? null, replayed ?? null, comparison ?? null, at, trouble ? kept(trouble) : null)
    .run();
}

/** How a build ends. */
export interface BuildEnd {
  readonly state: 'swapped' | 'failed' | 'cancelled';
  /** RFC 3339. */
  readonly at: string;
  readonly error?: BuildError;
}

/** Ends the active build of a target. For the batch that changes the pointer accordingly. */
export function endStatement(
  database: D1Database,
  projectionName: string,
  target: Target,
  { state, at, error }: BuildEnd,
): D1PreparedStatement {
  return database
    .prepare(
      `UPDATE projection_build SET state = ?4, error = ?5, updated_at = ?6, ended_at = ?6
      WHERE projection = ?1 AND revision = ?2 AND slot = ?3 AND state IN ${ACTIVE}`,
    )
    .bind(projectionName, target.revision, target.slot, state, error ? kept(error) : null, at);
}

function kept(error: BuildError): string {
  return JSON.stringify({ ...error, message: keptError(error.message) });
}

/** So many builds of each projection are kept: those on their way, and the newest of the others. */
export const BUILDS_KEPT = 20;

/** Deletes what is beyond `BUILDS_KEPT` of every projection in a database. Returns how many builds that were. */
export async function forgetOldBuilds(database: D1Database): Promise<number> {
  const { meta } = await database
    .prepare(
      `DELETE FROM projection_build
      WHERE state NOT IN ${ACTIVE} AND id IN (
        SELECT id
        FROM (
          SELECT id, row_number() OVER (PARTITION BY projection ORDER BY ${LATEST_FIRST}) AS place
          FROM projection_build
        )
        WHERE place > ?1
      )`,
    )
    .bind(BUILDS_KEPT)
    .run();
  return meta.changes;
}
