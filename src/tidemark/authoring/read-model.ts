import { type InferSelectModel, type SQL, and, asc, desc, eq, sql } from 'drizzle-orm';
import {
  type SQLiteColumn,
  type SQLiteColumnBuilderBase,
  type SQLiteTableWithColumns,
  integer,
  sqliteTable,
  text,
} from 'drizzle-orm/sqlite-core';
import type { BuildColumns } from 'drizzle-orm';

import type { Group } from '../platform/group.ts';
import { queryBuilder } from '../queries/causal-read.ts';
import type { SelectQuery } from '../queries/guarded-query.ts';
import { preparedQuery } from '../queries/prepared-query.ts';
import { type Handlers, type Projection, type ProjectionMode, projectionOf } from '../projections/projection.ts';
import { type SlotTables, slotTables } from '../projections/slot-tables.ts';
import type { Aggregate } from './aggregate.ts';
import type { CommandDeclarations } from './command-declarations.ts';
import type { EventDeclarations, EventOf } from './event-declarations.ts';

type Columns = Readonly<Record<string, SQLiteColumnBuilderBase>>;

const idColumn = (name: string) => text(name).primaryKey();
const versionColumn = () => integer('version').notNull();

/** The declared columns, and the two that the framework fills. */
type WithKey<Id extends string, Declared extends Columns> = Declared & {
  readonly [Name in Id]: ReturnType<typeof idColumn>;
} & { readonly version: ReturnType<typeof versionColumn> };

type TableOf<Id extends string, Declared extends Columns> = SQLiteTableWithColumns<{
  name: string;
  schema: undefined;
  columns: BuildColumns<string, WithKey<Id, Declared>, 'sqlite'>;
  dialect: 'sqlite';
}>;

/**
 * The type of a row of a read model: the declared columns, the aggregate's id, and `version` (the number of events that the row shows).
 *
 *     type SeatRow = RowOf<typeof seatMap>;
 */
export type RowOf<Model> =
  Model extends ReadModel<infer Id, infer Declared, infer _Lists, infer _A>
    ? InferSelectModel<TableOf<Id, Declared>>
    : never;

/** The columns that have a place in every order: a text or a number, and never NULL. */
type Sortable<Declared extends Columns> = {
  [Name in keyof Declared & string]: Declared[Name]['_'] extends {
    readonly notNull: true;
    readonly data: string | number;
  }
    ? Name
    : never;
}[keyof Declared & string];

/** A column; with `-` before it, in descending order. */
type SortColumn<Name extends string> = Name | `-${Name}`;

/** A list over the rows of a read model. */
export interface List<Name extends string = string, Sorted extends string = Name> {
  /** Columns by which a request may filter, each for one value. */
  readonly filter?: readonly Name[];
  /**
   * The sort columns. The aggregate's id follows as the last one, in the same direction as the column before it. Each column holds a text or a number,
   * and is `notNull()`: SQL compares nothing with NULL, so no page would follow a row without a value.
   */
  readonly sort: readonly SortColumn<Sorted>[];
}

type ListsOf<Declared extends Columns, Id extends string> = Readonly<
  Record<string, List<(keyof Declared & string) | Id, Sortable<Declared> | Id>>
>;

/** One sort key of a list. */
export interface SortKey {
  readonly property: string;
  readonly isDescending: boolean;
  /** The type of its value in a position. */
  readonly kind: 'string' | 'number';
}

/** What a column holds, as a filter in a query string has to be read. */
export type FilterKind = 'text' | 'integer' | 'boolean' | 'other';

