import type { InferSelectModel } from 'drizzle-orm';
import type { SQLiteTable } from 'drizzle-orm/sqlite-core';

import type { DomainEvent, StoredEvent } from '../domain/event.ts';
import { type Projection, type Tables, rowKeyOf } from '../projections/projection.ts';
import { follows } from '../catch-up/projection-worker.ts';
import type { Row } from '../projections/slot-tables.ts';
import { streamId } from '../domain/stream.ts';
import type { AggregateType } from '../domain/aggregate-type.ts';
import type { Command, Rejection } from '../domain/decider.ts';
import { ExpectationError, difference } from './difference.ts';
import { type GivenEvent, storedEvents } from './given-events.ts';
import { type InMemoryReadModel, inMemoryReadModel } from './in-memory-read-model.ts';
import { type SeededRandom, seededRandom } from './seeded-random.ts';

export interface InterleavingOptions {
  /** The number of random interleavings to try. Default: 100. */
  readonly runs?: number;
  /** Determines every interleaving: the same seed gives the same ones. Default: 1. */
  readonly seed?: number;
  /** The most events in a batch. Default: 10. */
  readonly maxBatch?: number;
}

/** A row of the table with one row for each stream, as handlers get it: for `readModel`, the resource. */
type RowOf<InSlot extends Tables> = InSlot extends { readonly row: infer Table extends SQLiteTable }
  ? HandledRow<InferSelectModel<Table>>
  : never;
type HandledRow<Held> = Held extends { readonly resource: infer Whole extends { readonly version: number } }
  ? Whole
  : Held;

/** A projection and its events. */
export interface Projected<InSlot extends Tables> {
  /** Adds events to the end of the stream of `type` with the aggregate's own `id`. They need only `{ type, data }`. Returns a new object. */
  events<State extends object, C extends Command, Event extends DomainEvent, Refusal extends Rejection>(
    type: AggregateType<State, C, Event, Refusal>,
    id: string,
    events: readonly GivenEvent<NoInfer<Event>>[],
  ): Projected<InSlot>;
  /** Adds stored events of any streams, each in sequence. Streams that the projection does not follow are left out. Returns a new object. */
  stored(events: readonly StoredEvent[]): Projected<InSlot>;
  /** The rows after the events, sorted by key. */
  rows(): readonly RowOf<InSlot>[];
  /** The row of the stream of `type` with this id. */
  row(type: { readonly category: string }, id: string): RowOf<InSlot> | undefined;
  /** The rows of an append-only table, sorted by key. */
  appended(name: string): readonly Row[];
  /** The rows of a counter table, sorted by key, without those at 0. */
  counters(name: string): readonly Row[];
  /** Folds the streams' events in random interleavings and in batches of random size. Throws unless all tables are equal each time (I19). */
  checkInterleavings(options?: InterleavingOptions): void;
}

/**
 * Folds events through a projection in memory, with the same fold as production.
 *
 *     const projected = project(seatMap)
 *       .events(seatType, '12', [{ type: 'SeatReserved', data: { guest: 'Ada' } }])
 *       .events(seatType, '14', [{ type: 'SeatReserved', data: { guest: 'Bob' } }, { type: 'SeatReleased', data: {} }]);
 *
 *     expect(projected.row(seatType, '12')).toEqual({ seatId: '12', version: 1, guest: 'Ada' });
 *     projected.checkInterleavings({ runs: 200, seed: 7 });
 *
 * A handler that is impure, reads the time or uses a random source causes an error that names it.
 */
export function project<InSlot extends Tables>(projection: Projection<InSlot>): Projected<InSlot> {
  return projected(projection, []);
}

