import type { StreamId } from '../domain/stream.ts';

/**
 * SQL condition: leaves out the streams that a restored log stops in the live slot, whose position is `live`. A build takes these streams from the
 * restored log, which may be shorter. `projection` is an SQL expression.
 */
export function butForRestoredLogs(projection: string): string {
  return `NOT EXISTS (
    SELECT 1 FROM held_stream AS h
    WHERE h.projection = ${projection} AND h.stream = live.stream AND h.cause = 'log-restored'
  )`;
}

/** Reads the streams whose log was restored to an earlier time, as far as the live slot has noticed. */
export function restoredStatement(database: D1Database, projectionName: string): D1PreparedStatement {
  return database
    .prepare(`SELECT stream FROM dead_letter WHERE projection = ?1 AND cause = 'log-restored'`)
    .bind(projectionName);
}

/** The streams whose log was restored to an earlier time, as far as the live slot has noticed. */
export async function restoredIn(database: D1Database, projectionName: string): Promise<readonly StreamId[]> {
  const { results } = await restoredStatement(database, projectionName).all<{ stream: StreamId }>();
  return results.map(({ stream }) => stream);
}
