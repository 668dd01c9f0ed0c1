import { type Seen, UNSEEN, seenAt } from '../domain/seen.ts';
import type { StreamId } from '../domain/stream.ts';

/**
 * What a client did and saw: stream versions, most recently touched last, and for each database the bookmark up to which it has read.
 * To the client it is an opaque string.
 */
export interface CausalToken {
  readonly streams: ReadonlyMap<StreamId, Seen>;
  readonly bookmarks: ReadonlyMap<string, string>;
  /** How often databases had been restored when the token was made, as the operator counts. Absent: 0. */
  readonly epoch?: number;
  /** Time of the last shortening, in ms since the epoch. The bookmarks cover the dropped streams, in read models only. */
  readonly shortenedAt?: number;
  /** When streams were last left out that nothing vouches for, in ms since the epoch: the token says no more about them. */
  readonly partialAt?: number;
}

export const EMPTY_TOKEN: CausalToken = { streams: new Map(), bookmarks: new Map() };

/** The token with a stream's version in it, as the most recent entry. A version never goes down. `eventId` is that of its event. */
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

/** The higher version, with its own fingerprint. Of one version: what is known of its event stays. */
function later(known: Seen | undefined, seen: Seen): Seen {
  if (!known || seen.version > known.version) return seen;
  return seen.version === known.version && known.fingerprint === undefined ? seen : known;
}

/** The token with a database's bookmark, unless it has a later one. (D1's bookmarks sort as text.) */
export function withBookmark(token: CausalToken, database: string, bookmark: string | null): CausalToken {
  if (bookmark === null || (token.bookmarks.get(database) ?? '') >= bookmark) return token;
  return { ...token, bookmarks: new Map(token.bookmarks).set(database, bookmark) };
}

/**
 * What the client has seen of a stream; `unknown` when it may have seen any version: then only what is authoritative is certain to show it. What one
 * token left out may be newer than what another one, merged with it, still says of the stream: then it is the least. `now` in ms since the epoch.
 */
export function seenOf(token: CausalToken, stream: StreamId, now: number): Seen | 'unknown' {
  const seen = token.streams.get(stream);
  if (!isForgetful(token, now)) return seen ?? UNSEEN;
  return seen ? { ...seen, isLeast: true } : 'unknown';
}

/** How long what a token left out may be newer than what an isolate remembers, in ms: far longer than it remembers anything, and than clocks differ. */
export const FORGETFUL_MS = 60_000;

/** Whether streams were left out so lately that the memory of an isolate may be older. A time in the future is of a clock that goes ahead. */
function isForgetful({ shortenedAt, partialAt }: CausalToken, now: number): boolean {
  const leftOutAt = Math.max(shortenedAt ?? Number.NEGATIVE_INFINITY, partialAt ?? Number.NEGATIVE_INFINITY);
  return now - leftOutAt < FORGETFUL_MS;
}

/** The token without some streams: they are confirmed everywhere, and the bookmarks vouch for them from `now` on (ms since the epoch). */
export function withoutConfirmed(token: CausalToken, confirmed: readonly StreamId[], now: number): CausalToken {
  return confirmed.length === 0 ? token : { ...token, streams: without(token, confirmed), shortenedAt: now };
}

/** The token cut to `maxStreams` entries: the oldest go, never the newest. `now` in ms since the epoch. */
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
 * The token in the present epoch; undefined when it says too little to be taken over. A restored database has lost what came after the time that it was set
 * back to. So bookmarks of an earlier epoch vouch for nothing: they are dropped, and the databases are read from their primaries. What was left out
 * because of them is lost without a trace.
 */
export function inEpoch(token: CausalToken, epoch: number): CausalToken | undefined {
  // A later epoch is that of a Worker whose configuration is newer than this one's.
  if ((token.epoch ?? 0) >= epoch) return token;
  const isComplete = token.shortenedAt === undefined && token.partialAt === undefined;
  return isComplete ? { ...token, bookmarks: new Map(), epoch } : undefined;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** How long a token says that bookmarks vouch for streams, in ms: no database is restored to a time before that (Time Travel keeps 30 days). */
export const SHORTENED_MS = 30 * DAY_MS;

/** How long a token says that it had to forget, in ms. */
export const PARTIAL_MS = DAY_MS;

/**
 * The token without marks that no longer matter at `now` (ms since the epoch). The clocks of two Workers may differ: a mark goes that much sooner or later,
 * and one of the future stays.
 */
export function withoutEndedMarks(token: CausalToken, now: number): CausalToken {
  const { shortenedAt, partialAt, ...rest } = token;
  return {
    ...rest,
    ...(shortenedAt !== undefined && now - shortenedAt < SHORTENED_MS && { shortenedAt }),
    ...(partialAt !== undefined && now - partialAt < PARTIAL_MS && { partialAt }),
  };
}
