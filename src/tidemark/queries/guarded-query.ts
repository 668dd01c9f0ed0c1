import { Column, SQL, is } from 'drizzle-orm';

import type { StreamId } from '../domain/stream.ts';
import type { Preparing } from '../projections/guarded-batch.ts';
import { joinPosition, positionAt } from '../projections/checkpoint.ts';
import type { Pointer } from '../projections/pointer.ts';
import { NOT_THERE, type Standing } from './standing.ts';

/**
 * A drizzle select, made with `queryBuilder`. It runs inside a guarded query. An ordered one needs a limit: SQLite drops the ORDER BY of a subquery
 * without a limit.
 */
export interface SelectQuery<Result> {
  toSQL(): { sql: string; params: unknown[] };
  readonly _: { readonly selectedFields: Record<string, unknown>; readonly result: Result[] };
  /** Makes the result of a decoded row. Default: the row is the result. */
  readonly toResult?: (row: never) => Result;
}

/** Queries by name. One snapshot answers all of them. */
export type Queries = Readonly<Record<string, SelectQuery<unknown>>>;

/** The rows of each query, under its name. */
export type Answers<Q extends Queries> = {
  readonly [Name in keyof Q]: Q[Name] extends SelectQuery<infer Result> ? readonly Result[] : never;
};

/** Queries of the slot that a pointer names as live. They read the pointer's epoch and the standings of some streams too. */
export interface GuardedQuery<Q extends Queries> {
  readonly projectionName: string;
  readonly pointer: Pointer;
  readonly streams: readonly StreamId[];
  readonly queries: Q;
}

/** The answer from one snapshot of a database. */
export interface GuardedAnswer<Q extends Queries> {
  /** Whether the projection still had the epoch of the query. If not, the rows may come from a slot that is not live. */
  readonly isThisEpoch: boolean;
  /** The standing of each stream of the query. */
  readonly standings: ReadonlyMap<StreamId, Standing>;
  readonly answers: Answers<Q>;
  /** False only if the database said that a replica answered. */
  readonly isPrimary: boolean;
}

type RawRow = Record<string, unknown>;

/**
 * Runs queries together with the checkpoints of their streams and the projection's epoch. So the versions and the data come from one snapshot (I16),
 * and cost one round trip: one statement for one query, one batch for several.
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
  // The guard is a row of its own. As columns of every row it would double SQLite's time to prepare, and travel with each row.
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

/** The same as statements for a batch: the guard, then each query. The batch may have other statements before them. */
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

/** Reads the answers of `statementsOf`. */
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

/** D1 allows 32 arguments of a function and 100 bound parameters of a statement. The query itself needs some of these parameters. */
const MAX_ARGUMENTS = 32;
const MAX_BOUND_STREAMS = 60;

/** Separates version and event id: `LOST` if an open dead letter says that the log was restored, else `SOUND`. */
const LOST = '!';
const SOUND = ':';

/** Reads the result of one subquery of the guard. */
function toStanding(text: string | null | undefined): Standing {
  const [, version, mark, eventId] = /^([0-9]+)([!:])(.*)$/s.exec(text ?? '') ?? [];
  return version === undefined
    ? NOT_THERE
    : { version: Number(version), eventId: eventId ?? null, isLost: mark === LOST };
}

/**
 * The projection's epoch, and the streams' checkpoints as JSON. One subquery for each stream reads one row. A few streams are parameters: a join with
 * `json_each` or an `IN` would be billed for two rows each. Many streams are one parameter, since a statement's length is limited too. A subquery
 * looks up by primary key whether a dead letter marks the log as restored. Without a dead letter it reads no row.
 */
function guardOf({ projectionName, pointer, streams }: GuardedQuery<Queries>): {
  readonly columns: readonly string[];
  readonly from: string;
  readonly params: readonly string[];
} {
  const standingOf = (stream: string) =>
    `(SELECT ${positionAt('live', 'version')} || CASE WHEN EXISTS (
        SELECT 1 FROM held_stream AS h
        WHERE h.projection = pointer.projection AND h.stream = asked.stream AND h.cause = 'log-restored'
      ) THEN '${LOST}' ELSE '${SOUND}' END || ${positionAt('live', 'event_id')}
      FROM (SELECT ${stream} AS stream) AS asked
      ${joinPosition('live', 'pointer.projection', `'${pointer.live.slot}'`, 'asked.stream')})`;
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

/** A JSON array of arrays, each within the limit of arguments. */
function inParts(expressions: readonly string[]): string {
  const parts = Array.from(
    { length: Math.ceil(expressions.length / MAX_ARGUMENTS) },
    (_, index) => `json_array(${expressions.slice(index * MAX_ARGUMENTS, (index + 1) * MAX_ARGUMENTS).join(', ')})`,
  );
  return `json_array(${parts.join(', ')})`;
}

/** Maps a row of the database to the query's result: by property name, decoded as drizzle does. */
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
    return (query.toResult ? query.toResult(result as never) : result) as Result;
  };
}
