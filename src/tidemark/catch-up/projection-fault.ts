import { INTERNAL_ERROR } from '../projections/d1-errors.ts';
import type { Preparing } from '../projections/guarded-batch.ts';
import type { Pointer, Target } from '../projections/pointer.ts';
import type { Slot } from '../projections/slot-tables.ts';

/*
 * An SQL error that is no constraint may be one stream's or every stream's: a trial tells (write-trial.ts). One stream's becomes a dead
 * letter. Every stream's belongs to the projection: one row here, a reason in /health, slow retries, and no dead letter.
 *
 * A trigger on inserts leaves every update alone: that updates are applied says nothing. So a fault is open until each kind of write that
 * met it has been applied again, a trial has shown that all work, or another slot is live.
 */

/** What keeps a projection from being written. */
export interface ProjectionFault {
  /** The database's words for the error as `kindOf` has them: without what they quote, and cut. /health shows them to everybody. */
  readonly kind: string;
  /** When the error was met first, RFC 3339. */
  readonly firstAt: string;
  /** When the last of them was applied, RFC 3339; null: some was not, and the fault is open. */
  readonly appliedAt: string | null;
}

/** So long, in ms, an internal error of D1 counts as one that passes. */
const INTERNAL_ERROR_PASSES_MS = 10 * 60_000;

/**
 * Whether an internal error of D1 has lasted too long for one that passes: for ten minutes nobody could make the writes that met it. Until
 * then the fault's row is a mere suspicion.
 */
export function hasLasted(fault: ProjectionFault | undefined, now: number): boolean {
  if (fault?.kind !== INTERNAL_ERROR || fault.appliedAt !== null) return false;
  return now - Date.parse(fault.firstAt) >= INTERNAL_ERROR_PASSES_MS;
}

/** That a row `f` of projection_fault is an open fault, and no mere suspicion. */
export const IS_FAULT = `f.applied_at IS NULL AND (
  f.kind <> '${INTERNAL_ERROR}' OR unixepoch(f.last_at) - unixepoch(f.first_at) >= ${INTERNAL_ERROR_PASSES_MS / 1_000}
)`;

/** Reads the fault of a projection: no row where it never had one. */
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

/** Notes some kinds of write that the tables refuse whatever the stream. Only under the pointer as it was read. */
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
        -- One error may hide another: what was open before stays so until it is applied.
        writes = CASE WHEN applied_at IS NULL THEN json_patch(coalesce(writes, '{}'), excluded.writes) ELSE excluded.writes END,
        kind = excluded.kind, last_at = excluded.last_at, applied_at = NULL
      WHERE applied_at IS NOT NULL OR kind = excluded.kind OR excluded.kind <> '${INTERNAL_ERROR}'`,
    )
    .bind(projectionName, kind, at, JSON.stringify(Object.fromEntries(writes.map((write) => [write, false]))), epoch)
    .run();
}

/** Notes what kinds of write were applied, which closes the fault with the last that had met it: for the very batch that applies them. */
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

/** A fault that is open, and where. */
export interface OpenFault {
  readonly projection: string;
  readonly live: Target;
  /** The kinds of write that met it and were not applied since. */
  readonly writes: readonly string[];
}

/** The open faults of a database. One that an earlier release has noted without its kinds of write is left out: any batch closes it. */
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

/** Forgets the fault: for the change of the pointer that leaves the tables which have it. */
export function forgetFault(database: D1Database, projectionName: string): D1PreparedStatement {
  return database.prepare(`DELETE FROM projection_fault WHERE projection = ?1`).bind(projectionName);
}
