import type { RecordedEvent, StoredEvent } from '../domain/event.ts';
import { type StreamId, categoryOf } from '../domain/stream.ts';
import { UnreadableEventError, upcast } from '../domain/upcaster.ts';
import type { Failure, Page, Place, Revision, RevisionPosition } from './catch-up-page.ts';
import type { Position } from '../projections/checkpoint.ts';
import type { Obstacles } from '../dead-letters/dead-letter.ts';
import { PoisonEventError, type StreamChanges, foldStream } from '../projections/fold.ts';
import { planStream } from '../projections/checkpoint-moves.ts';
import { type Move, type TargetMoves, checkpointMovesOf } from '../projections/guarded-batch.ts';
import type { Projection } from '../projections/projection.ts';
import type { Row } from '../projections/slot-tables.ts';
import type { StreamProgress } from './stream-progress.ts';

/** The request behind an applied event, and its direct cause. */
export interface Trace {
  readonly correlationId: string;
  readonly causationId: string;
}

/** One stream's part of a batch: a move for each target that is behind. */
export interface Step {
  readonly page: Page;
  readonly moves: ReadonlyMap<Revision, Move>;
  /** The progress of the stream after the step. */
  readonly after: StreamProgress;
  /** The length of its rows, in characters of JSON. */
  readonly length: number;
}

/** Puts steps together in sequence, up to a length of each chunk. A step that is longer gets a chunk of its own. */
export function chunksOf<One extends { readonly length: number }>(
  steps: readonly One[],
  maxLength: number,
): readonly (readonly One[])[] {
  const chunks: One[][] = [];
  let length = Number.POSITIVE_INFINITY;
  for (const step of steps) {
    if (length + step.length > maxLength) {
      chunks.push([]);
      length = 0;
    }
    chunks.at(-1)?.push(step);
    length += step.length;
  }
  return chunks;
}

/** The moves of some steps in some targets, for one guarded batch. */
export function partsOf(steps: readonly Step[], targets: readonly Revision[]): readonly TargetMoves[] {
  return targets.flatMap((revision): readonly TargetMoves[] => {
    const moves = steps.flatMap((step) => step.moves.get(revision) ?? []);
    return moves.length > 0 ? [{ ...revision, moves }] : [];
  });
}

const MAX_TRACES = 20;

/** Adds the ids behind the events of an applied step, up to a number that fits a log line. */
export function noteTraces(traces: Trace[], { page }: Step): void {
  const its = page.events.map(({ metadata: { correlationId, causationId } }) => ({ correlationId, causationId }));
  traces.push(...its.slice(0, MAX_TRACES - traces.length));
}

/** What to do for one stream: a step, if there is one. The step ends before an event that cannot be applied. */
export interface Look {
  /** The progress of the stream after the step; without a step, its progress now. */
  readonly progress: StreamProgress;
  readonly step?: Step | undefined;
  /** Refusals by other targets of events that the leading target can take. */
  readonly failures: readonly Failure[];
}

/** Folds a page for every target that is behind. */
export function foldPage(page: Page): Look {
  const { place, events, head, end, held } = page;
  const { request, positions, obstacles } = place;
  const { stream } = request;
  const [lead, ...others] = positions;
  const led = moveOver(lead, stream, events, obstacles.skipped);
  const reached = led.move?.toVersion ?? lead.position.version;
  const moves = new Map<Revision, Move>(led.move && [[lead.revision, led.move]]);
  const failures: Failure[] = [];
  for (const other of others) {
    const within = events.filter(({ version }) => version <= reached);
    const { move, refusal } = moveOver(other, stream, within, obstacles.skipped);
    if (move) moves.set(other.revision, move);
    if (refusal) failures.push({ revision: other.revision, refusal });
  }
  const isOtherBehind = others.some(
    ({ revision, position }) => (moves.get(revision)?.toVersion ?? position.version) < reached,
  );
  const standstill = led.standstill ?? (reached >= end ? held : undefined);
  const progress: StreamProgress = {
    stream,
    version: reached,
    ...(head !== undefined && { head }),
    ...(standstill && { standstill }),
    ...(led.refusal && { refusal: led.refusal }),
    ...(isOtherBehind && { isOtherBehind }),
  };
  if (moves.size === 0) return { progress, failures };
  const length = [...moves.values()].reduce((sum, { changes }) => sum + lengthOf(changes), 0);
  return { progress, failures, step: { page, moves, after: progress, length } };
}

/** The first events of a page, to search for the one that the tables refuse. */
export function cutPage(page: Page, count: number): Page {
  return { ...page, events: page.events.slice(0, count) };
}

