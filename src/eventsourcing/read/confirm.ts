import type { StreamId } from '../stream.ts';
import type { Projection } from './projection.ts';

/**
 * How far the live slots of some projections of one database have brought some streams, on its primary: one statement for all of
 * them. A projection without a row for a stream is at version 0, not "up to date".
 */
export async function liveVersions(
  database: D1Database | D1DatabaseSession,
  projections: readonly Pick<Projection, 'name'>[],
  streams: readonly StreamId[],
): Promise<readonly { readonly projection: string; readonly stream: StreamId; readonly version: number }[]> {
  const { results } = await database
    .prepare(
      `SELECT projection.value AS projection, stream.value AS stream, coalesce(c.version, 0) AS version
      FROM json_each(?1) AS projection
      CROSS JOIN json_each(?2) AS stream
      LEFT JOIN projection_pointer AS pointer ON pointer.projection = projection.value
      LEFT JOIN checkpoint AS c
        ON c.projection = projection.value AND c.slot = pointer.live_slot AND c.stream = stream.value`,
    )
    .bind(JSON.stringify(projections.map(({ name }) => name)), JSON.stringify(streams))
    .all<{ projection: string; stream: StreamId; version: number }>();
  return results;
}
