import type { RecordedEvent } from '../event.ts';
import type { StreamId } from '../stream.ts';
import { type Handler, type Projection, ignored, rowKeyOf } from './projection.ts';
import type { Row } from './slot-tables.ts';

/** What some events of one stream do to one projection's tables. */
export interface StreamChanges {
  readonly stream: StreamId;
  /** The stream's own row before and after; undefined: there is none. */
  readonly before: Row | undefined;
  readonly after: Row | undefined;
  /** By name of the projection's `appends`. */
  readonly appended: Readonly<Record<string, readonly Row[]>>;
  /** By name of the projection's `counters`: rows of increments, in order, not yet summed. */
  readonly counted: Readonly<Record<string, readonly Row[]>>;
}

/** A handler threw, or an event came that does not fit the row: the event itself is the trouble, so trying again will not help. */
export class PoisonEventError extends Error {
  override readonly name = 'PoisonEventError';
  readonly event: RecordedEvent;

  constructor(projection: string, event: RecordedEvent, cause: unknown) {
    super(`${projection} cannot apply ${event.type} (${event.stream}@${event.version}): ${String(cause)}`, { cause });
    this.event = event;
  }
}

/**
 * Folds events of one stream, in order, over its own row. Pure: the same row and events give the same changes.
 * Throws `PoisonEventError` for an event that a handler cannot take.
 */
export function foldStream(
  projection: Projection,
  stream: StreamId,
  before: Row | undefined,
  events: readonly RecordedEvent[],
): StreamChanges {
  const key = projection.row && { [projection.row.key]: rowKeyOf(projection, stream) };
  const appended: Record<string, Row[]> = {};
  const counted: Record<string, Row[]> = {};
  let row = before;

  for (const event of events) {
    const handler = projection.handlers[event.type];
    try {
      if (handler === undefined) throw new Error('it has no handler for this type');
      if (handler !== ignored) {
        collect(appended, handler.append?.(event));
        collect(counted, handler.count?.(event, row));
        row = nextRow(handler, row, event);
      }
    } catch (error) {
      throw new PoisonEventError(projection.name, event, error);
    }
    if (row) row = { ...row, ...key, version: event.version };
  }
  return { stream, before, after: row, appended, counted };
}

function nextRow(handler: Handler, row: Row | undefined, event: RecordedEvent): Row | undefined {
  if (!handler.create && !handler.change) return row;
  if (row) {
    if (!handler.change) throw new Error('its row exists already');
    return handler.change(row, event);
  }
  if (!handler.create) throw new Error('its row does not exist');
  return handler.create(event);
}

function collect(
  into: Record<string, Row[]>,
  rows: Readonly<Record<string, readonly Row[] | undefined>> | undefined,
): void {
  for (const [name, some] of Object.entries(rows ?? {})) (into[name] ??= []).push(...(some ?? []));
}

/** Sums rows of increments by their key, so that each counter is written once. Counters that come to nothing are left out. */
export function sumIncrements(key: readonly string[], increments: readonly Row[]): readonly Row[] {
  const sums = new Map<string, Record<string, unknown>>();
  for (const increment of increments) {
    const id = JSON.stringify(key.map((column) => increment[column] ?? null));
    const sum = sums.get(id);
    if (!sum) {
      sums.set(id, { ...increment });
      continue;
    }
    for (const [column, by] of Object.entries(increment)) {
      if (!key.includes(column)) sum[column] = numberOf(sum[column]) + numberOf(by);
    }
  }
  return [...sums.values()].filter((sum) =>
    Object.entries(sum).some(([column, by]) => !key.includes(column) && by !== 0),
  );
}

/** An increment that was left out counts nothing. */
function numberOf(increment: unknown): number {
  return (increment as number | null | undefined) ?? 0;
}
