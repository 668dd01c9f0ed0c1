import type { InferInsertModel, InferSelectModel } from 'drizzle-orm';
import type { SQLiteTable } from 'drizzle-orm/sqlite-core';

import type { DomainEvent, RecordedEvent, StoredEvent } from '../domain/event.ts';
import type { Group } from '../platform/group.ts';
import { type StreamId, idOf } from '../domain/stream.ts';
import type { EventTypes } from '../domain/upcaster.ts';
import type { Row, Slot, SlotTables } from './slot-tables.ts';
import type { Wide } from './wide-counters.ts';

/** Names an event type that a projection has no use for. Its checkpoint passes such events all the same. */
export const ignored = 'ignored';

/** What a handler returns for its own row: every column but the two that the kernel fills, the key and `version`. */
export type RowValues<Table extends SQLiteTable, Key extends string> = Omit<InferInsertModel<Table>, Key | 'version'>;

type Appends = Readonly<Record<string, SlotTables>>;

interface Counter {
  readonly tables: SlotTables;
  readonly key: readonly string[];
  /** Columns whose sums may leave 64 bits, each with the one that takes what is beyond: that has the default 0, and handlers leave it out. */
  readonly wide?: Wide;
}
type Counters = Readonly<Record<string, Counter>>;

/** Rows to add to append-only tables. Their primary key should start with the stream's id and hold the event's version. */
type Appended<A extends Appends> = { readonly [Name in keyof A]?: readonly InferInsertModel<A[Name]['a']>[] };

/** Counter rows: the key's columns say which counter, all others are signed increments. */
type Counted<C extends Counters> = { readonly [Name in keyof C]?: readonly InferInsertModel<C[Name]['tables']['a']>[] };

/** What an event of one type does. One that has none of these only moves the checkpoint. */
interface Effects<
  Table extends SQLiteTable,
  Key extends string,
  Event extends DomainEvent,
  A extends Appends,
  C extends Counters,
> {
  /** The stream's own row, where it has none yet. Without it, an event that meets no row is refused. */
  readonly create?: (event: RecordedEvent<Event>) => RowValues<Table, Key>;
  /** The stream's own row, where it has one. Without it, and with `create`, an event that meets a row is refused. */
  readonly change?: (row: InferSelectModel<Table>, event: RecordedEvent<Event>) => RowValues<Table, Key>;
  /** `row` is the stream's own row before the event. */
  readonly append?: (event: RecordedEvent<Event>, row: InferSelectModel<Table> | undefined) => Appended<A>;
  /** `row` is the stream's own row before the event, so that what it stood for can be taken back. */
  readonly count?: (event: RecordedEvent<Event>, row: InferSelectModel<Table> | undefined) => Counted<C>;
}

/** What an event type does, for every type of the categories followed: a missing one is a type error. */
export type Handlers<
  Event extends DomainEvent,
  Table extends SQLiteTable,
  Key extends string,
  A extends Appends,
  C extends Counters,
> = {
  readonly [Type in Event['type']]: typeof ignored | Effects<Table, Key, Extract<Event, { type: Type }>, A, C>;
};

/** How a projection is normally moved: by the queue, or by the command's own request before it answers. */
export type ProjectionMode = 'asynchronous' | 'synchronous';

/**
 * A projection, whole: everything else (consumer, catch-up, causal read, rebuild) is derived from this declaration.
 *
 * Handlers are folds: from their own stream's row and one event to the new row, plus rows to append and signed increments of shared
 * counters. They are pure and deterministic, and so commute across streams: whatever the interleaving, the tables come out equal (I19).
 */
export interface ProjectionDeclaration<
  Event extends DomainEvent,
  Table extends SQLiteTable,
  Key extends string & keyof InferSelectModel<Table>,
  A extends Appends,
  C extends Counters,
> {
  /** Unique; also its key in the database. */
  readonly name: string;
  /** Raise it when a table or a rule changes: the new revision is built in the other slot. From 1. */
  readonly revision: number;
  readonly group: Group;
  /** Default: asynchronous. */
  readonly mode?: ProjectionMode;
  /**
   * The table with one row for each stream, if it has one. The kernel fills `key` with the aggregate's id (with the whole stream id when
   * several categories are followed) and `version` with the version of the last event.
   */
  readonly row?: {
    readonly tables: SlotTables<Table>;
    readonly key: Key;
    /** A column of the database's own, which is not declared and means nothing: the number by which a full text index knows a row. */
    readonly surrogate?: string;
  };
  readonly appends?: A;
  readonly counters?: C;
  readonly handlers: Handlers<Event, Table, Key, A, C>;
  /** A new revision is known to differ from the one before: its build is swapped in without anybody's consent. Default: false. */
  readonly acceptsDifferences?: boolean;
}

/** The tables of a projection in one slot, by name: `row` is the one with a row for each stream. */
export type Tables = Readonly<Record<string, SQLiteTable>>;

type TablesIn<Table extends SQLiteTable, A extends Appends, C extends Counters> = { readonly row: Table } & {
  readonly [Name in keyof A]: A[Name]['a'];
} & { readonly [Name in keyof C]: C[Name]['tables']['a'] };

/** A projection whose types were checked where it was declared: what the kernel's machinery works with. */
export interface Projection<InSlot extends Tables = Tables> {
  readonly name: string;
  readonly revision: number;
  readonly group: Group;
  readonly mode: ProjectionMode;
  readonly follows: Readonly<Record<string, EventTypes>>;
  readonly row: { readonly tables: SlotTables; readonly key: string; readonly surrogate?: string } | undefined;
  readonly appends: Appends;
  readonly counters: Counters;
  readonly handlers: Readonly<Record<string, typeof ignored | Handler>>;
  /** Instead of handlers: what every event does, whatever its type, as it was stored. */
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

/** What a projection follows: one kind of aggregate, as far as its events go. */
export interface EventSource<Event extends DomainEvent = DomainEvent> {
  readonly category: string;
  readonly events: EventTypes<Event>;
  /** Only for the type of its events. */
  readonly decider: { evolve(state: never, event: RecordedEvent<Event>): unknown };
}

type EventsOf<Source> = Source extends EventSource<infer Event> ? Event : never;

/**
 * Declares a projection of the events of some aggregates. (Two calls, since TypeScript infers either all type arguments or none.)
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
