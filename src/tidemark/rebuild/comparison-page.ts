/** One table in two slots: its key, and the columns to compare. Column names are those of the database. */
export interface TablePair {
  /** The tables' names in the database. Undefined if the slot has no such table. Then all rows of the other table are missing from it. */
  readonly live: string | undefined;
  readonly build: string | undefined;
  /** None of these may be NULL. */
  readonly key: readonly string[];
  readonly columns: readonly string[];
  /** Whether a row with 0 in all columns counts as no row. */
  readonly isZeroNone: boolean;
}

/** The result of one page of a comparison. */
export interface ComparedPage {
  readonly live: number;
  readonly build: number;
  readonly differing: number;
  /** The last key of the page, after which the next page starts. Undefined after the last page. */
  readonly cursor: string | undefined;
  readonly first: readonly RowDifference[];
}

/** One row. If both slots have it, the columns that differ; else the whole row, and null for the slot without it. */
export interface RowDifference {
  readonly key: ShownRow;
  readonly live: ShownRow | null;
  readonly build: ShownRow | null;
}

/** Values by column: integers beyond 2^53 as text, blobs as X'…', text cut after 500 characters (it then ends with …). */
export type ShownRow = Readonly<Record<string, string | number | null>>;

/**
 * Compares the next `pageSize` keys after `cursor` that either slot has. One statement reads both slots from one snapshot, and at most `pageSize`
 * rows of each.
 */
export async function comparePage(
  database: D1Database,
  pair: TablePair,
  cursor: string | undefined,
  pageSize: number,
  maxShown: number,
): Promise<ComparedPage> {
  const { results } = await database
    .prepare(pageQuery(pair, cursor !== undefined))
    .bind(cursor ?? null, pageSize, maxShown)
    .all();
  const { pairs, live, build, differing, last } = results[0] as unknown as PageTotals;
  // SQL finds nothing after a NULL. So the comparison stops, instead of reporting rows as equal that it never compared.
  if (last !== null && (JSON.parse(last) as unknown[]).includes(null)) {
    throw new Error(`a key of ${[pair.live, pair.build].join(' or ')} is NULL`);
  }
  return {
    live,
    build,
    differing,
    cursor: pairs === pageSize && last !== null ? last : undefined,
    first: differencesIn(pair, results),
  };
}

interface PageTotals {
  /** The number of keys on the page. */
  readonly pairs: number;
  readonly live: number;
  readonly build: number;
  readonly differing: number;
  /** The last key of the page, as JSON: it keeps all 64 bits of an integer, and JavaScript does not. */
  readonly last: string | null;
}

/*
 * Parameters: ?1 the key to start after, as a JSON array; ?2 the page's size; ?3 the number of differences to show.
 *
 * The first n keys of both tables together are among the first n keys of each table. So a page needs n rows of each table, and none of its keys lacks
 * its counterpart. Values are compared as results of `max` over the one row that has the key. Such a result has neither the affinity nor the
 * collation of a column, which would make '1' equal to 1, or 'a' to 'A'.
 */
function pageQuery(pair: TablePair, isContinued: boolean): string {
  const { live, build, key, columns } = pair;
  const keys = key.map((_, index) => `k${index}`).join(', ');
  const values = columns.map((_, index) => `c${index}`);
  const valuesOf = (slot: string) =>
    [`sum(${slot})`, ...values.map((value) => `max(${value}) FILTER (WHERE ${slot})`)].join(', ');
  const inSlots = [
    ...(live === undefined ? [] : (['live'] as const)),
    ...(build === undefined ? [] : (['build'] as const)),
  ];
  return `
    WITH page AS (
      ${inSlots.map((slot) => rowsQuery(pair, slot, isContinued)).join(' UNION ALL ')}
    ),
    pairs AS MATERIALIZED (
      SELECT ${keys}, sum(in_live) AS in_live, sum(in_build) AS in_build,
        (${valuesOf('in_live')}) IS NOT (${valuesOf('in_build')}) AS differs
      FROM page
      GROUP BY ${keys}
      ORDER BY ${keys}
      LIMIT ?2
    ),
    totals AS (
      SELECT count(*) AS pairs, coalesce(sum(in_live), 0) AS live, coalesce(sum(in_build), 0) AS build,
        coalesce(sum(differs), 0) AS differing,
        (SELECT json_array(${keys}) FROM pairs ORDER BY ${key.map((_, index) => `k${index} DESC`).join(', ')} LIMIT 1) AS last
      FROM pairs
    ),
    shown AS (
      SELECT ${keys} FROM pairs WHERE differs ORDER BY ${keys} LIMIT ?3
    ),
    details AS (
      ${inSlots.map((slot) => detailsQuery(pair, slot)).join(' UNION ALL ')}
    )
    SELECT totals.*, details.slot, ${key.map((_, index) => `quote(details.k${index}) AS k${index}`).join(', ')}
      ${values.map((value) => `, details.${value}`).join('')}
    FROM totals LEFT JOIN details ON true
    ORDER BY ${key.map((_, index) => `details.k${index}`).join(', ')}`;
}

