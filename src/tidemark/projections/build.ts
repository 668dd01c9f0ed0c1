import type { StreamId } from '../domain/stream.ts';
import { keptError } from '../dead-letters/dead-letter.ts';
import { type Pointer, type Target, pointerStatement, toPointer } from './pointer.ts';
import type { Slot } from './slot-tables.ts';

/** The state of a build. The first three are active: a projection has one active build at most. */
export type BuildState = 'building' | 'comparing' | 'awaiting-acceptance' | 'swapped' | 'failed' | 'cancelled';

/** The active states, as a list in SQL. */
export const ACTIVE = `('building', 'comparing', 'awaiting-acceptance')`;

/** The error that made a build fail. For an active build, the error of its last try. */
export interface BuildError {
  readonly message: string;
  /** The event that the build could not apply, if that was the error. */
  readonly stream?: StreamId;
  readonly version?: number;
  readonly kind?: string;
}

/** A second copy of a projection, which is to become the live one. */
export interface Build {
  readonly id: string;
  readonly projection: string;
  readonly target: Target;
  /** The live revision when the build started. `UNBUILT` if there was none. */
  readonly liveRevision: number;
  readonly state: BuildState;
  /** The build is swapped in even if it differs from the live slot. */
  readonly acceptsDifferences: boolean;
  /** The build only compares. It is swapped in if an operator accepts it. */
  readonly isTrial: boolean;
  /** When its slot had been emptied; null before that. */
  readonly clearedAt: string | null;
  /** The number of events replayed so far, of `total`. */
  readonly replayed: number;
  readonly total: number;
  /** JSON: the comparison with the live slot, once it is done. */
  readonly comparison: string | null;
  readonly error: BuildError | null;
  readonly startedAt: string;
  readonly updatedAt: string;
  readonly endedAt: string | null;
}

/** Whether a build has not ended yet. */
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

/** The active builds of one projection, or of all in the database. */
export async function activeBuilds(database: D1Database, projectionName?: string): Promise<readonly Build[]> {
  const { results } = await database
    .prepare(`SELECT * FROM projection_build WHERE state IN ${ACTIVE} AND projection = coalesce(?, projection)`)
    .bind(projectionName ?? null)
    .all<BuildRow>();
  return results.map(toBuild);
}

/** The active build comes first, even if clocks disagree. Then the builds follow, the latest start first. */
export const LATEST_FIRST = `state IN ${ACTIVE} DESC, started_at DESC, id DESC`;

/** The active build; without one, the build that was started last, however it ended. */
export async function latestBuild(database: D1Database, projectionName: string): Promise<Build | undefined> {
  const row = await database
    .prepare(`SELECT * FROM projection_build WHERE projection = ? ORDER BY ${LATEST_FIRST} LIMIT 1`)
    .bind(projectionName)
    .first<BuildRow>();
  return row ? toBuild(row) : undefined;
}

/** An active build and the pointer, from one snapshot. Whatever ends a build raises the epoch. */
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

/** Records the progress of a build, and deletes the error of an earlier try. Does nothing if the build has ended. */
export async function noteProgress(
  database: D1Database,
  id: string,
  progress: {
    readonly state?: BuildState;
    readonly replayed?: number;
    readonly comparison?: string;
    /** The error of a try that will be repeated. */
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
  /** The time of the end, RFC 3339. */
  readonly at: string;
  readonly error?: BuildError;
}

/** Ends the active build of a target, in the batch that changes the pointer accordingly. */
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

/** The number of builds that each projection keeps: the active one and the newest of the others. */
export const BUILDS_KEPT = 20;

/** Deletes the builds beyond `BUILDS_KEPT` of every projection in a database. Returns the number of deleted builds. */
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
