import { type Seen, UNSEEN, seenAt } from '../domain/seen.ts';
import type { StreamId } from '../domain/stream.ts';

/**
 * What a client has done and seen: stream versions, the most recently touched last, and a bookmark for each database up to which it has read. To the
 * client the token is an opaque string.
 */
export interface CausalToken {
  readonly streams: ReadonlyMap<StreamId, Seen>;
  readonly bookmarks: ReadonlyMap<string, string>;
  /** How often databases had been restored when the token was made, as the operator counts. Absent: 0. */
  readonly epoch?: number;
  /** Time of the last shortening, in ms since the epoch. The bookmarks cover the dropped streams, in read models only. */
  readonly shortenedAt?: number;
  /** When streams without coverage by bookmarks were last left out, in ms since the epoch. The token tells nothing more about them. */
  readonly partialAt?: number;
}

export const EMPTY_TOKEN: CausalToken = { streams: new Map(), bookmarks: new Map() };

/** Adds a stream's version to the token, as the most recent entry. A version never decreases. `eventId` is the id of the event at that version. */
export function withVersion(
  token: CausalToken,
  stream: StreamId,
  version: number,
  eventId?: string | null,
): CausalToken {
  const streams = new Map(token.streams);
  const known = streams.get(stream);
  streams.delete(stream);
  streams.set(stream, later(known, seenAt(version, eventId)));
  return { ...token, streams };
}

/** The later version, with its own fingerprint. At equal versions, a known fingerprint stays. */
function later(known: Seen | undefined, seen: Seen): Seen {
  if (!known || seen.version > known.version) return seen;
  return seen.version === known.version && known.fingerprint === undefined ? seen : known;
}

/** Adds a database's bookmark to the token, unless the token has a later one. D1's bookmarks sort as text. */
export function withBookmark(token: CausalToken, database: string, bookmark: string | null): CausalToken {
  if (bookmark === null || (token.bookmarks.get(database) ?? '') >= bookmark) return token;
  return { ...token, bookmarks: new Map(token.bookmarks).set(database, bookmark) };
}

/**
 * What the client has seen of a stream. `unknown`: it may have seen any version, and only an authoritative read is sure to show it. In a merged
 * token, another token may have left out a later version of a named stream. Then the named version is only the least that the client has seen. `now`
 * is in ms since the epoch.
 */
export function seenOf(token: CausalToken, stream: StreamId, now: number): Seen | 'unknown' {
  const seen = token.streams.get(stream);
  if (!isForgetful(token, now)) return seen ?? UNSEEN;
  return seen ? { ...seen, isLeast: true } : 'unknown';
}

/**
 * For how long a left-out version may be newer than an isolate's memory of the stream, in ms. It is far longer than an isolate remembers a state, and
 * far more than the difference between clocks.
 */
export const FORGETFUL_MS = 60_000;

/** Whether streams were left out so recently that an isolate's memory may be older. A time in the future comes from a clock that is ahead. */
function isForgetful({ shortenedAt, partialAt }: CausalToken, now: number): boolean {
  const leftOutAt = Math.max(shortenedAt ?? Number.NEGATIVE_INFINITY, partialAt ?? Number.NEGATIVE_INFINITY);
  return now - leftOutAt < FORGETFUL_MS;
}

/** Removes streams that are confirmed everywhere. From `now` on (ms since the epoch), the bookmarks cover them. */
export function withoutConfirmed(token: CausalToken, confirmed: readonly StreamId[], now: number): CausalToken {
  return confirmed.length === 0 ? token : { ...token, streams: without(token, confirmed), shortenedAt: now };
}

/** Cuts the token to `maxStreams` entries. The oldest are dropped, never the newest. `now` is in ms since the epoch. */
export function cutToSize(token: CausalToken, maxStreams: number, now: number): CausalToken {
  const surplus = token.streams.size - maxStreams;
  if (surplus <= 0) return token;
  return { ...token, streams: without(token, [...token.streams.keys()].slice(0, surplus)), partialAt: now };
}

function without(token: CausalToken, left: readonly StreamId[]): ReadonlyMap<StreamId, Seen> {
  const streams = new Map(token.streams);
  for (const stream of left) streams.delete(stream);
  return streams;
}

/**
 * Brings the token into the present epoch. A restored database has lost every change after the time that it was restored to. So bookmarks of an
 * earlier epoch prove nothing: they are dropped, and the databases are read from their primaries. If streams were left out of the token, it cannot
 * name them any more, and the result is undefined.
 */
export function inEpoch(token: CausalToken, epoch: number): CausalToken | undefined {
  // The epoch is later if a Worker with a newer configuration made the token.
  if ((token.epoch ?? 0) >= epoch) return token;
  const isComplete = token.shortenedAt === undefined && token.partialAt === undefined;
  return isComplete ? { ...token, bookmarks: new Map(), epoch } : undefined;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** How long a token keeps the mark `shortenedAt`, in ms. Time Travel keeps 30 days, so no database is restored to an earlier time. */
export const SHORTENED_MS = 30 * DAY_MS;

/** How long a token keeps the mark `partialAt`, in ms. */
export const PARTIAL_MS = DAY_MS;

/**
 * Removes marks that no longer matter at `now` (ms since the epoch). The clocks of two Workers may differ. Then a mark goes by that much sooner or
 * later, and a mark of the future stays.
 */
export function withoutEndedMarks(token: CausalToken, now: number): CausalToken {
  const { shortenedAt, partialAt, ...rest } = token;
  return {
    ...rest,
    ...(shortenedAt !== undefined && now - shortenedAt < SHORTENED_MS && { shortenedAt }),
    ...(partialAt !== undefined && now - partialAt < PARTIAL_MS && { partialAt }),
  };
}