/** The next rows of one slot. */
function rowsQuery(pair: TablePair, slot: 'live' | 'build', isContinued: boolean): string {
  const { key, columns, isZeroNone } = pair;
  // Qualified by the table, since a column may have the same name as an alias.
  const keys = key.map((name) => `t."${name}"`).join(', ');
  const isThere =
    isZeroNone && columns.length > 0
      ? `(${columns.map((name) => `t."${name}"`).join(', ')}) IS NOT (${columns.map(() => '0').join(', ')})`
      : '1';
  return `
    SELECT * FROM (
      SELECT ${key.map((name, index) => `t."${name}" AS k${index}`).join(', ')},
        ${columns.map((name, index) => `t."${name}" AS c${index},`).join(' ')}
        ${slot === 'live' ? isThere : '0'} AS in_live, ${slot === 'build' ? isThere : '0'} AS in_build
      FROM "${pair[slot]}" AS t
      ${isContinued ? `WHERE (${keys}) > (${key.map((_, index) => `?1 ->> ${index}`).join(', ')})` : ''}
      ORDER BY ${keys}
      LIMIT ?2
    )`;
}

/** The rows of one slot to show. Each value is an SQL literal, which keeps its type and all its digits. */
function detailsQuery(pair: TablePair, slot: 'live' | 'build'): string {
  const { key, columns } = pair;
  return `
    SELECT '${slot}' AS slot, ${key.map((_, index) => `shown.k${index}`).join(', ')}
      ${columns.map((name, index) => `, quote(t."${name}") AS c${index}`).join('')}
    FROM shown CROSS JOIN "${pair[slot]}" AS t
    ON ${key.map((name, index) => `t."${name}" = shown.k${index}`).join(' AND ')}`;
}

function differencesIn(
  { key, columns }: TablePair,
  results: readonly Record<string, unknown>[],
): readonly RowDifference[] {
  const found = new Map<string, { live?: Record<string, unknown>; build?: Record<string, unknown> }>();
  for (const row of results) {
    if (row['slot'] === null) continue;
    const id = JSON.stringify(key.map((_, index) => row[`k${index}`]));
    found.set(id, { ...found.get(id), [row['slot'] as 'live' | 'build']: row });
  }
  return [...found.values()].map(({ live, build }) => {
    const shown = columns.flatMap((name, index) => {
      const value = `c${index}`;
      return live && build && live[value] === build[value] ? [] : [[name, value] as const];
    });
    const rowOf = (row: Record<string, unknown> | undefined) => (row ? shownRow(shown, row) : null);
    const keyOf = { ...live, ...build };
    return {
      key: shownRow(
        key.map((name, index) => [name, `k${index}`] as const),
        keyOf,
      ),
      live: rowOf(live),
      build: rowOf(build),
    };
  });
}

function shownRow(columns: readonly (readonly [string, string])[], row: Record<string, unknown>): ShownRow {
  return Object.fromEntries(columns.map(([name, column]) => [name, shownValue(row[column] as string)]));
}

const MAX_SHOWN_LENGTH = 500;

/** Reads an SQL literal. */
function shownValue(literal: string): string | number | null {
  if (literal === 'NULL') return null;
  const isText = literal.startsWith("'");
  if (!isText && !literal.startsWith('X')) {
    return /^-?\d+$/.test(literal) && !Number.isSafeInteger(Number(literal)) ? literal : Number(literal);
  }
  const text = isText ? literal.slice(1, -1).replaceAll("''", "'") : literal;
  return text.length > MAX_SHOWN_LENGTH ? `${text.slice(0, MAX_SHOWN_LENGTH)}…` : text;
}
