import type { Revision } from './catch-up-step.ts';
import { type RowDifference, type TablePair, comparePage } from './comparison-page.ts';
import { type KeyedTable, keyedTables } from './keyed-tables.ts';
import { letOthers } from './let-others.ts';

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
  /** How many rows of each slot one statement compares. */
  readonly pageSize?: number;
  /** How many differences are shown. */
  readonly maxShown?: number;
  /** What happens between two pages. Default: others get a turn. */
  readonly between?: () => Promise<void>;
}

/**
 * Compares two slots of a projection row by row, in their database: every table by its name in the projection, every column that both
 * revisions declare, every value as it is stored. One statement for every `pageSize` rows.
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
  { pageSize = 4_000, maxShown = 10, between = letOthers }: ComparisonOptions = {},
): Promise<Comparison> {
  const tables: TableComparison[] = [];
  const first: Difference[] = [];

  for (const { name, inLive, inBuild } of byName(tablesOf(live), tablesOf(build))) {
    const counted = { live: 0, build: 0, differing: 0 };
    for (const pair of pairsOf(inLive, inBuild)) {
      let cursor: string | undefined;
      do {
        const page = await comparePage(database, pair, cursor, pageSize, maxShown - first.length);
        counted.live += page.live;
        counted.build += page.build;
        counted.differing += page.differing;
        first.push(...page.first.map((difference) => ({ table: name, ...difference })));
        ({ cursor } = page);
        if (cursor !== undefined) await between();
      } while (cursor !== undefined);
    }
    tables.push({
      table: name,
      live: inLive ? counted.live : null,
      build: inBuild ? counted.build : null,
      differing: counted.differing,
      columnsOnlyInLive: columnsWithout(inLive, inBuild),
      columnsOnlyInBuild: columnsWithout(inBuild, inLive),
    });
  }
  return {
    isEqual: tables.every(isSame),
    differing: tables.reduce((sum, { differing }) => sum + differing, 0),
    tables,
    first,
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
