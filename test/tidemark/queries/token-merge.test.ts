import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { type CausalToken, EMPTY_TOKEN, cutToSize, seenOf } from '../../../src/tidemark/queries/causal-token.ts';
import { type MergedTokens, mergeTokens } from '../../../src/tidemark/queries/token-merge.ts';
import type { Seen } from '../../../src/tidemark/domain/seen.ts';
import { type StreamId, streamId } from '../../../src/tidemark/domain/stream.ts';

const NOW = Date.parse('2026-11-23T09:00:00.000Z');

const seat = (id: string) => streamId('seat', id);

function tokenOf(versions: Readonly<Record<string, number | Seen>>, more: Partial<CausalToken> = {}): CausalToken {
  const streams = Object.entries(versions).map(
    ([id, seen]) => [seat(id), typeof seen === 'number' ? { version: seen } : seen] as const,
  );
  return { ...EMPTY_TOKEN, streams: new Map(streams), ...more };
}

function merged(...tokens: readonly CausalToken[]): CausalToken {
  const result: MergedTokens = mergeTokens(tokens);
  if (result.outcome !== 'merged') throw new Error(`${result.stream} has two fingerprints`);
  return result.token;
}

const idsOf = ({ streams }: CausalToken) => [...streams.keys()].map((stream) => stream.slice('seat-'.length));

/** Tokens as clients hold them, without contradictory fingerprints. */
const anyToken = fc
  .uniqueArray(fc.tuple(fc.stringMatching(/^[a-h]$/), fc.integer({ min: 1, max: 9 })), { selector: ([id]) => id })
  .map((entries) => tokenOf(Object.fromEntries(entries)));

describe('tokens that are merged', () => {
  test('have the highest version of each stream, and nothing else', () => {
    fc.assert(
      fc.property(fc.array(anyToken, { maxLength: 8 }), (tokens) => {
        const highest = new Map<StreamId, number>();
        for (const { streams } of tokens)
          for (const [stream, { version }] of streams) highest.set(stream, Math.max(version, highest.get(stream) ?? 0));
        expect(new Map([...merged(...tokens).streams].map(([stream, { version }]) => [stream, version]))).toEqual(
          highest,
        );
      }),
    );
  });

  test('keep the newest entry of each token, however small the result is cut', () => {
    fc.assert(
      fc.property(fc.array(anyToken, { minLength: 1, maxLength: 8 }), (tokens) => {
        const newest = new Set(tokens.flatMap((token) => idsOf(token).at(-1) ?? []));
        const kept = idsOf(cutToSize(merged(...tokens), newest.size, NOW));
        expect(new Set(kept)).toEqual(newest);
      }),
    );
  });

  test('take turns from their newest entries on, so that no token is cut before another', () => {
    const token = merged(tokenOf({ a1: 1, a2: 1, a3: 1 }), tokenOf({ b1: 1, b2: 1, b3: 1 }));
    expect(idsOf(token)).toEqual(['b1', 'a1', 'b2', 'a2', 'b3', 'a3']);
  });

  test('do not change if there is only one', () => {
    const token = tokenOf({ a: 3, b: { version: 2, fingerprint: 7 } }, { epoch: 2, shortenedAt: 5, partialAt: 6 });
    expect(merged(token)).toEqual(token);
    expect(idsOf(merged(token))).toEqual(idsOf(token));
  });

  test('have the latest bookmark of each database', () => {
    const one = {
      ...EMPTY_TOKEN,
      bookmarks: new Map([
        ['serving', '0009'],
        ['reporting', '0001'],
      ]),
    };
    const other = {
      ...EMPTY_TOKEN,
      bookmarks: new Map([
        ['serving', '0004'],
        ['reporting', '0002'],
      ]),
    };
    expect(Object.fromEntries(merged(one, other).bookmarks)).toEqual({ serving: '0009', reporting: '0002' });
  });

  test('keep each mark of left-out streams, with the latest time', () => {
    const token = merged(tokenOf({}, { shortenedAt: 5, partialAt: 9 }), tokenOf({}, { shortenedAt: 7, epoch: 1 }));
    expect(token).toMatchObject({ shortenedAt: 7, partialAt: 9, epoch: 1 });
  });
});

describe('two sightings of one version', () => {
  test('agree with the same fingerprint, or if one has none', () => {
    const known = { version: 2, fingerprint: 7 };
    expect(merged(tokenOf({ a: 2 }), tokenOf({ a: known })).streams.get(seat('a'))).toEqual(known);
    expect(merged(tokenOf({ a: known }), tokenOf({ a: 2 })).streams.get(seat('a'))).toEqual(known);
    expect(merged(tokenOf({ a: known }), tokenOf({ a: known })).streams.get(seat('a'))).toEqual(known);
  });

  test('with different fingerprints are a conflict, which names the stream', () => {
    const tokens = [tokenOf({ a: { version: 2, fingerprint: 7 } }), tokenOf({ a: { version: 2, fingerprint: 8 } })];
    expect(mergeTokens(tokens)).toEqual({ outcome: 'conflict', stream: seat('a'), version: 2 });
  });

  test('are a conflict in any sequence of the tokens, also beside a later version', () => {
    const [one, other, later] = [
      tokenOf({ a: { version: 2, fingerprint: 7 } }),
      tokenOf({ a: { version: 2, fingerprint: 8 } }),
      tokenOf({ a: { version: 3, fingerprint: 9 } }),
    ];
    for (const tokens of [
      [one, other, later],
      [one, later, other],
      [later, one, other],
    ])
      expect(mergeTokens(tokens)).toEqual({ outcome: 'conflict', stream: seat('a'), version: 2 });
  });

  test('of different versions are no conflict, since they cannot be compared', () => {
    const token = merged(
      tokenOf({ a: { version: 2, fingerprint: 7 } }),
      tokenOf({ a: { version: 3, fingerprint: 8 } }),
    );
    expect(token.streams.get(seat('a'))).toEqual({ version: 3, fingerprint: 8 });
  });

  test('are a conflict even behind a third one without a fingerprint', () => {
    const tokens = [{ version: 2, fingerprint: 7 }, 2, { version: 2, fingerprint: 8 }].map((a) => tokenOf({ a }));
    expect(mergeTokens(tokens).outcome).toBe('conflict');
  });
});

describe('a stream that one token names, and that another may have left out', () => {
  test('may have been seen at a later version, as long as an isolate’s memory may be older', () => {
    const token = merged(tokenOf({ a: 3 }), tokenOf({ b: 1 }, { shortenedAt: NOW }));
    expect(seenOf(token, seat('a'), NOW)).toEqual({ version: 3, isLeast: true });
    expect(seenOf(token, seat('c'), NOW)).toBe('unknown');
  });
});
