import { type StreamId } from '../domain/stream.ts';
import { joinPosition, positionAt } from '../projections/checkpoint.ts';
import { boundLists } from '../projections/bound-lists.ts';
import type { Preparing } from '../projections/guarded-batch.ts';
import type { Pointer } from '../projections/pointer.ts';

/** Why a stream needs a decision by an operator: no retry brings it further. */
export type DeadLetterCause =
  /** A handler threw, or a constraint refused its rows. */
  | 'poison'
  /** The log was restored to an earlier time: it is no longer the log behind the checkpoint. */
  | 'log-restored';

/** An event that the live slot of a projection cannot apply. */
export interface Refusal {
  readonly stream: StreamId;
  /** The version of the event: the one after the checkpoint. */
  readonly version: number;
  /** Empty if the log has no such event. */
  readonly eventId: string;
  readonly cause: DeadLetterCause;
  /** The type and the place of the error: refusals of one bug share them. */
  readonly kind: string;
  readonly error: string;
}

/** What keeps a stream from being applied in a projection, beside its checkpoint. */
export interface Obstacles {
  /** The event after the live checkpoint, if it was refused before. An open one is a dead letter: the stream waits for an operator. */
  readonly refused?: Pick<Refusal, 'version' | 'cause' | 'error'> & { readonly isOpen: boolean };
  /** The ids of the events that an operator has skipped, by version. */
  readonly skipped: ReadonlyMap<number, string>;
}

export const NO_OBSTACLES: Obstacles = { skipped: new Map() };

/** The number of a projection's streams that an open dead letter holds. */
export async function countHeld(database: D1Database, projectionName: string): Promise<number> {
  const held = database.prepare(`SELECT count(*) AS held FROM held_stream WHERE projection = ?1`).bind(projectionName);
  return (await held.first<number>('held')) ?? 0;
}

/** Reads the obstacles of some streams. One bound parameter, however many streams. */
export function obstaclesStatement(
  database: D1Database,
  projectionName: string,
  streams: readonly StreamId[],
): D1PreparedStatement {
  return database
    .prepare(
      `SELECT r.stream, r.version, r.cause, r.error, r.is_open, NULL AS skipped_id
      FROM ${wantedIf('dead_letter')}
      CROSS JOIN refused_event AS r ON r.projection = ?2 AND r.stream = wanted.value
      UNION ALL
      SELECT s.stream, s.version, NULL, NULL, NULL, s.event_id
      FROM ${wantedIf('skipped_event')}
      CROSS JOIN skipped_event AS s ON s.projection = ?2 AND s.stream = wanted.value`,
    )
    .bind(JSON.stringify(streams), projectionName);
}

/**
 * The streams `?1`, or none if the projection `?2` has no row in the table. That is the usual case, and each stream of a list is billed as a row.
 * Needs a CROSS JOIN: otherwise SQLite reads all rows of the projection for each stream.
 */
function wantedIf(table: 'dead_letter' | 'skipped_event'): string {
  return `json_each(iif(EXISTS (SELECT 1 FROM ${table} WHERE projection = ?2), ?1, '[]')) AS wanted`;
}

interface ObstacleRow extends Omit<NonNullable<Obstacles['refused']>, 'isOpen'> {
  readonly stream: StreamId;
  readonly is_open: number;
  /** Null if the row is about the refused event. */
  readonly skipped_id: string | null;
}

/** Reads the answer of `obstaclesStatement`. */
export function toObstacles(rows: readonly unknown[]): ReadonlyMap<StreamId, Obstacles> {
  const byStream = Map.groupBy(rows as readonly ObstacleRow[], ({ stream }) => stream);
  return new Map(
    [...byStream].map(([stream, found]) => {
      const refused = found.find(({ skipped_id: skippedId }) => skippedId === null);
      const skipped = found.flatMap(({ version, skipped_id: skippedId }): readonly [number, string][] =>
        skippedId === null ? [] : [[version, skippedId]],
      );
      return [stream, { ...(refused && { refused: toRefused(refused) }), skipped: new Map(skipped) }];
    }),
  );
}

