import type { StoredEvent } from '../domain/event.ts';
import { OverloadedError, StorageUnavailableError } from '../platform/faults.ts';
import type { Hint } from '../write/message.ts';
import type { StreamId } from '../domain/stream.ts';
import type { LogPage } from '../write/aggregate.ts';
import type { Position } from '../projections/checkpoint.ts';
import type { Obstacles, Refusal } from '../dead-letters/dead-letter.ts';
import { eventsFromHints } from './hinted-events.ts';
import type { Target } from '../projections/pointer.ts';
import type { Projection } from '../projections/projection.ts';
import type { CatchUpRequest, Standstill, StreamProgress } from './stream-progress.ts';

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

/** An event that a target beside the leading one cannot take. */
export interface Failure {
  readonly revision: Revision;
  readonly refusal: Refusal;
}

/** Where a stream stands, and what stands in its way. The first position is the leading target's: the others never pass it. */
export interface Place {
  readonly request: CatchUpRequest;
  readonly positions: readonly [RevisionPosition, ...RevisionPosition[]];
  readonly obstacles: Obstacles;
}

/** The next events of a stream, not yet folded. */
export interface Page {
  readonly place: Place;
  readonly events: readonly StoredEvent[];
  /** The stream's own version, where its log was read. */
  readonly head?: number;
  /** The last version before an open dead letter, and what holds the stream there. */
  readonly end: number;
  readonly held?: Standstill;
}

/** What is to be done about a stream. */
export type Taken =
  | { readonly kind: 'page'; readonly page: Page }
  /** There is nothing (more) to apply, or the stream stands still. */
  | Settled;

interface Settled {
  readonly kind: 'settled';
  readonly progress: StreamProgress;
  readonly step?: undefined;
  readonly failures: readonly Failure[];
}

/** How far one page goes. */
export interface PageLimits {
  /** Events of one stream. */
  readonly pageSize: number;
  /** Of these, where they have to be read from the log. Default: as many. */
  readonly readSize?: number;
  /** Takes up dead letters again instead of stopping before them. */
  readonly retriesDeadLetters?: boolean;
  /** For a slot that was begun from nothing: a restored log is its log, and the archived events of it are not. */
  readonly isBuild?: boolean;
}

/**
 * The next page of a stream from what is at hand: its hints or its archived events. `needs-log`: only the log can tell. It is asked first
 * where it may have been restored: what is at hand may be of the history that it lost.
 */
export function takeFromHand(place: Place, limits: PageLimits): Taken | 'needs-log' {
  const { request, positions } = place;
  const { stream, wanted, isRecheck = false, hints = [], archived = [] } = request;
  const [lead] = positions;
  const lowest = lowestOf(positions);
  const progress: StreamProgress = { stream, version: lead.position.version };
  if (isRecheck || isDoubtful(hints, lead.position)) return 'needs-log';
  if (wanted !== 'head' && lowest.version >= wanted) return { kind: 'settled', progress, failures: [] };

  const { end, held, isRestored } = endOf(place, limits);
  if (lowest.version >= end)
    return { kind: 'settled', progress: { ...progress, ...(held && { standstill: held }) }, failures: [] };
  const events = eventsFromArchive(isRestored ? [] : archived, lowest) ?? eventsFromHints(hints, lowest);
  if (!events) return 'needs-log';
  return { kind: 'page', page: { place, events: upTo(events, limits, end), end, ...(held && { held }) } };
}

/** The next page of a stream from its log. */
export async function takeFromLog(
  place: Place,
  limits: PageLimits,
  load: (fromVersion: number, limit: number) => Promise<LogPage>,
): Promise<Taken> {
  const { request, positions } = place;
  const { stream } = request;
  const [lead] = positions;
  const lowest = lowestOf(positions);
  const progress: StreamProgress = { stream, version: lead.position.version };
  let page: LogPage;
  try {
    page = await load(lowest.version + 1, Math.min(limits.pageSize, limits.readSize ?? limits.pageSize));
  } catch (error) {
    // The limit that switched this object off holds for all of them.
    if (error instanceof StorageUnavailableError) throw error;
    const cause = error instanceof OverloadedError ? 'overloaded' : 'transient';
    return {
      kind: 'settled',
      progress: { ...progress, standstill: { cause, reason: String(error) } },
      failures: [],
    };
  }
  const { head } = page;
  const restored = positions
    .filter(({ position }) => contradicts(page, position, lowest))
    .map(({ revision, position }) => ({ revision, refusal: restoredLog(stream, position) }));
  const [first] = restored;
  if (first?.revision === lead.revision) {
    const { refusal } = first;
    const standstill = { cause: refusal.cause, reason: refusal.error };
    return { kind: 'settled', progress: { ...progress, head, standstill, refusal }, failures: [] };
  }
  if (first) return { kind: 'settled', progress: { ...progress, head }, failures: restored };
  const { end, held } = endOf(place, limits);
  return { kind: 'page', page: { place, events: upTo(page.events, limits, end), head, end, ...(held && { held }) } };
}

function lowestOf(positions: Place['positions']): Position {
  return positions
    .map(({ position }) => position)
    .reduce((low, position) => (position.version < low.version ? position : low));
}

/** Where a dead letter ends what may be applied. */
function endOf({ obstacles: { refused } }: Place, { retriesDeadLetters = false, isBuild = false }: PageLimits) {
  const isRestored = isBuild && refused?.cause === 'log-restored';
  // A build does not pass what live has refused, even if only once: it might become a dead letter, and be skipped.
  const isStop = refused !== undefined && (refused.isOpen || isBuild) && !retriesDeadLetters && !isRestored;
  const held: Standstill | undefined = isStop
    ? { cause: refused.cause, reason: refused.error, isDeadLetter: true }
    : undefined;
  return { isRestored, held, end: isStop ? refused.version - 1 : Number.POSITIVE_INFINITY };
}

function upTo(events: readonly StoredEvent[], { pageSize }: PageLimits, end: number): readonly StoredEvent[] {
  return events.slice(0, pageSize).filter(({ version }) => version <= end);
}

/**
 * Whether a message about versions that the checkpoint has passed may be of another history than the checkpoint. It is, if it has another
 * event at the checkpoint's version. It may be, if an event below that version was made after the checkpoint's own: ids are ordered by time,
 * as long as no clock goes back. Reading the log decides. A clock that goes back causes a needless read.
 */
function isDoubtful(hints: readonly Hint[], { version, eventId }: Position): boolean {
  return hints.some(({ events = [] }) => {
    const last = events.at(-1);
    return (
      hasAnother(events, { version, eventId }) ||
      (last !== undefined && last.version < version && eventId !== null && last.id > eventId)
    );
  });
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
