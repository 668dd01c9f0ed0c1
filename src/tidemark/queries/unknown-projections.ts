import type { Projection } from '../projections/projection.ts';

/**
 * The names of projections that a database has and this Worker has no code for: during a gradual deployment, those of a newer Worker. Reads one row
 * for each projection.
 */
export async function unknownProjections(
  database: D1Database | D1DatabaseSession,
  known: readonly Pick<Projection, 'name'>[],
): Promise<readonly string[]> {
  const { results } = await database
    .prepare(
      `SELECT projection
      FROM projection_pointer
      WHERE projection NOT IN (SELECT value FROM json_each(?1))`,
    )
    .bind(JSON.stringify(known.map(({ name }) => name)))
    .all<{ projection: string }>();
  return results.map(({ projection }) => projection);
}
