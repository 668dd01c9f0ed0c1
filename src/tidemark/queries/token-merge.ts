import type { Seen } from '../domain/seen.ts';
import type { StreamId } from '../domain/stream.ts';
import { type CausalToken, EMPTY_TOKEN, withBookmark } from './causal-token.ts';

/** The result of merging tokens. */
export type MergedTokens =
  | { readonly outcome: 'merged'; readonly token: CausalToken }
  /** Two tokens hold different events for the same version of a stream. In between, its log was restored to an earlier time. */
  | { readonly outcome: 'conflict'; readonly stream: StreamId; readonly version: number };

/**
 * Merges tokens into one that covers all of them. It has the highest version of each stream and the latest bookmark of each database.
 *
 * The order of its streams decides which ones are dropped first when the token is cut to its size. The order takes turns among the tokens, each from
 * its newest entry on. So the newest entry of each token is among the last to be dropped.
 */
export function mergeTokens(tokens: readonly CausalToken[]): MergedTokens {
  const seen = new Map<StreamId, Seen>();
  const fingerprints = new Map<string, number>();
  for (const { streams } of tokens) {
    for (const [stream, one] of streams) {
      const { version, fingerprint } = one;
      if (fingerprint !== undefined) {
        const place = `${stream}@${version}`;
        if ((fingerprints.get(place) ?? fingerprint) !== fingerprint) return { outcome: 'conflict', stream, version };
        fingerprints.set(place, fingerprint);
      }
      if (isMore(one, seen.get(stream))) seen.set(stream, one);
    }
  }
  const newestFirst = new Set(interleaved(tokens.map(({ streams }) => [...streams.keys()].toReversed())));
  const streams = new Map([...newestFirst].toReversed().map((stream) => [stream, seen.get(stream) as Seen]));
  const bookmarks = tokens
    .flatMap((token) => [...token.bookmarks])
    .reduce((merged, [database, bookmark]) => withBookmark(merged, database, bookmark), EMPTY_TOKEN).bookmarks;
  return {
    outcome: 'merged',
    token: {
      streams,
      bookmarks,
      ...latest('epoch', tokens),
      ...latest('shortenedAt', tokens),
      ...latest('partialAt', tokens),
    },
  };
}

/** Whether `one` tells more than `other`: a later version, or the same version if only `one` has a fingerprint. */
function isMore(one: Seen, other: Seen | undefined): boolean {
  if (!other || one.version > other.version) return true;
  return one.version === other.version && other.fingerprint === undefined;
}

/** The first item of each list, then the second of each, and so on. */
function interleaved<Item>(lists: readonly (readonly Item[])[]): readonly Item[] {
  const longest = Math.max(0, ...lists.map(({ length }) => length));
  return Array.from({ length: longest }, (_, index) => lists.flatMap((list) => list.slice(index, index + 1))).flat();
}

/** The latest value of a mark in the tokens that have it. */
function latest<Mark extends 'epoch' | 'shortenedAt' | 'partialAt'>(
  mark: Mark,
  tokens: readonly CausalToken[],
): Partial<Record<Mark, number>> {
  const marks = tokens.flatMap((token) => token[mark] ?? []);
  return (marks.length > 0 ? { [mark]: Math.max(...marks) } : {}) as Partial<Record<Mark, number>>;
}
