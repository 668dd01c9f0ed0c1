import type { RecordedEvent } from '../domain/event.ts';
import type { StreamId } from '../domain/stream.ts';
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
  /** What errors of one bug have in common: the error's type, and the handler that threw it. */
  readonly kind: string;

  constructor(projection: string, event: RecordedEvent, effect: string, cause: unknown) {
    super(`${projection} cannot apply ${event.type} (${event.stream}@${event.version}): ${String(cause)}`, { cause });
    this.event = event;
    this.kind = `${cause instanceof Error ? cause.name : typeof cause} at ${event.type}.${effect}`;
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
    let effect = 'handler';
    try {
      if (handler === undefined) throw new Error('the projection has no handler for this type');
      if (handler !== ignored) {
        effect = 'append';
        collect(appended, handler.append?.(event, row));
        effect = 'count';
        collect(counted, handler.count?.(event, row));
        effect = row ? 'change' : 'create';
        row = nextRow(handler, row, event);
      }
    } catch (error) {
      throw new PoisonEventError(projection.name, event, effect, error);
    }
    if (row) row = { ...row, ...key, version: event.version };
  }
  return { stream, before, after: row, appended, counted };
}

function nextRow(handler: Handler, row: Row | undefined, event: RecordedEvent): Row | undefined {
  if (!handler.create && !handler.change) return row;
  if (row) {
    if (!handler.change) throw new Error('the stream has a row already, and the handler has no change');
    return handler.change(row, event);
  }
  if (!handler.create) throw new Error('the stream has no row yet, and the handler has no create');
  return handler.create(event);
}

function collect(
  into: Record<string, Row[]>,
  rows: Readonly<Record<string, readonly Row[] | undefined>> | undefined,
): void {
  for (const [name, some] of Object.entries(rows ?? {})) (into[name] ??= []).push(...(some ?? []));
}

/**
 * Sums rows of increments by their key, so that each counter is written once. Counters that come to nothing are left out. A sum that is no
 * safe integer is given as text, exactly: the database's own integers have 64 bits.
 */
export function sumIncrements(key: readonly string[], increments: readonly Row[]): readonly Row[] {
  const sums = new Map<string, { readonly first: Row; readonly counts: Map<string, Count> }>();
  for (const increment of increments) {
    const id = JSON.stringify(key.map((column) => increment[column] ?? null));
    const sum = sums.get(id) ?? { first: increment, counts: new Map<string, Count>() };
    sums.set(id, sum);
    for (const [column, by] of Object.entries(increment)) {
      if (!key.includes(column)) sum.counts.set(column, plus(sum.counts.get(column) ?? 0, countOf(by)));
    }
  }
  return [...sums.values()]
    .filter(({ counts }) => [...counts.values()].some((count) => count !== 0))
    .map(({ first, counts }) => ({
      ...first,
      ...Object.fromEntries([...counts].map(([column, count]) => [column, isExact(count) ? count : String(count)])),
    }));
}

/** A bigint only where a number would not be exact. */
type Count = number | bigint;

/** The sum of two counts, exactly. Fractions have no place in a counter, but are added as they are. */
export function plus(one: Count, other: Count): Count {
  if (isExact(one) && isExact(other) && isExact(one + other)) return one + other;
  const sum = BigInt(one) + BigInt(other);
  return isExact(Number(sum)) ? Number(sum) : sum;
}

/** Up to 2^53 a number is exact; beyond, it stands for its neighbours too. */
function isExact(count: Count): count is number {
  return typeof count === 'number' && Math.abs(count) <= Number.MAX_SAFE_INTEGER;
}

/** An increment that was left out counts nothing. */
export function countOf(increment: unknown): Count {
  if (typeof increment === 'string') return plus(BigInt(increment), 0);
  return (increment as Count | null | undefined) ?? 0;
}
