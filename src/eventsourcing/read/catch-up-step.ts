import type { RecordedEvent, StoredEvent } from '../event.ts';
import { OverloadedError } from '../faults.ts';
import type { Hint } from '../message.ts';
import { type StreamId, categoryOf } from '../stream.ts';
import type { LogPage } from '../write/aggregate.ts';
import { upcast } from '../write/upcaster.ts';
import type { Position } from './checkpoint.ts';
import { PoisonEventError, foldStream } from './fold.ts';
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
  readonly hints?: readonly Hint[];
}

/** Why a stream could not be brought further. */
export type StandstillCause =
  /** A handler threw, or a constraint refused what it made. Trying again will not help. */
  | 'poison'
  /** The log is not the one that the checkpoint was made from: it was restored to an earlier time. */
  | 'log-restored'
  /** An event type or schema version that this code does not know, as during a deploy. */
  | 'unreadable-event'
  /** The object that has its log turned the read away. */
  | 'overloaded'
  /** Its log could not be read, or other writers kept winning. */
  | 'transient';

/** That a stream cannot be brought further, and why. */
export interface Standstill {
  readonly cause: StandstillCause;
  readonly reason: string;
}

/** Where a stream stands, in the live slot. */
export interface StreamProgress {
  readonly stream: StreamId;
  readonly version: number;
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

/** What one stream contributes to a batch: a move for each target that is behind. */
export interface Step {
  readonly stream: StreamId;
  readonly moves: ReadonlyMap<Revision, Move>;
  /** The version of the live target after it. */
  readonly liveVersion: number;
  /** How long its rows are, in characters of JSON. */
  readonly length: number;
}

/** What became of one stream in one round: where it stands, and the step it can take. */
export interface Look {
  readonly progress: StreamProgress;
  readonly step?: Step;
}

/**
 * One stream's next page of events (from the hints where these fit, else from the log), folded for every target that is behind. The
 * first of `positions` is the live target's. Without a step there is nothing (more) to do, or the stream is at a standstill.
 */
export async function nextStep(
  request: CatchUpRequest,
  positions: readonly [RevisionPosition, ...RevisionPosition[]],
  loadEvents: LoadEvents,
  pageSize: number,
): Promise<Look> {
  const { stream, wanted, hints = [] } = request;
  const [{ revision: live, position: livePosition }] = positions;
  const all = positions.map(({ position }) => position);
  const lowest = all.reduce((low, position) => (position.version < low.version ? position : low));
  const progress: StreamProgress = { stream, version: livePosition.version };
  if (wanted !== 'head' && lowest.version >= wanted) return { progress };

  let head: { readonly head?: number } = {};
  let events = eventsFromHints(hints, lowest);
  if (!events) {
    let page: LogPage;
    try {
      page = await loadEvents(stream, lowest.version + 1, pageSize);
    } catch (error) {
      const cause = error instanceof OverloadedError ? 'overloaded' : 'transient';
      return { progress: { ...progress, standstill: { cause, reason: String(error) } } };
    }
    ({ events } = page);
    head = { head: page.head };
    if (page.previousId !== lowest.eventId || all.some((position) => contradicts(page, position))) {
      const reason = `the log no longer has event ${lowest.eventId} at version ${lowest.version}`;
      return { progress: { ...progress, ...head, standstill: { cause: 'log-restored', reason } } };
    }
  }

  const moves = new Map<Revision, Move>();
  let standstill: { readonly standstill?: Standstill } = {};
  for (const { revision, position } of positions) {
    const moved = moveOver(revision.projection, stream, position, events);
    if (moved.move) moves.set(revision, moved.move);
    if (moved.standstill && revision === live) standstill = { standstill: moved.standstill };
  }
  const look = { progress: { ...progress, ...head, ...standstill } };
  if (moves.size === 0) return look;
  const liveVersion = moves.get(live)?.toVersion ?? livePosition.version;
  const length = [...moves.values()].reduce((sum, { changes }) => sum + JSON.stringify(changes).length, 0);
  return { ...look, step: { stream, moves, liveVersion, length } };
}

/** Folds a page for one target. What stands before an event that cannot be applied is applied all the same. */
function moveOver(
  projection: Projection,
  stream: StreamId,
  from: Position,
  stored: readonly StoredEvent[],
): { readonly move?: Move; readonly standstill?: Standstill } {
  const { everyEvent } = projection;
  if (everyEvent) return appendStored(everyEvent, stream, from, stored);
  const types = projection.follows[categoryOf(stream)] ?? {};
  const events: RecordedEvent[] = [];
  let standstill: { readonly standstill?: Standstill } = {};
  try {
    for (const event of stored) if (event.version > from.version) events.push(upcast(types, event));
  } catch (error) {
    standstill = { standstill: { cause: 'unreadable-event', reason: String(error) } };
  }
  try {
    return { ...toMove(projection, stream, from, events), ...standstill };
  } catch (error) {
    if (!(error instanceof PoisonEventError)) throw error;
    const before = events.slice(0, events.indexOf(error.event));
    return { ...toMove(projection, stream, from, before), standstill: { cause: 'poison', reason: error.message } };
  }
}

/** For a projection that takes events as they were stored: there is nothing to lift, and no row to fold. */
function appendStored(
  everyEvent: NonNullable<Projection['everyEvent']>,
  stream: StreamId,
  from: Position,
  stored: readonly StoredEvent[],
): { readonly move?: Move } {
  const events = stored.filter(({ version }) => version > from.version);
  const last = events.at(-1);
  if (!last) return {};
  const appended: Record<string, Row[]> = {};
  for (const [name, rows] of events.flatMap((event) => Object.entries(everyEvent.append(event)))) {
    (appended[name] ??= []).push(...rows);
  }
  const changes = { stream, before: undefined, after: undefined, appended, counted: {} };
  return { move: { stream, from, toVersion: last.version, toEventId: last.id, changes } };
}

function toMove(
  projection: Projection,
  stream: StreamId,
  from: Position,
  events: readonly RecordedEvent[],
): { readonly move?: Move } {
  const last = events.at(-1);
  if (!last) return {};
  const changes = foldStream(projection, stream, from.row, events);
  return { move: { stream, from, toVersion: last.version, toEventId: last.id, changes } };
}

/** Whether a page shows another event, or none, where this position was. */
function contradicts(page: LogPage, { version, eventId }: Position): boolean {
  if (version > page.head) return true;
  const same = page.events.find((event) => event.version === version);
  return same !== undefined && same.id !== eventId;
}
