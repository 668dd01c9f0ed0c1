import type { StreamId } from '../stream.ts';

/**
 * What a client did and saw: stream versions, most recently touched last, and for each database the bookmark up to which it has read.
 * To the client it is an opaque, signed string.
 */
export interface CausalToken {
  readonly streams: ReadonlyMap<StreamId, number>;
  readonly bookmarks: ReadonlyMap<string, string>;
  /** Streams were left out that every projection has reached: the bookmarks vouch for them, in the read models and only there. */
  readonly isShortened?: true;
  /** Streams were left out that nothing vouches for: the token says no more about them. */
  readonly isPartial?: true;
}

export const EMPTY_TOKEN: CausalToken = { streams: new Map(), bookmarks: new Map() };

/** The token with a stream's version in it, as the most recent entry. A version never goes down. */
export function withVersion(token: CausalToken, stream: StreamId, version: number): CausalToken {
  const streams = new Map(token.streams);
  const known = streams.get(stream) ?? 0;
  streams.delete(stream);
  streams.set(stream, Math.max(known, version));
  return { ...token, streams };
}

/** The token with a database's bookmark, unless it has a later one. (D1's bookmarks sort as text.) */
export function withBookmark(token: CausalToken, database: string, bookmark: string | null): CausalToken {
  if (bookmark === null || (token.bookmarks.get(database) ?? '') >= bookmark) return token;
  return { ...token, bookmarks: new Map(token.bookmarks).set(database, bookmark) };
}

/** What a client has seen of a stream: its version, 0 for none, `unknown` when it may have seen any. */
export type SeenVersion = (stream: StreamId) => number | 'unknown';

/**
 * The version of a stream that the client has seen, 0 for none; `unknown` when it may have seen any: then only what is authoritative is
 * certain to show it.
 */
export function seenVersion(token: CausalToken, stream: StreamId): number | 'unknown' {
  return token.streams.get(stream) ?? (token.isShortened || token.isPartial ? 'unknown' : 0);
}

/** The token without some streams: they are confirmed everywhere, and the bookmarks vouch for them from now on. */
export function withoutConfirmed(token: CausalToken, confirmed: readonly StreamId[]): CausalToken {
  return confirmed.length === 0 ? token : { ...token, streams: without(token, confirmed), isShortened: true };
}

/** The token cut to `maxStreams` entries: the oldest go, never the newest. */
export function cutToSize(token: CausalToken, maxStreams: number): CausalToken {
  const surplus = token.streams.size - maxStreams;
  if (surplus <= 0) return token;
  return { ...token, streams: without(token, [...token.streams.keys()].slice(0, surplus)), isPartial: true };
}

function without(token: CausalToken, left: readonly StreamId[]): ReadonlyMap<StreamId, number> {
  const streams = new Map(token.streams);
  for (const stream of left) streams.delete(stream);
  return streams;
}
