import type { Revision } from '../catch-up/catch-up-page.ts';
import { type RowDifference, type TablePair, comparePage } from './comparison-page.ts';
import { type KeyedTable, keyedTables } from '../projections/keyed-tables.ts';
import { type Throttle, fullSpeed } from './throttle.ts';

/** The result of comparing two slots. Plain JSON. */
export interface Comparison {
  /** No row, column or table differs. */
  readonly isEqual: boolean;
  /** The number of rows, in all tables, that differ or that only one slot has. */
  readonly differing: number;
  readonly tables: readonly TableComparison[];
  /** The first differences, in the order of `tables` and of their keys. */
  readonly first: readonly Difference[];
}

export interface TableComparison {
  /** The projection's name for the table. */
  readonly table: string;
  /** The number of rows in each slot; null if its revision has no such table. A counter row with only zeros counts as none. */
  readonly live: number | null;
  readonly build: number | null;
  /** The number of rows that differ or that only one slot has. Revisions with different keys have no row in common. */
  readonly differing: number;
  readonly columnsOnlyInLive: readonly string[];
  readonly columnsOnlyInBuild: readonly string[];
}

export interface Difference extends RowDifference {
  /** The projection's name for the row's table. */
  readonly table: string;
}

export interface ComparisonOptions {
  /** The most rows of each slot that one statement compares. Default: 4,000. */
  readonly pageSize?: number;
  /** The most differences to show. Default: 10. */
  readonly maxShown?: number;
  /** The most pages of one call. Another call takes the rest. Default: no limit. */
  readonly maxPages?: number;
  /** Default: full speed. */
  readonly throttle?: Throttle;
}

/** The progress of a comparison. Plain JSON, so that a durable step can store it. */
export interface ComparisonProgress {
  /** The counts of each pair of tables that was started, in their order. */
  readonly counted: readonly Counted[];
  /** Where the last of these continues; null if it is complete. */
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
 * Compares two slots of a projection row by row, in their database. It pairs tables by their names in the projection. It compares every column that
 * both revisions declare, and every value as stored. Each page is one statement. `from` is the progress of an earlier call.
 *
 * Traffic may go on meanwhile. It moves both slots in one transaction, and a page reads both from one snapshot. So a write ahead of the page is in
 * both slots when the page comes there, and a write behind it is not compared in either.
 *
 * Throws if a table of `appends` declares no primary key, if a key is NULL, and on a fault of the database.
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
    counted[at] = addCounted(counted[at] ?? NONE, page);
    first.push(...page.first.map((difference) => ({ table, ...difference })));
    cursor = page.cursor ?? null;
    if (cursor === null) at += 1;
  }

  const tables = named.map(({ name, inLive, inBuild }): TableComparison => {
    const its = counted.filter((_, index) => pairs[index]?.table === name).reduce(addCounted, NONE);
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

function addCounted(one: Counted, other: Counted): Counted {
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
 * The pairs to compare: a table with its counterpart, or alone. Rows under different keys have no counterpart. Keys of different types sort
 * differently, so no cursor could follow both.
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

/** The declared columns: surrogate columns of the database are not among them. */
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
