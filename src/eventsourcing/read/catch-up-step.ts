import type { RecordedEvent, StoredEvent } from '../event.ts';
import { OverloadedError } from '../faults.ts';
import type { Hint } from '../message.ts';
import { type StreamId, categoryOf } from '../stream.ts';
import type { LogPage } from '../write/aggregate.ts';
import { UnreadableEventError, upcast } from '../write/upcaster.ts';
import type { Position } from './checkpoint.ts';
import type { DeadLetterCause, Obstacles, Refusal } from './dead-letter.ts';
import { PoisonEventError, type StreamChanges, foldStream } from './fold.ts';
import type { Move } from './guarded-batch.ts';
import { eventsFromHints } from './hinted-events.ts';
import type { Target } from './pointer.ts';
import type { Projection } from './projection.ts';
import type { Row } from './slot-tables.ts';

/** Reads a stream's events from its own log, the truth. */
export type LoadEvents = (stream: StreamId, fromVersion: number, limit: number) => Promise<LogPage>;

/** "Bring this stream to at least this version", with the events at hand, if any. */
export interface CatchUpRequest {
  readonly stream: StreamId;
  /** At least this version; `head`: whatever its log has. */
  readonly wanted: number | 'head';
  /** Where the live target had the stream a moment ago: its log is read from there while the positions are still being read. */
  readonly seenAt?: number;
  readonly hints?: readonly Hint[];
  /** Events from the archive, in order and without a gap. */
  readonly archived?: readonly StoredEvent[];
}

/** Why a stream could not be brought further. */
export type StandstillCause =
  | DeadLetterCause
  /** An event type or schema version that this code does not know, as during a deploy. */
  | 'unreadable-event'
  /** The object that has its log turned the read away. */
  | 'overloaded'
  /** Its log could not be read, or other writers kept winning. */
  | 'transient';

/** That a stream cannot be brought further, and why. */
export interface Standstill {
  readonly cause: StandstillCause;
  /** For people, and not for logs: it may quote what an event holds. */
  readonly reason: string;
  /** It waits for an operator: there is nothing to try again. */
  readonly isDeadLetter?: true;
}

/** Where a stream stands in the leading target: the live one, if there is any. */
export interface StreamProgress {
  readonly stream: StreamId;
  readonly version: number;
  /** A target beside the leading one is not there yet. */
  readonly isOtherBehind?: true;
  /** With a standstill that an event causes: that event. */
  readonly refusal?: Refusal;
  /** The stream's own version, where its log was read. */
  readonly head?: number;
  readonly standstill?: Standstill;
}

/** A target and the code for it. */
export interface Revision {
  readonly target: Target;
  readonly projection: Projection;
}

/** Where one target has a stream. */
export interface RevisionPosition {
  readonly revision: Revision;
  readonly position: Position;
}

/** Where an applied event came from. */
export interface Trace {
  readonly correlationId: string;
  readonly causationId: string;
}

/** What one stream contributes to a batch: a move for each target that is behind. */
export interface Step {
  readonly stream: StreamId;
  readonly moves: ReadonlyMap<Revision, Move>;
  /** The version of the leading target after it. */
  readonly leadVersion: number;
  /** How long its rows are, in characters of JSON. */
  readonly length: number;
  readonly traces: readonly Trace[];
}

/** What became of one stream in one round: where it stands, and the step it can take, which ends before an event that is refused. */
export interface Look {
  readonly progress: StreamProgress;
  readonly step?: Step;
  /** Targets beside the leading one that cannot take an event which the leading one can. */
  readonly failures: readonly Failure[];
}

/** An event that a target beside the leading one cannot take. */
export interface Failure {
  readonly revision: Revision;
  readonly refusal: Refusal;
}

/** How far one round goes. */
export interface StepLimits {
  /** Events of one stream. */
  readonly pageSize: number;
  /** Of these, where they have to be read from the log. Default: as many. */
  readonly readSize?: number;
  /** Takes up dead letters again instead of stopping before them. */
  readonly retriesDeadLetters?: boolean;
  /** For a slot that was begun from nothing: a log that was restored is its log, and what the archive has of it is not. */
  readonly isBuild?: boolean;
}

