import type { Preparing } from './guarded-batch.ts';

/*
 * An SQL error that is no constraint may be one stream's (a trigger that fails at one row) or every stream's (a table that is missing, an
 * index that is damaged). One stream's becomes a dead letter. Every stream's belongs to the projection: one row here, a reason in /health,
 * slow retries, and no dead letter.
 *
 * What tells the two apart is whether any other stream can be applied meanwhile. So a fault is open until a batch of the projection is
 * applied again. If a stream meets the same error after that, the error is the stream's own.
 */

/** What keeps a projection from being written. */
export interface ProjectionFault {
  /** The database's own words for the error, without any data. */
  readonly kind: string;
  /** RFC 3339. */
  readonly lastAt: string;
  /** When a batch of the projection was applied after the fault was met last, RFC 3339; null: none was, and the fault is open. */
  readonly appliedAt: string | null;
}

/** How long it counts, in ms, that others could be applied while a stream met the error. */
const EVIDENCE_MS = 15 * 60_000;

/** Whether a stream that meets an error of this kind is alone with it, as far as the fault's row tells. */
export function isOthersApplied(fault: ProjectionFault | undefined, kind: string, now: number): boolean {
  if (!fault || fault.appliedAt === null || fault.kind !== kind) return false;
  return now - Date.parse(fault.appliedAt) < EVIDENCE_MS;
}

/** Reads the fault of a projection: no row where it never had one. */
export function faultStatement(database: D1Database, projectionName: string): D1PreparedStatement {
  return database
    .prepare(`SELECT kind, last_at, applied_at FROM projection_fault WHERE projection = ?1`)
    .bind(projectionName);
}

/** Reads the answer of `faultStatement`. */
export function toFault(row: unknown): ProjectionFault | undefined {
  if (!row) return undefined;
  const { kind, last_at: lastAt, applied_at: appliedAt } = row as Record<string, string>;
  return { kind: kind as string, lastAt: lastAt as string, appliedAt: appliedAt ?? null };
}

/** Notes that streams met an error which no other stream is known to be free of. */
export async function noteFault(database: D1Database, projectionName: string, kind: string, at: string): Promise<void> {
  await database
    .prepare(
      `INSERT INTO projection_fault (projection, kind, first_at, last_at, applied_at)
      VALUES (?1, ?2, ?3, ?3, NULL)
      ON CONFLICT (projection) DO UPDATE SET
        first_at = CASE WHEN kind = excluded.kind AND applied_at IS NULL THEN first_at ELSE excluded.first_at END,
        kind = excluded.kind, last_at = excluded.last_at, applied_at = NULL`,
    )
    .bind(projectionName, kind, at)
    .run();
}

/** Notes that a batch of the projection was applied: for that very batch. */
export function closeFault(database: Preparing, projectionName: string, at: string): D1PreparedStatement {
  return database
    .prepare(`UPDATE projection_fault SET applied_at = ?2 WHERE projection = ?1 AND applied_at IS NULL`)
    .bind(projectionName, at);
}
