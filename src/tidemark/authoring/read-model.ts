import { type BuildColumns, eq, sql } from 'drizzle-orm';
import { type SQLiteColumn, type SQLiteTableWithColumns, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import * as z from 'zod/mini';

import { Uuid, Version } from '../http/schemas.ts';
import type { Group } from '../platform/group.ts';
import { queryBuilder } from '../queries/causal-read.ts';
import type { SelectQuery } from '../queries/guarded-query.ts';
import { preparedQuery } from '../queries/prepared-query.ts';
import { type Handlers, type Projection, type ProjectionMode, projectionOf } from '../projections/projection.ts';
import { type Row, type SlotTables, slotTables } from '../projections/slot-tables.ts';
import type { Aggregate } from './aggregate.ts';
import type { CommandDeclarations } from './command-declarations.ts';
import type { EventDeclarations, EventOf, Parsed, Shape } from './event-declarations.ts';
import { asDeclared } from './as-declared.ts';
import { type KeyedList, type List, keyedList, propertyOf } from './keyed-list.ts';
import { tableName, toSnakeCase } from './table-names.ts';

type Appends = Readonly<Record<string, SlotTables>>;
type Lists<Name extends string = string, Sorted extends string = Name> = Readonly<Record<string, List<Name, Sorted>>>;

/** What a read model shows of an aggregate: its id, the members of the view, and `version` (the number of events that they show). */
export type Resource<Id extends string, View extends Shape> = { readonly [Name in Id]: string } & Parsed<View> & {
    readonly version: number;
  };

/** The members that a handler returns. The second part says nothing: it makes the compiler take `status: 'free'` for more than a text. */
type Made<View extends Shape> = Parsed<View> & { readonly [Name in keyof View]?: keyof View | object | Json };
type Json = string | number | boolean | null | undefined;

/** A resource as a read model holds it: JSON text, which a route passes through. */
export interface Prepared {
  readonly resource: string;
}

type MemberOf<View extends Shape, Name> = Name extends keyof Parsed<View> ? Parsed<View>[Name] : never;

/** The members that may have a column: texts and numbers. A list can filter by them. */
type Storable<View extends Shape> = {
  [Name in keyof View & string]: MemberOf<View, Name> extends string | number | null | undefined ? Name : never;
}[keyof View & string];

/** The members that have a place in every order, so that a list can sort by them: those that are never null. */
type Sortable<View extends Shape> = {
  [Name in keyof View & string]: MemberOf<View, Name> extends string | number ? Name : never;
}[keyof View & string];

const idColumn = (name: string) => text(name).primaryKey();
const versionColumn = () => integer('version').notNull();
const resourceColumn = <Whole>() => text('resource', { mode: 'json' }).$type<Whole>().notNull();
const textColumn = (name: string, values: readonly string[] = []) => text(name, { enum: [...values] as [string] });
const numberColumn = (name: string) => integer(name);
const requiredText = (name: string) => text(name).notNull();
const requiredNumber = (name: string) => integer(name).notNull();

type ColumnOf<Value> = [Value] extends [string]
  ? ReturnType<typeof requiredText>
  : [Value] extends [number]
    ? ReturnType<typeof requiredNumber>
    : [Value] extends [string | null | undefined]
      ? ReturnType<typeof textColumn>
      : ReturnType<typeof numberColumn>;

/** The members that have a column: those that a list names, and some more. */
type Named<Declared extends Lists, More extends string> =
  | NonNullable<Declared[keyof Declared]['filter']>[number]
  | WithoutSign<Declared[keyof Declared]['sort'][number]>
  | More;
type WithoutSign<Key extends string> = Key extends `-${infer Name}` ? Name : Key;

type TableOf<Id extends string, View extends Shape, Names extends string> = SQLiteTableWithColumns<{
  name: string;
  schema: undefined;
  columns: BuildColumns<
    string,
    { readonly [Name in Id]: ReturnType<typeof idColumn> } & { readonly version: ReturnType<typeof versionColumn> } & {
      readonly [Name in Names & keyof View]: ColumnOf<MemberOf<View, Name>>;
    } & { readonly resource: ReturnType<typeof resourceColumn<Resource<Id, View>>> },
    'sqlite'
  >;
  dialect: 'sqlite';
}>;

/** A read model with a resource for each aggregate: a projection and its queries. */
export interface ReadModel<
  Id extends string = string,
  View extends Shape = Shape,
  Declared extends Lists = Lists,
  A extends Appends = Appends,
  More extends string = string,
> extends Projection<
  { readonly row: TableOf<Id, View, Named<Declared, More>> } & { readonly [Name in keyof A]: A[Name]['a'] }
> {
  /** The schemas of the resource's members, for `routesOf`. */
  readonly view: View;
  /** Queries the resource of one aggregate. */
  readonly byId: (
    id: string,
  ) => (tables: { readonly row: TableOf<Id, View, Named<Declared, More>> }) => SelectQuery<Prepared>;
  readonly lists: {
    readonly [Name in keyof Declared]: KeyedList<Prepared, { readonly row: TableOf<Id, View, Named<Declared, More>> }>;
  };
  /** Makes the text of a resource, with the members in the sequence of the view: for the row of a former revision. */
  readonly prepared: (resource: Resource<Id, View>) => Prepared;
}

interface ReadModelDeclaration<
  Events extends EventDeclarations,
  Id extends string,
  View extends Shape,
  Declared extends Lists<Storable<View> | Id, Sortable<View> | Id>,
  A extends Appends,
  More extends Storable<View>,
> {
  /** Unique. Its tables are named after it. */
  readonly name: string;
  /** Raise it when the view or a list's columns change: the new revision is built in the other slot. From 1. */
  readonly revision: number;
  readonly group: Group;
  /** `synchronous`: the command's request applies its events before it answers. Default: `asynchronous`. */
  readonly mode?: ProjectionMode;
  /** The members of the resource, with their schemas. The framework adds the aggregate's id and `version`. */
  readonly view: View;
  /** The effect of each event type on the resource of its aggregate. A missing type is a type error. */
  readonly on: Handlers<EventOf<Events>, Resource<Id, View>, Made<View>, A, Record<never, never>>;
  /** Lists of the resources. Each gets a query, pages and an index. Default: none. */
  readonly lists?: Declared;
  /** Members that get a column for queries of your own, beside those that a list names. Default: none. */
  readonly columns?: readonly More[];
  /** Tables to which handlers add rows. Default: none. */
  readonly appends?: A;
  /** Whether this revision is known to differ from the one before. If true, its build goes live without an operator's consent. Default: false. */
  readonly acceptsDifferences?: boolean;
}

/**
 * Declares a read model with a resource for each aggregate of one kind. It holds the resource as it is served: JSON text, beside a column for each
 * member that a list names. So a read passes the text through. It gets tables in both slots, a query by id, and lists with pages and indexes. `npm
 * run migration <name>` writes the SQL. Handlers are pure: they read neither a clock nor a random source. A handler that throws makes its event a dead
 * letter, which stops that stream in this read model only.
 *
 *     import * as z from 'zod/mini';
 *     import { serving } from '../groups.ts';
 *
 *     export const seatMap = readModel(seat, {
 *       name: 'seat-map',
 *       revision: 1,
 *       group: serving,
 *       view: { place: z.string(), guest: z.nullable(z.string()) },
 *       on: {
 *         SeatAdded: { create: ({ data }) => ({ place: data.place, guest: null }) },
 *         SeatReserved: { change: (seat, { data }) => ({ ...seat, guest: data.guest }) },
 *         SeatReleased: { change: (seat) => ({ ...seat, guest: null }) },
 *       },
 *       lists: { byPlace: { sort: ['place'] } },
 *     });
 */
export function readModel<
  Id extends string,
  Events extends EventDeclarations,
  View extends Shape,
  const Declared extends Lists<Storable<View> | Id, Sortable<View> | Id> = Record<never, never>,
  A extends Appends = Record<never, never>,
  const More extends Storable<View> = never,
>(
  // oxlint-disable-next-line typescript/no-explicit-any -- only the id's name and the events matter here
  aggregate: Aggregate<any, any, CommandDeclarations<Id, any>, Events, any>,
  declaration: ReadModelDeclaration<Events, Id, View, Declared, A, More>,
): ReadModel<Id, View, Declared, A, More> {
  const { name, revision, view, on, lists = {} as Declared, columns = [], ...rest } = declaration;
  const { id } = aggregate.commands;
  const schema = z.strictObject({ [id]: Uuid, ...view, version: Version });
  const listed = Object.values<List>(lists).flatMap(({ filter = [], sort }) => [...filter, ...sort.map(propertyOf)]);
  const named = [...new Set([...listed, ...columns])].filter((member) => member !== id);
  if (named.includes('resource') || named.includes('version'))
    throw new Error(`${name} has a column "resource" and a column "version" already: a list cannot use these members`);
  const tables = slotTables((slot) =>
    sqliteTable(tableName(name, revision, slot), {
      [id]: idColumn(toSnakeCase(id)),
      version: versionColumn(),
      ...Object.fromEntries(named.map((member) => [member, columnFor(member, view[member])])),
      resource: resourceColumn(),
    }),
  );
  const form = {
    toHandlers: ({ resource }: Row) => resource,
    toTable: (resource: Row) => ({
      ...Object.fromEntries([id, 'version', ...named].map((member) => [member, resource[member] ?? null])),
      resource: asDeclared(schema, resource),
    }),
  };
  const projection = projectionOf(aggregate)({
    ...rest,
    name,
    revision,
    row: { tables, key: id, form },
    handlers: on,
  } as never);
  const rows = tables.a as unknown as Readonly<Record<string, SQLiteColumn>>;
  // As text: a read decodes nothing.
  const select = (row: Readonly<Record<string, SQLiteColumn>>) => ({
    resource: sql<string>`${row['resource']}`.as('resource'),
  });
  const membersOf = (row: unknown) => JSON.parse((row as Prepared).resource) as Readonly<Record<string, unknown>>;
  const byId = preparedQuery(
    ({ row }: { readonly row: Readonly<Record<string, SQLiteColumn>> }, given: { readonly id: unknown }) =>
      queryBuilder
        .select(select(row))
        .from(row as never)
        .where(eq(row[id] as SQLiteColumn, given.id)),
  );
  return {
    ...projection,
    view,
    byId: (value: string) => byId({ id: value }),
    lists: Object.fromEntries(
      Object.entries(lists).map(([listName, list]) => [
        listName,
        keyedList(`the list "${listName}" of "${name}"`, list, id, rows, { select, membersOf }),
      ]),
    ),
    prepared: (resource: Resource<Id, View>) => ({ resource: JSON.stringify(asDeclared(schema, resource)) }),
  } as never;
}

/** The column of a member. */
function columnFor(member: string, schema: z.ZodMiniType | undefined) {
  const isOptional = schema instanceof z.ZodMiniNullable || schema instanceof z.ZodMiniOptional;
  const own = isOptional ? (schema.def.innerType as z.ZodMiniType) : schema;
  const name = toSnakeCase(member);
  const column = own?.def.type === 'number' ? numberColumn(name) : textColumn(name, valuesOf(schema));
  return isOptional ? column : column.notNull();
}

/** The values of a member that has only some. None for one that may be null. */
function valuesOf(schema: z.ZodMiniType | undefined): readonly string[] {
  return schema instanceof z.ZodMiniEnum ? schema.options.map(String) : [];
}
