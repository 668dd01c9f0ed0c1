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

/** A target, and the code of its revision. */
export interface Revision {
  readonly target: Target;
  readonly projection: Projection;
}

/** How far one target has brought a stream. */
export interface RevisionPosition {
  readonly revision: Revision;
  readonly position: Position;
}

/** A refusal of an event by a target other than the leading one. */
export interface Failure {
  readonly revision: Revision;
  readonly refusal: Refusal;
}

/** The positions of a stream in all targets, and its obstacles. The first position is the leading target's. The others never pass it. */
export interface Place {
  readonly request: CatchUpRequest;
  readonly positions: readonly [RevisionPosition, ...RevisionPosition[]];
  readonly obstacles: Obstacles;
}

/** The next events of a stream, not yet folded. */
export interface Page {
  readonly place: Place;
  readonly events: readonly StoredEvent[];
  /** The version of the stream. Set if its log was read. */
  readonly head?: number;
  /** The last version that the catch-up may apply: the one before an event that stops the stream, or infinity. */
  readonly end: number;
  readonly held?: Standstill;
}

/** The next page of a stream, or the reason why there is none. */
export type Taken =
  | { readonly kind: 'page'; readonly page: Page }
  /** Nothing (more) to apply, or the stream stands still. */
  | Settled;

interface Settled {
  readonly kind: 'settled';
  readonly progress: StreamProgress;
  readonly step?: undefined;
  readonly failures: readonly Failure[];
}

/** The limits of one page. */
export interface PageLimits {
  /** The most events of one stream. */
  readonly pageSize: number;
  /** The most events to read from the log. Default: `pageSize`. */
  readonly readSize?: number;
  /** Tries dead letters again instead of stopping before them. */
  readonly retriesDeadLetters?: boolean;
  /** The page is for a build, which starts empty. If a log was restored, the build follows the log and ignores the archived events of that stream. */
  readonly isBuild?: boolean;
}

/**
 * The next page of a stream from its hints or its archived events. `needs-log` means that these do not suffice. It also means that the log may have
 * been restored: then the events at hand may belong to the history that it lost.
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
    // The spending limit that switched this object off applies to all objects.
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

/** The last version that the catch-up may apply, and the dead letter that stops the stream after it. */
function endOf({ obstacles: { refused } }: Place, { retriesDeadLetters = false, isBuild = false }: PageLimits) {
  const isRestored = isBuild && refused?.cause === 'log-restored';
  // A build does not pass an event that the live slot has refused, even once. The event might become a dead letter that an operator skips.
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
 * Whether the events of a message may belong to another history than the checkpoint. They do if they have another event at the checkpoint's version.
 * They may if they end below that version and yet are newer than the checkpoint's event: ids are ordered by time, unless a clock goes back. Then the
 * log decides. A clock that goes back costs a needless read of the log.
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

/** The archived events right after a position. Undefined if they do not continue it. */
function eventsFromArchive(archived: readonly StoredEvent[], after: Position): readonly StoredEvent[] | undefined {
  const before = archived.find(({ version }) => version === after.version);
  if (before && before.id !== after.eventId) return undefined;
  const next = archived.filter(({ version }) => version > after.version);
  // Only up to the first gap. The log has an event that the archive lacks, for example because an operator skipped it there.
  const contiguous = next.filter((event, index) => event.version === after.version + 1 + index);
  return contiguous.length > 0 ? contiguous : undefined;
}

/** Whether the log has another event than this position, or none. The page starts after `lowest`. */
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
