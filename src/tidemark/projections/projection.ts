import type { InferInsertModel, InferSelectModel } from 'drizzle-orm';
import type { SQLiteTable } from 'drizzle-orm/sqlite-core';

import type { DomainEvent, RecordedEvent, StoredEvent } from '../domain/event.ts';
import type { Group } from '../platform/group.ts';
import { type StreamId, idOf } from '../domain/stream.ts';
import type { EventTypes } from '../domain/upcaster.ts';
import type { Row, Slot, SlotTables } from './slot-tables.ts';
import type { Wide } from './wide-counters.ts';

/** The handler of an event type that the projection does not use. The checkpoint still moves past such events. */
export const ignored = 'ignored';

/** A handler's result for its own row: every column except the key and `version`, which the kernel fills. */
export type RowValues<Table extends SQLiteTable, Key extends string> = Omit<InferInsertModel<Table>, Key | 'version'>;

type Appends = Readonly<Record<string, SlotTables>>;

interface Counter {
  readonly tables: SlotTables;
  readonly key: readonly string[];
  /** Columns whose sums may exceed 64 bits, each with the column for the excess. That second column has the default 0, and handlers leave it out. */
  readonly wide?: Wide;
}
type Counters = Readonly<Record<string, Counter>>;

/** Rows to add to append-only tables. Their primary key should start with the stream's id and contain the event's version. */
type Appended<A extends Appends> = { readonly [Name in keyof A]?: readonly InferInsertModel<A[Name]['a']>[] };

/** Counter rows: the key's columns identify the counter, and all other columns are signed increments. */
type Counted<C extends Counters> = { readonly [Name in keyof C]?: readonly InferInsertModel<C[Name]['tables']['a']>[] };

/** The effects of one event type. Without any of these, an event only moves the checkpoint. */
interface Effects<State, Values, Event extends DomainEvent, A extends Appends, C extends Counters> {
  /** Makes the stream's own row if it has none. Without `create`, but with `change`, an event of a stream without a row is refused. */
  readonly create?: (event: RecordedEvent<Event>) => Values;
  /** Changes the stream's own row if it has one. Without `change`, but with `create`, an event of a stream with a row is refused. */
  readonly change?: (row: State, event: RecordedEvent<Event>) => Values;
  /** Returns rows to append. `row` is the stream's own row before the event. */
  readonly append?: (event: RecordedEvent<Event>, row: State | undefined) => Appended<A>;
  /** Returns increments. `row` is the stream's own row before the event, so its former contribution can be subtracted. */
  readonly count?: (event: RecordedEvent<Event>, row: State | undefined) => Counted<C>;
}

/**
 * The effects of every event type of the followed categories. A missing type is a type error. `State` is the row that handlers get, and `Values` what
 * they return: the same without the key and `version`.
 */
export type Handlers<Event extends DomainEvent, State, Values, A extends Appends, C extends Counters> = {
  readonly [Type in Event['type']]: typeof ignored | Effects<State, Values, Extract<Event, { type: Type }>, A, C>;
};

/** How a projection normally advances: through the queue, or in the command's own request before it answers. */
export type ProjectionMode = 'asynchronous' | 'synchronous';

/**
 * The declaration of a projection. Consumer, catch-up, causal read and rebuild are derived from it.
 *
 * Handlers are folds. They take their own stream's row and one event. They return the new row, rows to append, and signed increments of shared
 * counters. They are pure and deterministic, so they commute across streams: any interleaving of streams gives equal tables (I19).
 */
export interface ProjectionDeclaration<
  Event extends DomainEvent,
  Table extends SQLiteTable,
  Key extends string & keyof InferSelectModel<Table>,
  A extends Appends,
  C extends Counters,
> {
  /** Unique. It is also the projection's key in the database. */
  readonly name: string;
  /** An integer from 1. Raise it when a table or a rule changes: the new revision is built in the other slot. */
  readonly revision: number;
  readonly group: Group;
  /** Default: asynchronous. */
  readonly mode?: ProjectionMode;
  /**
   * The table with one row for each stream. Default: none. The kernel fills `key` with the aggregate's id, or with the whole stream id if the
   * projection follows several categories. It fills `version` with the version of the last event.
   */
  readonly row?: {
    readonly tables: SlotTables<Table>;
    readonly key: Key;
    /** A column that only the database uses, for example the row number for a full text index. The drizzle table does not declare it. */
    readonly surrogate?: string;
  };
  readonly appends?: A;
  readonly counters?: C;
  readonly handlers: Handlers<Event, InferSelectModel<Table>, RowValues<Table, Key>, A, C>;
  /** Whether this revision is known to differ from the one before. If true, its build goes live without an operator's consent. Default: false. */
  readonly acceptsDifferences?: boolean;
}