/**
 * One stream's next page of events (from the hints where these fit, else from the log), folded for every target that is behind. The
 * first of `positions` is the leading target's: the others never pass it. Without a step there is nothing (more) to do, or the stream is at
 * a standstill.
 */
export async function nextStep(
  request: CatchUpRequest,
  positions: readonly [RevisionPosition, ...RevisionPosition[]],
  obstacles: Obstacles,
  loadEvents: LoadEvents,
  limits: StepLimits,
): Promise<Look> {
  const { stream, wanted, hints = [], archived = [] } = request;
  const [lead] = positions;
  const all = positions.map(({ position }) => position);
  const lowest = all.reduce((low, position) => (position.version < low.version ? position : low));
  const progress: StreamProgress = { stream, version: lead.position.version };
  const isReached = wanted !== 'head' && lowest.version >= wanted;
  // A message that has another event where the checkpoint is may be an old one, or the log was restored: only the log can tell.
  if (isReached && !hints.some((hint) => hasAnother(hint.events ?? [], lead.position)))
    return { progress, failures: [] };

  const { refused } = obstacles;
  const isRestored = limits.isBuild === true && refused?.cause === 'log-restored';
  // A build does not pass what live has refused, even if only once: it might become a dead letter, and be skipped.
  const isStop = refused !== undefined && (refused.isOpen || limits.isBuild === true);
  const dead = isStop && !limits.retriesDeadLetters && !isRestored ? refused : undefined;
  const end = dead ? dead.version - 1 : Number.POSITIVE_INFINITY;
  const held = dead && { standstill: { cause: dead.cause, reason: dead.error, isDeadLetter: true as const } };
  if (lowest.version >= end) return { progress: { ...progress, ...held }, failures: [] };

  let head: { readonly head?: number } = {};
  let events = eventsFromArchive(isRestored ? [] : archived, lowest) ?? eventsFromHints(hints, lowest);
  if (!events) {
    let page: LogPage;
    try {
      page = await loadEvents(
        stream,
        lowest.version + 1,
        Math.min(limits.pageSize, limits.readSize ?? limits.pageSize),
      );
    } catch (error) {
      const cause = error instanceof OverloadedError ? 'overloaded' : 'transient';
      return { progress: { ...progress, standstill: { cause, reason: String(error) } }, failures: [] };
    }
    ({ events } = page);
    head = { head: page.head };
    const restored = positions
      .filter(({ position }) => contradicts(page, position, lowest))
      .map(({ revision, position }) => ({ revision, refusal: restoredLog(stream, position) }));
    const [first, ...others] = restored;
    if (first?.revision === lead.revision) {
      const { cause, error: reason } = first.refusal;
      return {
        progress: { ...progress, ...head, standstill: { cause, reason }, refusal: first.refusal },
        failures: [],
      };
    }
    if (first) return { progress: { ...progress, ...head }, failures: [first, ...others] };
  }
  events = events.slice(0, limits.pageSize).filter(({ version }) => version <= end);

  const led = moveOver(lead, stream, events, obstacles.skipped);
  const reached = led.move?.toVersion ?? lead.position.version;
  const moves = new Map<Revision, Move>(led.move && [[lead.revision, led.move]]);
  const failures: Failure[] = [];
  for (const other of positions.slice(1)) {
    const within = events.filter(({ version }) => version <= reached);
    const { move, refusal } = moveOver(other, stream, within, obstacles.skipped);
    if (move) moves.set(other.revision, move);
    if (refusal) failures.push({ revision: other.revision, refusal });
  }
  const isOtherBehind = positions
    .slice(1)
    .some(({ revision, position }) => (moves.get(revision)?.toVersion ?? position.version) < reached);
  const standstill = led.standstill ? { standstill: led.standstill } : reached === end ? held : undefined;
  const look = {
    progress: {
      ...progress,
      ...head,
      ...standstill,
      ...(led.refusal && { refusal: led.refusal }),
      ...(isOtherBehind && { isOtherBehind }),
    },
    failures,
  };
  if (moves.size === 0) return look;
  const length = [...moves.values()].reduce((sum, { changes }) => sum + lengthOf(changes), 0);
  const traces = events.map(({ metadata: { correlationId, causationId } }) => ({ correlationId, causationId }));
  return { ...look, step: { stream, moves, leadVersion: reached, length, traces } };
}

