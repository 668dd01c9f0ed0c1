import { type SQL, and, asc, desc, eq, sql } from 'drizzle-orm';
import { type SQLiteColumn, unionAll } from 'drizzle-orm/sqlite-core';

import { queryBuilder } from '../queries/causal-read.ts';
import type { SelectQuery } from '../queries/guarded-query.ts';
import { preparedQuery } from '../queries/prepared-query.ts';

/** A column; with `-` before it, in descending order. */
type SortColumn<Name extends string> = Name | `-${Name}`;

/** A list over the rows of a read model. */
export interface List<Name extends string = string, Sorted extends string = Name> {
  /** Columns by which a request may filter, each for one value. */
  readonly filter?: readonly Name[];
  /**
   * The sort columns. The aggregate's id follows as the last one, in the same direction as the column before it. Each column holds a text or a number,
   * and is never null: SQL compares nothing with NULL, so no page would follow a row without a value.
   */
  readonly sort: readonly SortColumn<Sorted>[];
}

/** One sort key of a list. */
export interface SortKey {
  readonly property: string;
  readonly isDescending: boolean;
  /** The type of its value in a position. */
  readonly kind: 'string' | 'number';
}

/** What a column holds, as a filter in a query string has to be read. */
export type FilterKind = 'text' | 'integer';

/** A list with its sort keys and the query of a page, which `listRoute` takes too. */
export interface KeyedList<Row = unknown, InSlot = { readonly row: never }> {
  readonly filter: readonly string[];
  /** The filter that has parts to merge (`partedFilter`). */
  readonly parted: string | undefined;
  /** What the column of each filter holds. */
  readonly filterKinds: Readonly<Record<string, FilterKind>>;
  readonly keys: readonly SortKey[];
  /** Queries `take` rows after a position: a page and one row more, which tells whether another page follows. */
  readonly page: (
    filter: Readonly<Record<string, unknown>>,
    after: readonly (string | number)[] | undefined,
    take: number,
  ) => (tables: InSlot) => SelectQuery<Row>;
  readonly positionOf: (row: Row) => readonly (string | number)[];
}

/** The column of a sort key: `place` of `-place`. */
export function propertyOf(key: string): string {
  return key.replace(/^-/, '');
}

/** How a list takes its rows from the table. */
export interface ListedRows {
  /** The selected fields. Default: every column. */
  readonly select?: (
    row: Readonly<Record<string, SQLiteColumn>>,
  ) => Readonly<Record<string, SQLiteColumn | SQL.Aliased>>;
  /** The members of a row by which lists sort. */
  readonly membersOf: (row: unknown) => Readonly<Record<string, unknown>>;
}

/**
 * Makes a list. The id is its last sort key, so each position belongs to one row. Throws if a page could lose rows (`refuseUnsortable`). `which` names
 * the list in that error.
 */
export function keyedList(
  which: string,
  { filter = [], sort }: List,
  id: string,
  columns: Readonly<Record<string, SQLiteColumn>>,
  { select, membersOf }: ListedRows,
): KeyedList {
  refuseUnsortable(which, sort.map(propertyOf), columns);
  const named = sort.map((key) => ({ property: propertyOf(key), isDescending: key.startsWith('-') }));
  const isSortedById = named.some(({ property }) => property === id);
  const withId = isSortedById ? named : [...named, { property: id, isDescending: named.at(-1)?.isDescending ?? false }];
  const keys = withId.map((key): SortKey => {
    const kind = columns[key.property]?.dataType === 'number' ? 'number' : 'string';
    return { ...key, kind };
  });
  const parted = partedFilter(filter, keys, columns);
  const page = preparedQuery(
    ({ row }: { readonly row: Readonly<Record<string, SQLiteColumn>> }, given: Readonly<Record<string, unknown>>) => {
      const columnOf = (property: string) => row[property] as SQLiteColumn;
      const filters = filter.flatMap((property) =>
        given[`is ${property}`] === undefined ? [] : [eq(columnOf(property), given[`is ${property}`])],
      );
      const isAfter = given['after 0'] === undefined ? [] : [after(keys, columnOf, given)];
      const sorted = keys.map(({ property, isDescending }) => (isDescending ? desc : asc)(columnOf(property)));
      const take = given['take'] as number;
      const isMerged = parted !== undefined && given[`is ${parted}`] === undefined && filters.length > 0;
      // SQLite sorts a merge by columns that are selected.
      const sortColumns = isMerged ? keys.map(({ property }) => [property, columnOf(property)]) : [];
      const fields = select && { ...Object.fromEntries(sortColumns), ...select(row) };
      const rowsOf = (...isInPart: readonly SQL[]) =>
        (fields ? queryBuilder.select(fields) : queryBuilder.select())
          .from(row as never)
          .where(and(...filters, ...isAfter, ...isInPart));
      if (!isMerged)
        return rowsOf()
          .orderBy(...sorted)
          .limit(take);
      // Each part is sorted, so SQLite merges them row by row, and stops at the limit.
      const values = columns[parted]?.enumValues ?? [];
      const [first, second, ...others] = values.map((value) => rowsOf(eq(columnOf(parted), literal(value))));
      return unionAll(first as never, second as never, ...(others as never[]))
        .orderBy(...sorted)
        .limit(take);
    },
  );
  return {
    filter,
    parted,
    filterKinds: Object.fromEntries(
      filter.map((property) => [property, columns[property]?.dataType === 'number' ? 'integer' : 'text']),
    ),
    keys,
    page: (values, position, take) =>
      page({
        ...Object.fromEntries(filter.map((property) => [`is ${property}`, values[property]])),
        ...Object.fromEntries((position ?? []).map((value, index) => [`after ${index}`, value])),
        take,
      }),
    positionOf(row) {
      const members = membersOf(row);
      return keys.map(({ property }) => (members[property] ?? '') as string | number);
    },
  };
}

