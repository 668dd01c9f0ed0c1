import { INTERNAL_ERROR } from '../projections/d1-errors.ts';
import type { Preparing } from '../projections/guarded-batch.ts';
import type { Pointer, Target } from '../projections/pointer.ts';
import type { Slot } from '../projections/slot-tables.ts';

/*
 * An SQL error that is not a constraint may come from one stream's data, or hit every stream. A trial decides (write-trial.ts). An error of one
 * stream becomes a dead letter. An error of every stream belongs to the projection: one row here, a reason in /health, slow retries, and no dead
 * letter.
 *
 * A trigger on inserts does not fire on updates, so an applied update proves nothing about inserts. That is why a fault stays open until one of three
 * things happens. Each kind of write that met it has been applied again, a trial has shown that all of them work, or another slot is live.
 */

/** An error that keeps a projection from being written. */
export interface ProjectionFault {
  /** The database's error, as `kindOf` shortens it: without the values that it quotes. /health shows it to everyone. */
  readonly kind: string;
  /** When the error first occurred, RFC 3339. */
  readonly firstAt: string;
  /** When the last kind of write that met the error was applied again, RFC 3339. Null while the fault is open. */
  readonly appliedAt: string | null;
}

/** Time, in ms, for which an internal error of D1 counts as transient. */
const INTERNAL_ERROR_PASSES_MS = 10 * 60_000;

/**
 * Whether an internal error of D1 has lasted too long to be transient: for ten minutes, no batch has made the writes that met it. Until then the row
 * of the fault is only a suspicion.
 */
export function hasLasted(fault: ProjectionFault | undefined, now: number): boolean {
  if (fault?.kind !== INTERNAL_ERROR || fault.appliedAt !== null) return false;
  return now - Date.parse(fault.firstAt) >= INTERNAL_ERROR_PASSES_MS;
}

/** SQL condition: the row `f` of projection_fault is an open fault, not only a suspicion. */
export const IS_FAULT = `f.applied_at IS NULL AND (
  f.kind <> '${INTERNAL_ERROR}' OR unixepoch(f.last_at) - unixepoch(f.first_at) >= ${INTERNAL_ERROR_PASSES_MS / 1_000}
)`;

/** Reads the recorded fault of a projection: one row, or none. */
export function faultStatement(database: D1Database, projectionName: string): D1PreparedStatement {
  return database
    .prepare(`SELECT kind, first_at, applied_at FROM projection_fault WHERE projection = ?1`)
    .bind(projectionName);
}

/** Reads the answer of `faultStatement`. */
export function toFault(row: unknown): ProjectionFault | undefined {
  if (!row) return undefined;
  const {
    kind,
    first_at: firstAt,
    applied_at: appliedAt,
  } = row as Record<'kind' | 'first_at', string> & Record<'applied_at', string | null>;
  return { kind, firstAt, appliedAt };
}

/** Records kinds of write that the tables refuse for every stream. Does nothing if the pointer has changed since it was read. */
export async function noteFault(
  database: D1Database,
  projectionName: string,
  { epoch }: Pointer,
  kind: string,
  writes: readonly string[],
  at: string,
): Promise<void> {
  await database
    .prepare(
      `INSERT INTO projection_fault (projection, kind, first_at, last_at, applied_at, writes)
      SELECT projection, ?2, ?3, ?3, NULL, ?4 FROM projection_pointer WHERE projection = ?1 AND epoch = ?5
      ON CONFLICT (projection) DO UPDATE SET
        first_at = CASE WHEN kind = excluded.kind AND applied_at IS NULL THEN first_at ELSE excluded.first_at END,
        -- One error may hide another: a kind of write that was open stays open until it is applied.
        writes = CASE WHEN applied_at IS NULL THEN json_patch(coalesce(writes, '{}'), excluded.writes) ELSE excluded.writes END,
        kind = excluded.kind, last_at = excluded.last_at, applied_at = NULL
      WHERE applied_at IS NOT NULL OR kind = excluded.kind OR excluded.kind <> '${INTERNAL_ERROR}'`,
    )
    .bind(projectionName, kind, at, JSON.stringify(Object.fromEntries(writes.map((write) => [write, false]))), epoch)
    .run();
}

/** Records kinds of write as applied, in the batch that applies them. The last one that had met the fault closes it. */
export function noteApplied(
  database: Preparing,
  projectionName: string,
  writes: readonly string[],
  at: string,
): D1PreparedStatement {
  return database
    .prepare(
      `UPDATE projection_fault SET
        writes = json_patch(writes, ?2),
        applied_at = CASE WHEN NOT EXISTS (SELECT 1 FROM json_each(json_patch(writes, ?2)) AS write WHERE NOT write.value) THEN ?3 END
      WHERE projection = ?1 AND applied_at IS NULL`,
    )
    .bind(projectionName, JSON.stringify(Object.fromEntries(writes.map((write) => [write, true]))), at);
}

/** An open fault, and the live target that has it. */
export interface OpenFault {
  readonly projection: string;
  readonly live: Target;
  /** The kinds of write that met the fault and have not been applied since. */
  readonly writes: readonly string[];
}

/** The open faults of a database. Leaves out a fault that an earlier release recorded without kinds of write: any batch closes it. */
export async function openFaults(database: D1Database): Promise<readonly OpenFault[]> {
  const { results } = await database
    .prepare(
      `SELECT f.projection, p.live_revision, p.live_slot,
        (SELECT json_group_array(write.key) FROM json_each(f.writes) AS write WHERE NOT write.value) AS writes
      FROM projection_fault AS f JOIN projection_pointer AS p ON p.projection = f.projection
      WHERE f.applied_at IS NULL AND f.writes IS NOT NULL`,
    )
    .all<{ projection: string; live_revision: number; live_slot: Slot; writes: string }>();
  return results.map(({ projection, live_revision: revision, live_slot: slot, writes }) => ({
    projection,
    live: { revision, slot },
    writes: JSON.parse(writes) as readonly string[],
  }));
}

/** Deletes the fault, as a part of the pointer change that leaves the faulty tables. */
export function forgetFault(database: D1Database, projectionName: string): D1PreparedStatement {
  return database.prepare(`DELETE FROM projection_fault WHERE projection = ?1`).bind(projectionName);
}