/** A list with its sort keys and the query of a page, which `listRoute` takes too. */
export interface KeyedList<Row = unknown, InSlot = { readonly row: never }> {
  readonly filter: readonly string[];
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

type Appends = Readonly<Record<string, SlotTables>>;

/** A read model with a row for each aggregate: a projection and its queries. */
export interface ReadModel<
  Id extends string = string,
  Declared extends Columns = Columns,
  Lists extends Readonly<Record<string, List>> = Readonly<Record<string, List>>,
  A extends Appends = Appends,
> extends Projection<{ readonly row: TableOf<Id, Declared> } & { readonly [Name in keyof A]: A[Name]['a'] }> {
  /** Queries the row of one aggregate. */
  readonly byId: (
    id: string,
  ) => (tables: { readonly row: TableOf<Id, Declared> }) => SelectQuery<InferSelectModel<TableOf<Id, Declared>>>;
  readonly lists: {
    readonly [Name in keyof Lists]: KeyedList<
      InferSelectModel<TableOf<Id, Declared>>,
      { readonly row: TableOf<Id, Declared> }
    >;
  };
}

interface ReadModelDeclaration<
  Events extends EventDeclarations,
  Id extends string,
  Declared extends Columns,
  Lists extends ListsOf<Declared, Id>,
  A extends Appends,
> {
  /** Unique. Its tables are named after it. */
  readonly name: string;
  /** Raise it when a column or a rule changes: the new revision is built in the other slot. From 1. */
  readonly revision: number;
  readonly group: Group;
  /** `synchronous`: the command's request applies its events before it answers. Default: `asynchronous`. */
  readonly mode?: ProjectionMode;
  /** Columns in drizzle's form, beside the aggregate's id and `version`, which the framework adds and fills. */
  readonly columns: Declared;
  /** The effect of each event type on the row of its aggregate. A missing type is a type error. */
  readonly on: Handlers<EventOf<Events>, TableOf<Id, Declared>, Id, A, Record<never, never>>;
  /** Lists over the rows. Each gets a query, pages and an index. Default: none. */
  readonly lists?: Lists;
  /** Tables to which handlers add rows. Default: none. */
  readonly appends?: A;
}

/**
 * Declares a read model with a row for each aggregate of one kind. It gets tables in both slots, a query by id, and lists with pages and indexes.
 * `npm run migration <name>` writes the SQL. Handlers are pure: they read neither a clock nor a random source. A handler that throws makes its event
 * a dead letter, which stops that stream in this read model only.
 *
 *     import { text } from 'drizzle-orm/sqlite-core';
 *     import { serving } from '../groups.ts';
 *
 *     export const seatMap = readModel(seat, {
 *       name: 'seat-map',
 *       revision: 1,
 *       group: serving,
 *       columns: { place: text('place').notNull(), guest: text('guest') },
 *       on: {
 *         SeatAdded: { create: ({ data }) => ({ place: data.place, guest: null }) },
 *         SeatReserved: { change: (row, { data }) => ({ ...row, guest: data.guest }) },
 *         SeatReleased: { change: (row) => ({ ...row, guest: null }) },
 *       },
 *       lists: { byPlace: { sort: ['place'] } },
 *     });
 */
export function readModel<
  Id extends string,
  Events extends EventDeclarations,
  Declared extends Columns,
  const Lists extends ListsOf<Declared, Id> = Record<never, never>,
  A extends Appends = Record<never, never>,
>(
  // oxlint-disable-next-line typescript/no-explicit-any -- only the id's name and the events matter here
  aggregate: Aggregate<any, any, CommandDeclarations<Id, any>, Events, any>,
  declaration: ReadModelDeclaration<Events, Id, Declared, Lists, A>,
): ReadModel<Id, Declared, Lists, A> {
  const { name, revision, columns, on, lists = {} as Lists, ...rest } = declaration;
  const { id } = aggregate.commands;
  const tables = slotTables((slot) =>
    sqliteTable(tableName(name, revision, slot), {
      [id]: idColumn(toSnakeCase(id)),
      version: versionColumn(),
      ...columns,
    } as unknown as WithKey<Id, Declared>),
  );
  const projection = projectionOf(aggregate)({
    ...rest,
    name,
    revision,
    row: { tables, key: id },
    handlers: on,
  } as never);
  const rows = tables.a as unknown as Readonly<Record<string, SQLiteColumn>>;
  const byId = preparedQuery(
    ({ row }: { readonly row: Readonly<Record<string, SQLiteColumn>> }, given: { readonly id: unknown }) =>
      queryBuilder
        .select()
        .from(row as never)
        .where(eq(row[id] as SQLiteColumn, given.id)),
  );
  return {
    ...projection,
    byId: (value: string) => byId({ id: value }),
    lists: Object.fromEntries(
      Object.entries(lists).map(([listName, list]) => {
        refuseUnsortable(`the list "${listName}" of "${name}"`, list, rows);
        return [listName, keyedList(list, id, rows)];
      }),
    ),
  } as never;
}

/** `seat_map_a`; for a later revision, `seat_map_2_a`. */
function tableName(name: string, revision: number, slot: string): string {
  return [name.replaceAll('-', '_'), ...(revision > 1 ? [revision] : []), slot].join('_');
}

/** `seatId` as `seat_id`. */
function toSnakeCase(property: string): string {
  return property.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/**
 * Fails when the Worker is loaded. A page begins after the last row of the page before it: a comparison with NULL would lose the rows that follow. A
 * cursor holds only texts and numbers, and a value of another kind would not come back from it as it was.
 */
function refuseUnsortable(list: string, { sort }: List, columns: Readonly<Record<string, SQLiteColumn>>): void {
  for (const property of sort.map(propertyOf)) {
    const column = columns[property];
    if (!column) throw new Error(`${list} sorts by "${property}", but the read model has no such column`);
    if (!column.notNull && !column.primary)
      throw new Error(
        `${list} sorts by "${property}", which may be null, and rows without a value have no place between two pages. ` +
          `Declare the column with \`.notNull()\`, and write a value that stands for none, such as '' or 0`,
      );
    if (column.dataType !== 'string' && column.dataType !== 'number')
      throw new Error(
        `${list} sorts by "${property}", which is neither a text nor a number, and a cursor holds nothing else. ` +
          'Store the value as a text or a number in a column of its own, and sort by that one',
      );
  }
}

/** The column of a sort key: `place` of `-place`. */
function propertyOf(key: string): string {
  return key.replace(/^-/, '');
}

/** Drizzle names the column types; a filter by any other one needs a schema of its own. */
const FILTER_KINDS: Readonly<Record<string, FilterKind>> = {
  SQLiteText: 'text',
  SQLiteInteger: 'integer',
  SQLiteBoolean: 'boolean',
};

/** The sort keys of a list. The id is the last one, so each position belongs to one row. */
function keyedList(
  { filter = [], sort }: List,
  id: string,
  columns: Readonly<Record<string, SQLiteColumn>>,
): KeyedList {
  const named = sort.map((key) => ({ property: propertyOf(key), isDescending: key.startsWith('-') }));
  const isSortedById = named.some(({ property }) => property === id);
  const withId = isSortedById ? named : [...named, { property: id, isDescending: named.at(-1)?.isDescending ?? false }];
  const keys = withId.map((key): SortKey => {
    const kind = columns[key.property]?.dataType === 'number' ? 'number' : 'string';
    return { ...key, kind };
  });
  const page = preparedQuery(
    ({ row }: { readonly row: Readonly<Record<string, SQLiteColumn>> }, given: Readonly<Record<string, unknown>>) => {
      const columnOf = (property: string) => row[property] as SQLiteColumn;
      const filters = filter.flatMap((property) =>
        given[`is ${property}`] === undefined
          ? []
          : // With the column as its encoder: drizzle leaves the value of a placeholder alone otherwise.
            [eq(columnOf(property), sql.param(given[`is ${property}`], columnOf(property)))],
      );
      const isAfter = given['after 0'] === undefined ? [] : [after(keys, columnOf, given)];
      return queryBuilder
        .select()
        .from(row as never)
        .where(and(...filters, ...isAfter))
        .orderBy(...keys.map(({ property, isDescending }) => (isDescending ? desc : asc)(columnOf(property))))
        .limit(given['take'] as number);
    },
  );
  return {
    filter,
    filterKinds: Object.fromEntries(
      filter.map((property) => [property, FILTER_KINDS[columns[property]?.columnType ?? ''] ?? 'other']),
    ),
    keys,
    page: (values, position, take) =>
      page({
        ...Object.fromEntries(filter.map((property) => [`is ${property}`, values[property]])),
        ...Object.fromEntries((position ?? []).map((value, index) => [`after ${index}`, value])),
        take,
      }),
    positionOf: (row) => keys.map(({ property }) => (row as Readonly<Record<string, string | number>>)[property] ?? ''),
  };
}

/** The condition for rows after a position. */
function after(
  keys: readonly SortKey[],
  columnOf: (property: string) => SQLiteColumn,
  given: Readonly<Record<string, unknown>>,
): SQL {
  const values = keys.map((_, index) => sql`${given[`after ${index}`]}`);
  const columns = keys.map(({ property }) => columnOf(property));
  const isOneWay = keys.every(({ isDescending }) => isDescending === keys[0]?.isDescending);
  if (isOneWay) {
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
