import { Column, SQL, is } from 'drizzle-orm';

import type { StreamId } from '../domain/stream.ts';
import type { Preparing } from '../projections/guarded-batch.ts';
import type { Pointer } from '../projections/pointer.ts';
import { NOT_THERE, type Standing } from './standing.ts';

/**
 * A drizzle select, made with `queryBuilder`: it is not run by itself but inside a guarded query. One that is ordered needs a limit, since
 * SQLite leaves an ORDER BY out of a part of a join that has none.
 */
export interface SelectQuery<Result> {
  toSQL(): { sql: string; params: unknown[] };
  readonly _: { readonly selectedFields: Record<string, unknown>; readonly result: Result[] };
}

/** Queries by name, to be answered from one snapshot. */
export type Queries = Readonly<Record<string, SelectQuery<unknown>>>;

/** The rows of each query, under its name. */
export type Answers<Q extends Queries> = {
  readonly [Name in keyof Q]: Q[Name] extends SelectQuery<infer Result> ? readonly Result[] : never;
};

/** Queries of the slot that a pointer says is live, and what is read with them: that pointer's epoch, and where some streams are. */
export interface GuardedQuery<Q extends Queries> {
  readonly projectionName: string;
  readonly pointer: Pointer;
  readonly streams: readonly StreamId[];
  readonly queries: Q;
}

/** What one snapshot of a database holds. */
export interface GuardedAnswer<Q extends Queries> {
  /** Whether the projection's pointer was the one of the query: if not, the rows may be of a slot that is not live. */
  readonly isThisEpoch: boolean;
  /** Where the projection has each stream that was asked for. */
  readonly standings: ReadonlyMap<StreamId, Standing>;
  readonly answers: Answers<Q>;
  /** False only when a replica said that it is one. */
  readonly isPrimary: boolean;
}

type RawRow = Record<string, unknown>;

/**
 * Runs queries together with the checkpoints of their streams and the projection's epoch, so that the version check and the data come from
 * one snapshot (I16) and cost one round trip: one statement for one query, one batch for several.
 */
export async function runGuarded<Q extends Queries>(
  database: D1Database | D1DatabaseSession,
  query: GuardedQuery<Q>,
): Promise<GuardedAnswer<Q>> {
  const [only, ...others] = Object.values(query.queries);
  if (!only || others.length > 0)
    return answerOf(query, await database.batch<RawRow>([...statementsOf(database, query)]));
  const { columns, from, params } = guardOf(query);
  const { sql, params: own } = only.toSQL();
  if (/ ORDER BY /i.test(sql) && !/ LIMIT /i.test(sql)) throw new Error(`an ordered query needs a limit: ${sql}`);
  // A row of its own rather than a part of every row, which takes SQLite twice as long to prepare, and has to be carried with each.
  const whole = database
    .prepare(
      `SELECT NULL AS "guard.epoch", NULL AS "guard.standings", * FROM (${sql})
      UNION ALL
      SELECT ${[...columns, ...Object.keys(only._.selectedFields).map(() => 'NULL')].join(', ')} ${from}`,
    )
    .bind(...own, ...params);
  const both = await whole.all<RawRow>();
  const rows = Map.groupBy(both.results, (row) => row['guard.epoch'] !== null);
  return answerOf(query, [
    { ...both, results: rows.get(true) ?? [] },
    { ...both, results: rows.get(false) ?? [] },
  ]);
}

/** The same as statements of a batch, which may have others before them: the guard, and each query. */
export function statementsOf(database: Preparing, query: GuardedQuery<Queries>): readonly D1PreparedStatement[] {
  const { columns, from, params } = guardOf(query);
  return [
    database.prepare(`SELECT ${columns.join(', ')} ${from}`).bind(...params),
    ...Object.values(query.queries).map((one) => {
      const { sql, params: own } = one.toSQL();
      return database.prepare(sql).bind(...own);
    }),
  ];
}

