import type { RecordedEvent, StoredEvent } from '../domain/event.ts';
import { type StreamChanges, foldStream, sumIncrements } from '../projections/fold.ts';
import { type Handler, type Projection, ignored, rowKeyOf } from '../projections/projection.ts';
import type { Row } from '../projections/slot-tables.ts';
import { type StreamId, categoryOf } from '../domain/stream.ts';
import { upcast } from '../domain/upcaster.ts';
import { deepFreeze, deterministically } from './determinism.ts';
import { expectSame } from './difference.ts';
import { inMemoryTable } from './in-memory-table.ts';

/** All rows of a projection's tables. The rows of each table are sorted by key. */
export interface Tables {
  readonly rows: readonly Row[];
  /** By name in the projection's `appends`. */
  readonly appended: Readonly<Record<string, readonly Row[]>>;
  /** By name in the projection's `counters`. A wide sum is one value, without its second column, and is text beyond 2^53. */
  readonly counters: Readonly<Record<string, readonly Row[]>>;
}

/** A projection's tables in memory. */
export interface InMemoryReadModel {
  /** Folds events like one guarded batch: stream by stream, with one write for each row and each counter. */
  apply(batch: readonly StoredEvent[]): void;
  tables(): Tables;
}

/**
 * Makes empty tables of a projection. Its handlers run twice, without the time and random sources, and with immutable arguments. So an impure handler
 * fails.
 */
export function inMemoryReadModel(declared: Projection): InMemoryReadModel {
  const projection = withoutChance(declared);
  const own = projection.row && {
    table: inMemoryTable(projection.row.tables.a, [projection.row.key]),
    key: projection.row.key,
  };
  const appended = mapValues(projection.appends, (tables) => inMemoryTable(tables.a));
  const counters = mapValues(projection.counters, ({ tables, key }) => inMemoryTable(tables.a, key));

  function foldTwice(stream: StreamId, stored: readonly StoredEvent[]): StreamChanges {
    const before = own && deepFreeze(own.table.find({ [own.key]: rowKeyOf(projection, stream) }));
    const events = stored.map((event): RecordedEvent =>
      deepFreeze(upcast(projection.follows[categoryOf(stream)] ?? {}, event)),
    );
    const changes = foldStream(projection, stream, before, events);
    const again = foldStream(projection, stream, before, events);
    expectSame(
      `${projection.name} is not pure: folding the same events of ${stream} again gives something else.`,
      changes,
      again,
    );
    return changes;
  }

  return {
    apply(batch) {
      const changes = [...Map.groupBy(batch, ({ stream }) => stream)].map(([stream, events]) =>
        foldTwice(stream, events),
      );
      for (const { after } of changes) if (after) own?.table.put(after);
      for (const [name, table] of Object.entries(appended)) {
        for (const row of changes.flatMap((change) => change.appended[name] ?? [])) table.insert(row);
      }
      for (const [name, table] of Object.entries(counters)) {
        const increments = changes.flatMap((change) => change.counted[name] ?? []);
        for (const sum of sumIncrements(projection.counters[name]?.key ?? [], increments)) table.add(sum);
      }
    },
    tables: () => ({
      rows: own?.table.rows() ?? [],
      appended: mapValues(appended, (table) => table.rows()),
      counters: mapValues(counters, (table, name) => {
        const { key = [], wide = {} } = projection.counters[name] ?? {};
        const rows = table.rows().filter((row) => !isAtZero(row, key));
        return rows.map((row) => without(row, Object.values(wide)));
      }),
    }),
  };
}

/** The projection with handlers that cannot read the time or use a random source. */
function withoutChance(projection: Projection): Projection {
  return {
    ...projection,
    handlers: mapValues(projection.handlers, (handler, type) => {
      if (handler === ignored) return handler;
      const who = `${projection.name}'s handler of ${type}`;
      const { create, change, append, count } = handler;
      const guarded: Handler = {
        create: create && ((event) => deterministically(who, () => create(event))),
        change: change && ((row, event) => deterministically(who, () => change(row, event))),
        append: append && ((event, row) => deterministically(who, () => append(event, row))),
        count: count && ((event, row) => deterministically(who, () => count(event, row))),
      };
      return guarded;
    }),
  };
}

/** A counter that has returned to zero equals one that never existed. */
function isAtZero(row: Row, key: readonly string[]): boolean {
  return Object.entries(row).every(([column, value]) => key.includes(column) || value === 0);
}

function without(row: Row, columns: readonly string[]): Row {
  return Object.fromEntries(Object.entries(row).filter(([column]) => !columns.includes(column)));
}

function mapValues<From, To>(
  from: Readonly<Record<string, From>>,
  map: (value: From, name: string) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(from).map(([name, value]) => [name, map(value, name)]));
}
