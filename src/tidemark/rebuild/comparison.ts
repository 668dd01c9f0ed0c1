import type { Revision } from '../catch-up/catch-up-page.ts';
import { type RowDifference, type TablePair, comparePage } from './comparison-page.ts';
import { type KeyedTable, keyedTables } from '../projections/keyed-tables.ts';
import { type Throttle, fullSpeed } from './throttle.ts';

/** What a comparison of two slots found. Plain JSON. */
export interface Comparison {
  /** Nothing differs: no row, no column, no table. */
  readonly isEqual: boolean;
  /** Rows that differ or that only one slot has, of all tables. */
  readonly differing: number;
  readonly tables: readonly TableComparison[];
  /** The first differences, in the sequence of `tables` and of their keys. */
  readonly first: readonly Difference[];
}

export interface TableComparison {
  /** What the projection calls it. */
  readonly table: string;
  /** How many rows each slot has, or null where its revision has no such table. Counters that are all zero are none. */
  readonly live: number | null;
  readonly build: number | null;
  /** Rows that differ or that only one slot has. Revisions with different keys have no row in common. */
  readonly differing: number;
  readonly columnsOnlyInLive: readonly string[];
  readonly columnsOnlyInBuild: readonly string[];
}

export interface Difference extends RowDifference {
  /** What the projection calls the row's table. */
  readonly table: string;
}

export interface ComparisonOptions {
  /** How many rows of each slot one statement compares at most. */
  readonly pageSize?: number;
  /** How many differences are shown. */
  readonly maxShown?: number;
  /** After so many pages the rest is left for another call. Default: no end. */
  readonly maxPages?: number;
  /** Default: full speed. */
  readonly throttle?: Throttle;
}

/** How far a comparison is. Plain JSON, so that a durable step can remember it. */
export interface ComparisonProgress {
  /** What was counted in each pair of tables that was looked at, in their sequence. */
  readonly counted: readonly Counted[];
  /** Where the last of these goes on; null where it was compared to its end. */
  readonly cursor: string | null;
  readonly first: readonly Difference[];
}

interface Counted {
  readonly live: number;
  readonly build: number;
  readonly differing: number;
}

const NOTHING_YET: ComparisonProgress = { counted: [], cursor: null, first: [] };
const NONE: Counted = { live: 0, build: 0, differing: 0 };

export type Compared =
  | { readonly isDone: true; readonly comparison: Comparison }
  | { readonly isDone: false; readonly progress: ComparisonProgress };

/**
 * Compares two slots of a projection row by row, in their database: every table by its name in the projection, every column that both
 * revisions declare, every value as it is stored. One statement for every page. `from` is where an earlier call left off.
 *
 * Traffic may go on meanwhile. It moves both slots in one transaction, and a page sees both in one snapshot: what is written ahead of
 * the page is in both by then, and what is written behind it is not looked at again, in either.
 *
 * Throws when a table of `appends` declares no primary key, when a key is NULL, and on a fault of the database.
 */
export async function compareSlots(
  database: D1Database,
  live: Revision,
  build: Revision,
  { pageSize = 4_000, maxShown = 10, maxPages = Infinity, throttle = fullSpeed }: ComparisonOptions = {},
  from: ComparisonProgress = NOTHING_YET,
): Promise<Compared> {
  const named = byName(tablesOf(live), tablesOf(build));
  const pairs = named.flatMap(({ name, inLive, inBuild }) =>
    pairsOf(inLive, inBuild).map((pair) => ({ table: name, pair })),
  );
  const counted = [...from.counted];
  const first = [...from.first];
  let { cursor } = from;

  for (let at = cursor === null ? counted.length : counted.length - 1, pages = 0; at < pairs.length; pages += 1) {
    if (pages > 0) await throttle.rest();
    if (pages === maxPages) return { isDone: false, progress: { counted, cursor, first } };
    const { table, pair } = pairs[at] as (typeof pairs)[number];
    const keys = throttle.take(pageSize);
    const page = await comparePage(database, pair, cursor ?? undefined, keys, maxShown - first.length);
    counted[at] = plus(counted[at] ?? NONE, page);
    first.push(...page.first.map((difference) => ({ table, ...difference })));
    cursor = page.cursor ?? null;
    if (cursor === null) at += 1;
  }

  const tables = named.map(({ name, inLive, inBuild }): TableComparison => {
    const its = counted.filter((_, index) => pairs[index]?.table === name).reduce(plus, NONE);
    return {
      table: name,
      live: inLive ? its.live : null,
      build: inBuild ? its.build : null,
      differing: its.differing,
      columnsOnlyInLive: columnsWithout(inLive, inBuild),
      columnsOnlyInBuild: columnsWithout(inBuild, inLive),
    };
  });
  const comparison = {
    isEqual: tables.every(isSame),
    differing: tables.reduce((sum, { differing }) => sum + differing, 0),
    tables,
    first,
  };
  return { isDone: true, comparison };
}

function plus(one: Counted, other: Counted): Counted {
  return {
    live: one.live + other.live,
    build: one.build + other.build,
    differing: one.differing + other.differing,
  };
}

function tablesOf({ projection, target }: Revision): readonly KeyedTable[] {
  return keyedTables(projection, target.slot);
}

interface NamedTables {
  readonly name: string;
  readonly inLive: KeyedTable | undefined;
  readonly inBuild: KeyedTable | undefined;
}

function byName(live: readonly KeyedTable[], build: readonly KeyedTable[]): readonly NamedTables[] {
  return [...new Set([...live, ...build].map(({ name }) => name))].map((name) => ({
    name,
    inLive: live.find((table) => table.name === name),
    inBuild: build.find((table) => table.name === name),
  }));
}

/**
 * What to compare with what: a table with its counterpart, or with nothing. Rows under different keys have no counterpart; and keys of
 * different types come in different sequences, which no cursor could follow.
 */
function pairsOf(live: KeyedTable | undefined, build: KeyedTable | undefined): readonly TablePair[] {
  if (live && build && JSON.stringify(live.key) === JSON.stringify(build.key)) return [toPair(live, live, build)];
  return [...(live ? [toPair(live, live, undefined)] : []), ...(build ? [toPair(build, undefined, build)] : [])];
}

function toPair({ key, kind }: KeyedTable, live: KeyedTable | undefined, build: KeyedTable | undefined): TablePair {
  const keys = key.map(({ name }) => name);
  const inBoth =
    live && build ? columnsOf(live).filter((name) => columnsOf(build).includes(name)) : columnsOf(live ?? build);
  return {
    live: live?.shape.name,
    build: build?.shape.name,
    key: keys,
    columns: inBoth.filter((name) => !keys.includes(name)),
    isZeroNone: kind === 'counters',
  };
}

/** A database's own columns (surrogates) are not declared, and so not among them. */
function columnsOf(table: KeyedTable | undefined): readonly string[] {
  return table?.shape.columns.map(({ name }) => name) ?? [];
}

function columnsWithout(table: KeyedTable | undefined, other: KeyedTable | undefined): readonly string[] {
  const others = columnsOf(other);
  return columnsOf(table).filter((name) => !others.includes(name));
}

function isSame({ live, build, differing, columnsOnlyInLive, columnsOnlyInBuild }: TableComparison): boolean {
  const isInBoth = live !== null && build !== null;
  return isInBoth && differing === 0 && columnsOnlyInLive.length === 0 && columnsOnlyInBuild.length === 0;
}
