import type { RecordedEvent } from '../domain/event.ts';
import type { StreamId } from '../domain/stream.ts';
import { type Handler, type Projection, ignored, rowKeyOf } from './projection.ts';
import type { Row } from './slot-tables.ts';

/** The changes that some events of one stream make to one projection's tables. */
export interface StreamChanges {
  readonly stream: StreamId;
  /** The stream's own row before and after the events. Undefined: the stream has no row. */
  readonly before: Row | undefined;
  readonly after: Row | undefined;
  /** By name in the projection's `appends`. */
  readonly appended: Readonly<Record<string, readonly Row[]>>;
  /** By name in the projection's `counters`: rows of increments, in order, not yet summed. */
  readonly counted: Readonly<Record<string, readonly Row[]>>;
}

/** A handler threw, or the event does not fit the row. The event itself is the cause, so a retry does not help. */
export class PoisonEventError extends Error {
  override readonly name = 'PoisonEventError';
  readonly event: RecordedEvent;
  /** The part that errors of one bug have in common: the error's type, and the handler that threw it. */
  readonly kind: string;

  constructor(projection: string, event: RecordedEvent, effect: string, cause: unknown) {
    super(`${projection} cannot apply ${event.type} (${event.stream}@${event.version}): ${String(cause)}`, { cause });
    this.event = event;
    this.kind = `${cause instanceof Error ? cause.name : typeof cause} at ${event.type}.${effect}`;
  }
}

/**
 * Folds events of one stream, in order, over its own row. It is pure: the same row and events give the same changes. Throws `PoisonEventError` for an
 * event that a handler refuses.
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
  const form = projection.row?.form;
  let row = before && form ? form.toHandlers(before) : before;

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
  return { stream, before, after: row && form ? form.toTable(row) : row, appended, counted };
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
 * Sums rows of increments by their key, so that each counter is written once. Counters without a change are left out. A sum that is not a safe
 * integer is returned as exact text, since the database's integers have 64 bits.
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

/** A bigint only if a number would not be exact. */
type Count = number | bigint;

/** The exact sum of two counts. Counters should not hold fractions, but a fraction is added too. */
export function plus(one: Count, other: Count): Count {
  if (isExact(one) && isExact(other) && isExact(one + other)) return one + other;
  const sum = BigInt(one) + BigInt(other);
  return isExact(Number(sum)) ? Number(sum) : sum;
}

/** A number is exact up to 2^53. Beyond that, one number represents several integers. */
function isExact(count: Count): count is number {
  return typeof count === 'number' && Math.abs(count) <= Number.MAX_SAFE_INTEGER;
}

/** Reads an increment. An absent one is 0. */
export function countOf(increment: unknown): Count {
  if (typeof increment === 'string') return plus(BigInt(increment), 0);
  return (increment as Count | null | undefined) ?? 0;
}