interface Moved {
  readonly move?: Move;
  readonly standstill?: Standstill;
  readonly refusal?: Refusal;
}

/** Folds a page for one target. What stands before an event that cannot be applied is applied all the same. */
function moveOver(
  { revision: { projection }, position: from }: RevisionPosition,
  stream: StreamId,
  stored: readonly StoredEvent[],
  skipped: Obstacles['skipped'],
): Moved {
  const events = stored.filter(({ version }) => version > from.version);
  const isTaken = (event: StoredEvent) => skipped.get(event.version) !== event.id;
  const types = projection.follows[categoryOf(stream)] ?? {};
  const readable: StoredEvent[] = [];
  const lifted: RecordedEvent[] = [];
  let standstill: Pick<Moved, 'standstill' | 'refusal'> = {};
  if (projection.everyEvent) readable.push(...events);
  else {
    try {
      for (const event of events) {
        if (isTaken(event)) lifted.push(upcast(types, event));
        readable.push(event);
      }
    } catch (error) {
      const culprit = events[readable.length] as StoredEvent;
      if (error instanceof UnreadableEventError) {
        standstill = { standstill: { cause: 'unreadable-event', reason: String(error) } };
      } else {
        // An upcaster threw: that is a mistake of the code, as when a handler does.
        const { id: eventId, version, type } = culprit;
        const kind = `${error instanceof Error ? error.name : typeof error} at ${type}.upcast`;
        const refusal = { stream, version, eventId, cause: 'poison', kind, error: String(error) } as const;
        standstill = { standstill: { cause: 'poison', reason: refusal.error }, refusal };
      }
    }
  }
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

/** For a projection that takes events as they were stored: there is nothing to lift, and no row to fold. */
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

/** Rows that no column can encode go into a batch of their own: it will be refused, and nobody else's with it. */
function lengthOf({ after, appended, counted }: StreamChanges): number {
  const rows = [after, appended, counted];
  try {
    return JSON.stringify(rows).length;
  } catch {
    return lengthOfBigints(rows);
  }
}

/** JSON knows no bigints; as to the function that could, the rows without any would wait for it. */
function lengthOfBigints(rows: unknown): number {
  try {
    return JSON.stringify(rows, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)).length;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** The move over some events, whether or not all of them were taken. */
function toMove(
  stream: StreamId,
  from: Position,
  events: readonly StoredEvent[],
  changes: StreamChanges,
): { readonly move?: Move } {
  const last = events.at(-1);
  return last ? { move: { stream, from, toVersion: last.version, toEventId: last.id, changes } } : {};
}

/** The archived events right after a position; undefined where they do not continue it. */
function eventsFromArchive(archived: readonly StoredEvent[], after: Position): readonly StoredEvent[] | undefined {
  const before = archived.find(({ version }) => version === after.version);
  if (before && before.id !== after.eventId) return undefined;
  const next = archived.filter(({ version }) => version > after.version);
  // Up to the first gap: an event that the archive lacks, because it was skipped there, say, is in the log.
  const contiguous = next.filter((event, index) => event.version === after.version + 1 + index);
  return contiguous.length > 0 ? contiguous : undefined;
}

/** Whether a page, which begins after `lowest`, shows another event than this position has seen, or none. */
function contradicts(page: LogPage, { version, eventId }: Position, lowest: Position): boolean {
  if (version > page.head) return true;
  if (version === lowest.version) return page.previousId !== eventId;
  return hasAnother(page.events, { version, eventId });
}

function hasAnother(events: readonly StoredEvent[], { version, eventId }: Omit<Position, 'row'>): boolean {
  return events.some((event) => event.version === version && event.id !== eventId);
}

function restoredLog(stream: StreamId, { version, eventId }: Position): Refusal {
  const error = `the log no longer has event ${eventId} at version ${version}`;
  return { stream, version: version + 1, eventId: '', cause: 'log-restored', kind: 'log-restored', error };
}
