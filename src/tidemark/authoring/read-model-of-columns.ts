import { type BuildColumns, type InferSelectModel, eq } from 'drizzle-orm';
import {
  type SQLiteColumn,
  type SQLiteColumnBuilderBase,
  type SQLiteTableWithColumns,
  integer,
  sqliteTable,
  text,
} from 'drizzle-orm/sqlite-core';

import type { Group } from '../platform/group.ts';
import { queryBuilder } from '../queries/causal-read.ts';
import type { SelectQuery } from '../queries/guarded-query.ts';
import { preparedQuery } from '../queries/prepared-query.ts';
import {
  type Handlers,
  type Projection,
  type ProjectionMode,
  type RowValues,
  projectionOf,
} from '../projections/projection.ts';
import { type SlotTables, slotTables } from '../projections/slot-tables.ts';
import type { Aggregate } from './aggregate.ts';
import type { CommandDeclarations } from './command-declarations.ts';
import type { EventDeclarations, EventOf } from './event-declarations.ts';
import { type KeyedList, type List, keyedList } from './keyed-list.ts';
import { tableName, toSnakeCase } from './table-names.ts';

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
  Model extends ReadModelOfColumns<infer Id, infer Declared, infer _Lists, infer _A>
    ? InferSelectModel<TableOf<Id, Declared>>
    : never;

type Appends = Readonly<Record<string, SlotTables>>;

/** A read model with a column for each member: a projection and its queries. */
export interface ReadModelOfColumns<
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

interface ColumnsDeclaration<
  Events extends EventDeclarations,
  Id extends string,
  Declared extends Columns,
  Lists extends Readonly<Record<string, List<(keyof Declared & string) | Id>>>,
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
  readonly on: Handlers<
    EventOf<Events>,
    InferSelectModel<TableOf<Id, Declared>>,
    RowValues<TableOf<Id, Declared>, Id>,
    A,
    Record<never, never>
  >;
  /** Lists over the rows. Each gets a query, pages and an index. Default: none. */
  readonly lists?: Lists;
  /** Tables to which handlers add rows. Default: none. */
  readonly appends?: A;
}

/**
 * Declares a read model with a row of columns for each aggregate of one kind. Every read decodes the row. Use it for a revision that is deployed in
 * this form, and `readModel` for a new one. It gets tables in both slots, a query by id, and lists with pages and indexes. `npm run migration <name>`
 * writes the SQL.
 *
 *     import { text } from 'drizzle-orm/sqlite-core';
 *     import { serving } from '../groups.ts';
 *
 *     export const seatMap = readModelOfColumns(seat, {
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
export function readModelOfColumns<
  Id extends string,
  Events extends EventDeclarations,
  Declared extends Columns,
  const Lists extends Readonly<Record<string, List<(keyof Declared & string) | Id>>> = Record<never, never>,
  A extends Appends = Record<never, never>,
>(
  // oxlint-disable-next-line typescript/no-explicit-any -- only the id's name and the events matter here
  aggregate: Aggregate<any, any, CommandDeclarations<Id, any>, Events, any>,
  declaration: ColumnsDeclaration<Events, Id, Declared, Lists, A>,
): ReadModelOfColumns<Id, Declared, Lists, A> {
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
      Object.entries(lists).map(([listName, list]) => [
        listName,
        keyedList(`the list "${listName}" of "${name}"`, list, id, rows, {
          membersOf: (row) => row as Readonly<Record<string, unknown>>,
        }),
      ]),
    ),
  } as never;
}