/** What those statements found. */
export function answerOf<Q extends Queries>(
  { pointer, streams, queries }: GuardedQuery<Q>,
  [guarded, ...rest]: readonly D1Result<RawRow>[],
): GuardedAnswer<Q> {
  const first = guarded?.results[0];
  const standings = first ? (JSON.parse(first['guard.standings'] as string) as (string | null)[][]).flat() : [];
  return {
    isThisEpoch: first?.['guard.epoch'] === pointer.epoch,
    standings: new Map(streams.map((stream, index) => [stream, toStanding(standings[index])])),
    answers: Object.fromEntries(
      Object.entries(queries).map(([name, query], index) => [name, rest[index]?.results.map(decoderOf(query)) ?? []]),
    ) as unknown as Answers<Q>,
    isPrimary: guarded?.meta.served_by_primary !== false,
  };
}

/** D1 takes 32 arguments for a function and 100 bound parameters for a statement; the query needs some of the latter itself. */
const MAX_ARGUMENTS = 32;
const MAX_BOUND_STREAMS = 60;

/** Stands between version and event id where an open dead letter says that the log was restored, and where none does. */
const LOST = '!';
const SOUND = ':';

/** Reads what a subquery of the guard found. */
function toStanding(text: string | null | undefined): Standing {
  const [, version, mark, eventId] = /^([0-9]+)([!:])(.*)$/s.exec(text ?? '') ?? [];
  return version === undefined
    ? NOT_THERE
    : { version: Number(version), eventId: eventId ?? null, isLost: mark === LOST };
}

/**
 * The projection's epoch, and the streams' checkpoints as JSON, each by a subquery that reads one row. A few streams are parameters: a join
 * with `json_each` or an `IN` would be billed for two rows each. Many are one parameter, since a statement has a length too. Whether a dead
 * letter marks the log as restored is looked up by its primary key: where there is none, no row is read.
 */
function guardOf({ projectionName, pointer, streams }: GuardedQuery<Queries>): {
  readonly columns: readonly string[];
  readonly from: string;
  readonly params: readonly string[];
} {
  const standingOf = (stream: string) =>
    `(SELECT c.version || CASE WHEN EXISTS (
        SELECT 1 FROM held_stream AS h
        WHERE h.projection = c.projection AND h.stream = c.stream AND h.cause = 'log-restored'
      ) THEN '${LOST}' ELSE '${SOUND}' END || c.event_id
      FROM checkpoint AS c
      WHERE c.projection = pointer.projection AND c.slot = '${pointer.live.slot}' AND c.stream = ${stream})`;
  const isMany = streams.length > MAX_BOUND_STREAMS;
  const standings = isMany
    ? `(SELECT json_group_array(${standingOf('asked.value')} ORDER BY asked.key) FROM json_each(?) AS asked)`
    : inParts(streams.map(() => standingOf('?')));
  return {
    columns: ['pointer.epoch AS "guard.epoch"', `${standings} AS "guard.standings"`],
    from: 'FROM projection_pointer AS pointer WHERE pointer.projection = ?',
    params: [...(isMany ? [JSON.stringify(streams)] : streams), projectionName],
  };
}

/** An array of arrays, as many as it takes. */
function inParts(expressions: readonly string[]): string {
  const parts = Array.from(
    { length: Math.ceil(expressions.length / MAX_ARGUMENTS) },
    (_, index) => `json_array(${expressions.slice(index * MAX_ARGUMENTS, (index + 1) * MAX_ARGUMENTS).join(', ')})`,
  );
  return `json_array(${parts.join(', ')})`;
}

/** Maps a row of the database to what the query selected: by property name, decoded as drizzle would. */
function decoderOf<Result>(query: SelectQuery<Result>): (row: Record<string, unknown>) => Result {
  const fields = Object.entries(query._.selectedFields).map(([property, field]) => {
    if (is(field, Column))
      return { property, name: field.name, decode: (value: unknown) => field.mapFromDriverValue(value) };
    if (is(field, SQL.Aliased)) return { property, name: field.fieldAlias, decode: (value: unknown) => value };
    throw new Error(`"${property}" is neither a column nor an aliased expression (sql\`…\`.as('${property}'))`);
  });
  return (row) => {
    const result: Record<string, unknown> = {};
    for (const { property, name, decode } of fields) result[property] = row[name] === null ? null : decode(row[name]);
    return result as Result;
  };
}
