import type { Slot } from '../../src/tidemark/projections/slot-tables.ts';

/*
 * Where projections stand. A target has a row of its own in `checkpoint`, or is named by the stream's row in `shared_checkpoint`.
 */

/** The tables of positions. */
export const CHECKPOINT_TABLES = ['checkpoint', 'shared_checkpoint'] as const;

interface PositionRow {
  readonly projection: string;
  readonly slot: Slot;
  readonly stream: string;
  readonly version: number;
  readonly event_id: string;
}

/** The positions in one stream, or in all, in order. */
export async function positionsIn(database: D1Database, stream?: string): Promise<readonly PositionRow[]> {
  const { results } = await database
    .prepare('SELECT * FROM target_position WHERE ?1 IS NULL OR stream = ?1 ORDER BY projection, slot, stream')
    .bind(stream ?? null)
    .all<PositionRow>();
  return results;
}

/** The version of one target in a stream; 0 without one. */
export async function versionIn(
  database: D1Database,
  projection: string,
  stream: string,
  slot: Slot = 'a',
): Promise<number> {
  const positions = await positionsIn(database, stream);
  return positions.find((at) => at.projection === projection && at.slot === slot)?.version ?? 0;
}

/** Gives each target a row of its own, so that a test can change one target's position with `UPDATE checkpoint`. */
export async function separateCheckpoints(database: D1Database): Promise<void> {
  const positions = await positionsIn(database);
  await database.batch([
    database.prepare('DELETE FROM shared_checkpoint'),
    database
      .prepare(
        `INSERT INTO checkpoint (projection, slot, stream, version, event_id)
        SELECT value ->> 'projection', value ->> 'slot', value ->> 'stream', value ->> 'version', value ->> 'event_id'
        FROM json_each(?)
        WHERE true
        ON CONFLICT DO NOTHING`,
      )
      .bind(JSON.stringify(positions)),
  ]);
}

/** Has the targets that stand at one event of a stream share a row. For tests in which all targets of a stream do. */
export async function shareCheckpoints(database: D1Database): Promise<void> {
  await separateCheckpoints(database);
  await database.batch([
    database.prepare(
      `CREATE TABLE shared_by_test AS
      SELECT stream, version, event_id, json_group_array(projection || '/' || slot ORDER BY projection, slot) AS vouches
      FROM checkpoint GROUP BY stream, version, event_id`,
    ),
    database.prepare('DELETE FROM checkpoint'),
    database.prepare('INSERT INTO shared_checkpoint SELECT * FROM shared_by_test'),
    database.prepare('DROP TABLE shared_by_test'),
  ]);
}

/** Deletes the positions of one projection, as if it had never seen a stream. */
export async function forgetPositions(database: D1Database, projection: string): Promise<void> {
  await separateCheckpoints(database);
  await database.prepare('DELETE FROM checkpoint WHERE projection = ?').bind(projection).run();
}