/** The tables of a projection in one slot, by name. `row` is the table with one row for each stream. */
export type Tables = Readonly<Record<string, SQLiteTable>>;

type TablesIn<Table extends SQLiteTable, A extends Appends, C extends Counters> = { readonly row: Table } & {
  readonly [Name in keyof A]: A[Name]['a'];
} & { readonly [Name in keyof C]: C[Name]['tables']['a'] };

/** Between a row of the table and the row that handlers get. Default: they are the same. */
export interface RowForm {
  readonly toHandlers: (row: Row) => Row;
  readonly toTable: (row: Row) => Row;
}

/** A projection whose types were checked where it was declared. The kernel works with this form. */
export interface Projection<InSlot extends Tables = Tables> {
  readonly name: string;
  readonly revision: number;
  readonly group: Group;
  readonly mode: ProjectionMode;
  readonly follows: Readonly<Record<string, EventTypes>>;
  readonly row:
    | { readonly tables: SlotTables; readonly key: string; readonly surrogate?: string; readonly form?: RowForm }
    | undefined;
  readonly appends: Appends;
  readonly counters: Counters;
  readonly handlers: Readonly<Record<string, typeof ignored | Handler>>;
  /** Instead of handlers: the effect of every event of any type, as it was stored. */
  readonly everyEvent?: { readonly append: (event: StoredEvent) => Readonly<Record<string, readonly Row[]>> };
  readonly acceptsDifferences?: boolean;
  /** All its tables in one slot, for queries. */
  readonly tables: (slot: Slot) => InSlot;
}

/** A handler without its types. */
export interface Handler {
  readonly create?: ((event: RecordedEvent) => Row) | undefined;
  readonly change?: ((row: Row, event: RecordedEvent) => Row) | undefined;
  readonly append?:
    | ((event: RecordedEvent, row: Row | undefined) => Readonly<Record<string, readonly Row[] | undefined>>)
    | undefined;
  readonly count?:
    | ((event: RecordedEvent, row: Row | undefined) => Readonly<Record<string, readonly Row[] | undefined>>)
    | undefined;
}

/** A kind of aggregate whose events a projection follows. */
export interface EventSource<Event extends DomainEvent = DomainEvent> {
  readonly category: string;
  readonly events: EventTypes<Event>;
  /** Used only for the type of the events. */
  readonly decider: { evolve(state: never, event: RecordedEvent<Event>): unknown };
}

type EventsOf<Source> = Source extends EventSource<infer Event> ? Event : never;

/**
 * Declares a projection of the events of some aggregates. It takes two calls, since TypeScript infers either all type arguments or none.
 *
 *     export const seatMap = projectionOf(seat)({ name: 'seat-map', revision: 1, …, handlers: { SeatReserved: { create: … } } });
 */
export function projectionOf<Sources extends readonly EventSource<never>[]>(...sources: Sources) {
  type Event = EventsOf<Sources[number]>;
  const follows = Object.fromEntries(sources.map(({ category, events }) => [category, events as EventTypes]));
  return <
    Table extends SQLiteTable,
    Key extends string & keyof InferSelectModel<Table>,
    A extends Appends = Record<never, never>,
    C extends Counters = Record<never, never>,
  >(
    declaration: ProjectionDeclaration<Event, Table, Key, A, C>,
  ): Projection<TablesIn<Table, A, C>> => {
    const { row, appends = {}, counters = {} } = declaration;
    const inSlot = (slot: Slot) =>
      Object.fromEntries([
        ...(row ? [['row', row.tables[slot]] as const] : []),
        ...Object.entries<SlotTables>(appends).map(([name, tables]) => [name, tables[slot]] as const),
        ...Object.entries<Counters[string]>(counters).map(([name, { tables }]) => [name, tables[slot]] as const),
      ]);
    const slots = { a: inSlot('a'), b: inSlot('b') };
    return {
      mode: 'asynchronous',
      ...declaration,
      follows,
      row,
      appends,
      counters,
      handlers: declaration.handlers as Projection['handlers'],
      tables: (slot) => slots[slot] as unknown as TablesIn<Table, A, C>,
    };
  };
}

/** The key of a stream's own row. */
export function rowKeyOf(projection: Projection, stream: StreamId): string {
  return Object.keys(projection.follows).length === 1 ? idOf(stream) : stream;
}