function projected<InSlot extends Tables>(
  projection: Projection<InSlot>,
  log: readonly StoredEvent[],
): Projected<InSlot> {
  let model: InMemoryReadModel | undefined;
  function tables() {
    model ??= foldEachAlone(projection, log);
    return model.tables();
  }

  function handledRows(): readonly RowOf<InSlot>[] {
    const { form } = projection.row ?? {};
    const { rows } = tables();
    return (form ? rows.map(form.toHandlers) : rows) as readonly RowOf<InSlot>[];
  }

  return {
    events(type, id, events) {
      const stream = streamId(type.category, id);
      if (!follows(projection, stream)) throw new Error(`${projection.name} does not follow "${type.category}"`);
      const streams = [...new Set(log.map((event) => event.stream))];
      const series = 2 * (streams.includes(stream) ? streams.indexOf(stream) : streams.length);
      const fromVersion = log.filter((event) => event.stream === stream).length + 1;
      return projected(projection, [...log, ...storedEvents(type.events, stream, events, { fromVersion, series })]);
    },
    stored: (events) => projected(projection, [...log, ...events.filter(({ stream }) => follows(projection, stream))]),
    rows: handledRows,
    row({ category }, id) {
      const key = rowKeyOf(projection, streamId(category, id));
      return handledRows().find((row) => (row as Row)[projection.row?.key ?? ''] === key);
    },
    appended: (name) => named(tables().appended, name, projection),
    counters: (name) => named(tables().counters, name, projection),
    checkInterleavings(options = {}) {
      const { runs = 100, seed = 1, maxBatch = 10 } = options;
      const expected = tables();
      for (let run = 0; run < runs; run += 1) {
        const random = seededRandom(seed + run);
        const batches = inBatches(interleaved(log, random), maxBatch, random);
        const actual = inMemoryReadModel(projection);
        for (const batch of batches) actual.apply(batch);
        const lines = difference(expected, actual.tables());
        if (lines !== undefined) {
          const message =
            `${projection.name} does not commute: with { seed: ${seed + run}, runs: 1 } its tables differ from a fold of one stream after another ` +
            `(- one stream after another, + interleaved)\n${lines}\n\nbatches:\n${batches.map(describe).join('\n')}`;
          throw new ExpectationError(message, expected, actual.tables());
        }
      }
    },
  };
}

/** Folds one stream after another, event by event. Every interleaving must give the same tables. */
function foldEachAlone(projection: Projection, log: readonly StoredEvent[]): InMemoryReadModel {
  const model = inMemoryReadModel(projection);
  for (const events of Map.groupBy(log, ({ stream }) => stream).values())
    for (const event of events) model.apply([event]);
  return model;
}

/** The events of all streams in a random sequence that keeps the sequence of each stream. */
function interleaved(log: readonly StoredEvent[], random: SeededRandom): readonly StoredEvent[] {
  let open = Array.from(Map.groupBy(log, ({ stream }) => stream).values(), (events) => ({ events, taken: 0 }));
  const mixed: StoredEvent[] = [];
  while (open.length > 0) {
    const next = open[random.below(open.length)] as (typeof open)[number];
    mixed.push(next.events[next.taken] as StoredEvent);
    next.taken += 1;
    open = open.filter(({ events, taken }) => taken < events.length);
  }
  return mixed;
}

function inBatches(
  events: readonly StoredEvent[],
  maxBatch: number,
  random: SeededRandom,
): readonly (readonly StoredEvent[])[] {
  const batches: (readonly StoredEvent[])[] = [];
  for (let at = 0; at < events.length; at += batches.at(-1)?.length ?? 1)
    batches.push(events.slice(at, at + 1 + random.below(maxBatch)));
  return batches;
}

function describe(batch: readonly StoredEvent[]): string {
  return `  ${batch.map(({ stream, version, type }) => `${stream}@${version} ${type}`).join(', ')}`;
}

function named(tables: Readonly<Record<string, readonly Row[]>>, name: string, projection: Projection): readonly Row[] {
  const rows = tables[name];
  if (!rows)
    throw new Error(`${projection.name} declares no "${name}"; it has: ${Object.keys(tables).join(', ') || 'none'}`);
  return rows;
}