function toRefused({ version, cause, error, is_open: isOpen }: ObstacleRow): NonNullable<Obstacles['refused']> {
  return { version, cause, error, isOpen: isOpen === 1 };
}

/** The refusals by the live slot that make an event a dead letter. */
const TRIES_BEFORE_DEAD = 3;

/**
 * Counts each refusal for its (projection, stream, version), and opens those that have been refused often enough. Returns, by stream, which are open.
 * Does so only under the given pointer, and while the live checkpoint is right before the event. The answer lacks an overtaken refusal, which is not
 * counted.
 *
 * Two kinds open at once: with `opensAtOnce`, all of them; and always a log that contradicts the checkpoint, since a retry does not change that.
 */
export async function recordRefusals(
  database: D1Database,
  projectionName: string,
  pointer: Pointer,
  refusals: readonly Refusal[],
  { at, opensAtOnce = false }: { readonly at: string; readonly opensAtOnce?: boolean },
): Promise<ReadonlyMap<StreamId, boolean>> {
  const statement = database.prepare(
    `INSERT INTO dead_letter
      (projection, stream, version, event_id, cause, kind, error, tries, first_at, last_at, is_open)
    SELECT ?2, refusal.value ->> 0, refusal.value ->> 1, refusal.value ->> 2, refusal.value ->> 3, refusal.value ->> 4,
      refusal.value ->> 5, 1, ?4, ?4, refusal.value ->> 6
    FROM json_each(?1) AS refusal
    JOIN projection_pointer AS pointer ON pointer.projection = ?2 AND pointer.epoch = ?3
    ${joinPosition('live', '?2', 'pointer.live_slot', 'refusal.value ->> 0')}
    WHERE coalesce(${positionAt('live', 'version')}, 0) = (refusal.value ->> 1) - 1
    ON CONFLICT (projection, stream) DO UPDATE SET
      tries = CASE WHEN version = excluded.version THEN tries + 1 ELSE 1 END,
      first_at = CASE WHEN version = excluded.version THEN first_at ELSE excluded.first_at END,
      is_open = CASE WHEN version = excluded.version THEN max(is_open, excluded.is_open, tries + 1 >= ${TRIES_BEFORE_DEAD})
        ELSE excluded.is_open END,
      version = excluded.version, event_id = excluded.event_id, cause = excluded.cause, kind = excluded.kind,
      error = excluded.error, last_at = excluded.last_at
    RETURNING stream, is_open`,
  );
  const values = refusals.map(({ stream, version, eventId, cause, kind, error }) => [
    stream,
    version,
    eventId,
    cause,
    keptKind(kind),
    keptError(error),
    Number(opensAtOnce || cause === 'log-restored'),
  ]);
  const counted = await database.batch<{ stream: StreamId; is_open: number }>(
    boundLists(values).map((list) => statement.bind(list, projectionName, pointer.epoch, at)),
  );
  return new Map(
    counted.flatMap(({ results }) => results.map(({ stream, is_open: isOpen }) => [stream, isOpen === 1] as const)),
  );
}

const MAX_KIND_LENGTH = 200;
const MAX_ERROR_LENGTH = 2_000;

/** A kind, cut to the stored length. */
export function keptKind(kind: string): string {
  return cut(kind, MAX_KIND_LENGTH);
}

/** An error, cut to the stored length. */
export function keptError(error: string): string {
  return cut(error, MAX_ERROR_LENGTH);
}

function cut(text: string, maxLength: number): string {
  return text.length <= maxLength ? text : `${text.slice(0, maxLength - 1)}…`;
}

/** Deletes the refusals of some streams, in the guarded batch that moves the streams past them. */
export function forgetRefusals(
  database: Preparing,
  projectionName: string,
  streams: readonly StreamId[],
): D1PreparedStatement {
  return database
    .prepare(`DELETE FROM dead_letter WHERE projection = ?1 AND stream IN (SELECT value FROM json_each(?2))`)
    .bind(projectionName, JSON.stringify(streams));
}