/** The rest of a page after a step has applied its first events. */
export function restOfPage(page: Page, { moves, page: taken }: Step, shares: boolean): Page {
  const { place } = page;
  const moved = [...moves].flatMap(([revision, move]) => checkpointMovesOf({ ...revision, moves: [move] }));
  const after = moved.length > 0 ? planStream(moved, shares) : undefined;
  const [lead, ...others] = place.positions.map(({ revision, position }): RevisionPosition => {
    const shared = after ? after.shared : position.shared;
    return { revision, position: { ...positionAfter(moves.get(revision), position), shared } };
  });
  const positions: Place['positions'] = [lead as RevisionPosition, ...others];
  return { ...page, place: { ...place, positions }, events: page.events.slice(taken.events.length) };
}

function positionAfter(move: Move | undefined, before: Position): Position {
  return move ? { version: move.toVersion, eventId: move.toEventId, row: move.changes.after } : before;
}

interface Moved {
  readonly move?: Move;
  readonly standstill?: StreamProgress['standstill'];
  readonly refusal?: StreamProgress['refusal'];
}

/** Folds events for one target. The move ends before an event that cannot be applied. */
function moveOver(
  { revision: { projection }, position: from }: RevisionPosition,
  stream: StreamId,
  stored: readonly StoredEvent[],
  skipped: Obstacles['skipped'],
): Moved {
  const events = stored.filter(({ version }) => version > from.version);
  const isTaken = (event: StoredEvent) => skipped.get(event.version) !== event.id;
  const { readable, lifted, ...standstill } = liftAll(projection, stream, events, isTaken);
  const { everyEvent } = projection;
  const fold = everyEvent
    ? () => appendStored(everyEvent, stream, readable.filter(isTaken))
    : (taken: readonly RecordedEvent[]) => foldStream(projection, stream, from.row, taken);
  try {
    return { ...toMove(stream, from, readable, fold(lifted)), ...standstill };
  } catch (error) {
    if (!(error instanceof PoisonEventError)) throw error;
    const { id: eventId, version } = error.event;
    const before = lifted.filter((event) => event.version < version);
    return {
      ...toMove(
        stream,
        from,
        readable.filter((event) => event.version < version),
        fold(before),
      ),
      standstill: { cause: 'poison', reason: error.message },
      refusal: { stream, version, eventId, cause: 'poison', kind: error.kind, error: error.message },
    };
  }
}

/** `readable` holds the events before the first that this code cannot lift. `lifted` holds those that are not skipped, in their current shape. */
function liftAll(
  projection: Projection,
  stream: StreamId,
  events: readonly StoredEvent[],
  isTaken: (event: StoredEvent) => boolean,
): Omit<Moved, 'move'> & { readonly readable: readonly StoredEvent[]; readonly lifted: readonly RecordedEvent[] } {
  if (projection.everyEvent) return { readable: events, lifted: [] };
  const types = projection.follows[categoryOf(stream)] ?? {};
  const readable: StoredEvent[] = [];
  const lifted: RecordedEvent[] = [];
  try {
    for (const event of events) {
      if (isTaken(event)) lifted.push(upcast(types, event));
      readable.push(event);
    }
    return { readable, lifted };
  } catch (error) {
    const reason = String(error);
    if (error instanceof UnreadableEventError)
      return { readable, lifted, standstill: { cause: 'unreadable-event', reason } };
    // An upcaster threw. That is a mistake in the code, like a handler that throws.
    const { id: eventId, version, type } = events[readable.length] as StoredEvent;
    const kind = `${error instanceof Error ? error.name : typeof error} at ${type}.upcast`;
    const refusal = { stream, version, eventId, cause: 'poison', kind, error: reason } as const;
    return { readable, lifted, standstill: { cause: 'poison', reason }, refusal };
  }
}

/** The changes of a projection that takes events as stored: it lifts no event and folds no row. */
function appendStored(
  everyEvent: NonNullable<Projection['everyEvent']>,
  stream: StreamId,
  events: readonly StoredEvent[],
): StreamChanges {
  const appended: Record<string, Row[]> = {};
  for (const [name, rows] of events.flatMap((event) => Object.entries(everyEvent.append(event)))) {
    (appended[name] ??= []).push(...rows);
  }
  return { stream, before: undefined, after: undefined, appended, counted: {} };
}

/**
 * The length of the rows, in characters of JSON. Infinity if JSON cannot encode them: then the step gets a batch of its own, which the columns refuse
 * without harm to other streams.
 */
function lengthOf({ after, appended, counted }: StreamChanges): number {
  const rows = [after, appended, counted];
  try {
    return JSON.stringify(rows).length;
  } catch {
    return lengthOfBigints(rows);
  }
}

/** JSON has no bigints. The replacer function encodes them but is slow, so rows without bigints do not use it. */
function lengthOfBigints(rows: unknown): number {
  try {
    return JSON.stringify(rows, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)).length;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** The move past these events, skipped ones included. */
function toMove(
  stream: StreamId,
  from: Position,
  events: readonly StoredEvent[],
  changes: StreamChanges,
): { readonly move?: Move } {
  const last = events.at(-1);
  return last ? { move: { stream, from, toVersion: last.version, toEventId: last.id, changes } } : {};
}
