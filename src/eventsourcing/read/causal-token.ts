import type { StreamId } from '../stream.ts';

/**
 * What a client did and saw: stream versions, most recently touched last, and for each database the bookmark up to which it has read.
 * To the client it is an opaque, signed string.
 */
export interface CausalToken {
  readonly streams: ReadonlyMap<StreamId, number>;
  readonly bookmarks: ReadonlyMap<string, string>;
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

/** The token without some streams: they are confirmed everywhere, and the bookmarks vouch for them from now on. */
export function withoutStreams(token: CausalToken, confirmed: Iterable<StreamId>): CausalToken {
  const streams = new Map(token.streams);
  for (const stream of confirmed) streams.delete(stream);
  return { ...token, streams };
}

/** The token cut to `maxStreams` entries: the oldest go, never the newest. */
export function cutToSize(
  token: CausalToken,
  maxStreams: number,
): { readonly token: CausalToken; readonly isPartial: boolean } {
  const surplus = token.streams.size - maxStreams;
  if (surplus <= 0) return { token, isPartial: false };
  return { token: withoutStreams(token, [...token.streams.keys()].slice(0, surplus)), isPartial: true };
}
