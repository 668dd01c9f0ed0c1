import { Column, SQL, is } from 'drizzle-orm';

import type { StreamId } from '../stream.ts';
import type { Pointer } from './pointer.ts';

/** A drizzle select, made with `queryBuilder`: it is not run by itself but inside a guarded query. */
export interface SelectQuery<Result> {
  toSQL(): { sql: string; params: unknown[] };
  readonly _: { readonly selectedFields: Record<string, unknown>; readonly result: Result[] };
}

/** What one snapshot of a database holds: rows, how far the projection was with some streams, and which epoch it was in. */
export interface GuardedAnswer<Result> {
  /** Undefined when the projection has no pointer there. */
  readonly epoch: number | undefined;
  /** The version of each stream that was asked for; 0 where the projection has not seen it. */
  readonly versions: ReadonlyMap<StreamId, number>;
  readonly rows: readonly Result[];
  /** False only when a replica said that it is one. */
  readonly isPrimary: boolean;
  readonly rowsRead: number;
}

/**
 * Runs a query together with the checkpoints of `streams` and the projection's epoch in one statement, so that the version check and the
 * data come from one snapshot (I16) and cost one round trip.
 */
export async function runGuarded<Result>(
  database: D1Database | D1DatabaseSession,
  projectionName: string,
  pointer: Pointer,
  streams: readonly StreamId[],
  query: SelectQuery<Result>,
): Promise<GuardedAnswer<Result>> {
  const { sql, params } = query.toSQL();
  const checkpoints =
    streams.length === 0
      ? `NULL`
      : `(SELECT json_group_array(json_array(wanted.value, coalesce(c.version, 0)))
        FROM json_each(?) AS wanted
        LEFT JOIN checkpoint AS c ON c.projection = pointer.projection AND c.slot = ? AND c.stream = wanted.value)`;
  const checkpointParams = streams.length === 0 ? [] : [JSON.stringify(streams), pointer.live.slot];
  const answer = await database
    .prepare(
      `SELECT pointer.epoch AS "guard.epoch", ${checkpoints} AS "guard.checkpoints", answer.*
      FROM projection_pointer AS pointer
      LEFT JOIN (SELECT 1 AS "guard.found", answer.* FROM (${sql}) AS answer) AS answer ON true
      WHERE pointer.projection = ?`,
    )
    .bind(...checkpointParams, ...params, projectionName)
    .all<Record<string, unknown>>();

  const first = answer.results[0];
  const versions = first?.['guard.checkpoints'] ? (JSON.parse(first['guard.checkpoints'] as string) as [StreamId, number][]) : [];
  const decode = decoderOf<Result>(query);
  return {
    epoch: first?.['guard.epoch'] as number | undefined,
    versions: new Map(versions),
    rows: answer.results.filter((row) => row['guard.found'] === 1).map(decode),
    isPrimary: answer.meta.served_by_primary !== false,
    rowsRead: answer.meta.rows_read,
  };
}

/** Maps a row of the database to what the query selected: by property name, decoded as drizzle would. */
function decoderOf<Result>(query: SelectQuery<Result>): (row: Record<string, unknown>) => Result {
  const fields = Object.entries(query._.selectedFields).map(([property, field]) => {
    if (is(field, Column)) return { property, name: field.name, decode: (value: unknown) => field.mapFromDriverValue(value) };
    if (is(field, SQL.Aliased)) return { property, name: field.fieldAlias, decode: (value: unknown) => value };
    throw new Error(`"${property}" is neither a column nor an aliased expression (sql\`…\`.as('${property}'))`);
  });
  return (row) =>
    Object.fromEntries(
      fields.map(({ property, name, decode }) => [property, row[name] === null ? null : decode(row[name])]),
    ) as Result;
}