/**
 * Fails when the Worker is loaded. A page begins after the last row of the page before it: a comparison with NULL would lose the rows that follow. A
 * cursor holds only texts and numbers, and a value of another kind would not come back from it as it was.
 */
function refuseUnsortable(
  which: string,
  sorted: readonly string[],
  columns: Readonly<Record<string, SQLiteColumn>>,
): void {
  for (const property of sorted) {
    const column = columns[property];
    if (!column) throw new Error(`${which} sorts by "${property}", but the read model has no such member`);
    if (!column.notNull && !column.primary)
      throw new Error(
        `${which} sorts by "${property}", which may be null, and rows without a value have no place between two pages. ` +
          `Let the member hold a value that stands for none, such as '' or 0`,
      );
    if (column.dataType !== 'string' && column.dataType !== 'number')
      throw new Error(
        `${which} sorts by "${property}", which is neither a text nor a number, and a cursor holds nothing else. ` +
          'Store the value as a text or a number in a column of its own, and sort by that one',
      );
  }
}

/** D1 takes so many parts in one compound query, and 100 parameters, of which the causal read needs 61. */
const MAX_PARTS = 5;
const MAX_PARAMETERS = 39;

/**
 * The filter by a member that has one of a few values, if the list has such a filter beside others. A request that leaves it out reads one part for
 * each value, each from the index that has the member. So the list needs no index without the member, and a command writes a row less
 * (decision 0036). A row with another value would be in no part.
 */
function partedFilter(
  filter: readonly string[],
  keys: readonly SortKey[],
  columns: Readonly<Record<string, SQLiteColumn>>,
): string | undefined {
  if (filter.length === 1 || !isOneWay(keys)) return undefined;
  const parameters = filter.length - 1 + keys.length;
  return filter.find((property) => {
    const values = columns[property]?.enumValues?.length ?? 0;
    return values > 1 && values <= MAX_PARTS && values * parameters <= MAX_PARAMETERS;
  });
}

/** A text in SQL. A part's value is the same in each query, so it takes no parameter. */
function literal(text: string): SQL {
  return sql.raw(`'${text.replaceAll("'", "''")}'`);
}

/** Whether all keys have one direction. */
export function isOneWay(keys: readonly SortKey[]): boolean {
  return keys.every(({ isDescending }) => isDescending === keys[0]?.isDescending);
}

/** The condition for rows after a position. */
function after(
  keys: readonly SortKey[],
  columnOf: (property: string) => SQLiteColumn,
  given: Readonly<Record<string, unknown>>,
): SQL {
  const values = keys.map((_, index) => sql`${given[`after ${index}`]}`);
  const columns = keys.map(({ property }) => columnOf(property));
  if (isOneWay(keys)) {
    const sign = sql.raw(keys[0]?.isDescending ? '<' : '>');
    return sql`(${sql.join(columns, sql`, `)}) ${sign} (${sql.join(values, sql`, `)})`;
  }
  // SQLite compares rows in one direction only.
  const cases = keys.map(({ isDescending }, index) => {
    const before = columns.slice(0, index).map((column, at) => sql`${column} = ${values[at]}`);
    const sign = sql.raw(isDescending ? '<' : '>');
    return sql`(${sql.join([...before, sql`${columns[index]} ${sign} ${values[index]}`], sql` AND `)})`;
  });
  return sql`(${sql.join(cases, sql` OR `)})`;
}
