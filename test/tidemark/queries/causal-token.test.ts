import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  type CausalToken,
  EMPTY_TOKEN,
  FORGETFUL_MS,
  PARTIAL_MS,
  SHORTENED_MS,
  cutToSize,
  inEpoch,
  withBookmark,
  seenOf,
  withVersion,
  withoutConfirmed,
  withoutEndedMarks,
} from '../../../src/tidemark/queries/causal-token.ts';
import { UNSEEN, seenAt } from '../../../src/tidemark/domain/seen.ts';
import { type StreamId, streamId } from '../../../src/tidemark/domain/stream.ts';

const a = streamId('seat', 'a');
const b = streamId('seat', 'b');
const c = streamId('seat', 'c');

const NOW = Date.parse('2026-11-23T09:00:00.000Z');

/** The streams and versions of a token, oldest first. */
const versionsOf = ({ streams }: CausalToken) => [...streams].map(([stream, { version }]) => [stream, version]);

function tokenOf(...streams: readonly [StreamId, number][]): CausalToken {
  return streams.reduce((token, [stream, version]) => withVersion(token, stream, version), EMPTY_TOKEN);
}

const sighting = fc.tuple(fc.constantFrom(a, b, c), fc.integer({ min: 1, max: 20 }));

describe('a version in the token', () => {
  test('never decreases, in any sequence of sightings', () => {
    fc.assert(
      fc.property(fc.array(sighting), (sightings) => {
        const highest = new Map<StreamId, number>();
        let token = EMPTY_TOKEN;
        for (const [stream, version] of sightings) {
          token = withVersion(token, stream, version);
          highest.set(stream, Math.max(highest.get(stream) ?? 0, version));
          expect(new Map(versionsOf(token) as [StreamId, number][])).toEqual(highest);
        }
      }),
    );
  });

  test('makes its stream the most recent one, even if the version is old', () => {
    expect(versionsOf(withVersion(tokenOf([a, 5], [b, 1], [c, 1]), a, 2))).toEqual([
      [b, 1],
      [c, 1],
      [a, 5],
    ]);
  });

  test('does not change the original token', () => {
    const before = tokenOf([a, 1]);
    withVersion(before, b, 1);
    expect(versionsOf(before)).toEqual([[a, 1]]);
    expect(EMPTY_TOKEN.streams.size).toBe(0);
  });
});

describe('a bookmark in the token', () => {
  const early = '00000001-00000002-00004e2f-0a1b';
  const late = '00000001-00000010-00004e2f-0a1b';

  test('is replaced only by a later one, separately for each database', () => {
    const token = withBookmark(withBookmark(EMPTY_TOKEN, 'serving', late), 'counting', early);
    expect(new Map(withBookmark(token, 'serving', early).bookmarks)).toEqual(
      new Map([
        ['serving', late],
        ['counting', early],
      ]),
    );
    expect(new Map(withBookmark(token, 'counting', late).bookmarks)).toEqual(
      new Map([
        ['serving', late],
        ['counting', late],
      ]),
    );
  });

  test('stays if the database returned none', () => {
    expect(withBookmark(withBookmark(EMPTY_TOKEN, 'serving', early), 'serving', null).bookmarks.get('serving')).toBe(
      early,
    );
  });

  test('stays when streams are dropped', () => {
    const token = withBookmark(tokenOf([a, 1], [b, 2], [c, 3]), 'serving', early);
    const dropped = withoutConfirmed(token, [a, c], NOW);
    expect(versionsOf(dropped)).toEqual([[b, 2]]);
    expect(dropped.shortenedAt).toBe(NOW);
    expect(dropped.bookmarks.get('serving')).toBe(early);
    expect(token.streams.size).toBe(3);
  });
});

describe('cutting a token to size', () => {
  test('drops the oldest entries, never the newest, and marks the token', () => {
    const token = cutToSize(tokenOf([a, 1], [b, 2], [c, 3], [a, 1]), 2, NOW);
    expect(versionsOf(token)).toEqual([
      [c, 3],
      [a, 1],
    ]);
    expect(token.partialAt).toBe(NOW);
  });

  test('does not change a token that fits', () => {
    const fitting = tokenOf([a, 1], [b, 2]);
    expect(cutToSize(fitting, 2, NOW)).toBe(fitting);
    expect(cutToSize(EMPTY_TOKEN, 0, NOW)).toBe(EMPTY_TOKEN);
  });

  test('keeps the bookmarks', () => {
    const token = cutToSize(withBookmark(tokenOf([a, 1]), 'serving', 'x'), 0, NOW);
    expect([token.streams.size, token.bookmarks.get('serving')]).toEqual([0, 'x']);
  });
});

describe('the fingerprint of a version', () => {
  test('belongs to the highest version seen, whatever was seen in between', () => {
    const token = withVersion(withVersion(withVersion(EMPTY_TOKEN, a, 1, 'one'), a, 3, 'three'), a, 2, 'two');
    expect(token.streams.get(a)).toEqual(seenAt(3, 'three'));
  });

  test('is dropped for a higher version whose event is unknown', () => {
    expect(withVersion(withVersion(EMPTY_TOKEN, a, 1, 'one'), a, 2).streams.get(a)).toEqual({ version: 2 });
  });

  test('is added when the same version is seen again, and stays', () => {
    const learnt = withVersion(withVersion(EMPTY_TOKEN, a, 2), a, 2, 'two');
    expect(learnt.streams.get(a)).toEqual(seenAt(2, 'two'));
    expect(withVersion(learnt, a, 2).streams.get(a)).toEqual(seenAt(2, 'two'));
  });
});

describe('a stream that a token does not hold', () => {
  test('is unseen if nothing was left out', () => {
    expect(seenOf(tokenOf([a, 7]), a, NOW)).toEqual({ version: 7 });
    expect(seenOf(tokenOf([a, 7]), b, NOW)).toEqual(UNSEEN);
    expect(seenOf(withoutConfirmed(tokenOf([a, 7]), [], NOW), b, NOW)).toEqual(UNSEEN);
  });

  test('is unknown if streams were left out for any reason', () => {
    expect(seenOf(withoutConfirmed(tokenOf([a, 7], [b, 1]), [a], NOW), a, NOW)).toBe('unknown');
    expect(seenOf(cutToSize(tokenOf([a, 7], [b, 1]), 1, NOW), a, NOW)).toBe('unknown');
  });

  test('is unknown for only a minute: by then, an isolate’s memory is newer than the left-out streams', () => {
    for (const leftOut of [
      withoutConfirmed(tokenOf([a, 7]), [a], NOW),
      cutToSize(tokenOf([a, 7]), 0, NOW),
      cutToSize(withoutConfirmed(tokenOf([a, 7], [b, 1]), [b], NOW - FORGETFUL_MS), 0, NOW),
    ]) {
      expect(seenOf(leftOut, a, NOW + FORGETFUL_MS - 1)).toBe('unknown');
      expect(seenOf(leftOut, a, NOW + FORGETFUL_MS)).toEqual(UNSEEN);
      // The clock of another Worker may be behind.
      expect(seenOf(leftOut, a, NOW - FORGETFUL_MS)).toBe('unknown');
    }
  });
});

describe('the mark of streams that were left out', () => {
  const shortened = withoutConfirmed(tokenOf([a, 7]), [a], NOW);
  const partial = cutToSize(tokenOf([a, 7]), 0, NOW);

  test('ends once no database can be restored to an earlier time, and a day after a cut', () => {
    expect(withoutEndedMarks(shortened, NOW + SHORTENED_MS - 1)).toEqual(shortened);
    expect(withoutEndedMarks(shortened, NOW + SHORTENED_MS)).toEqual(EMPTY_TOKEN);
    expect(withoutEndedMarks(partial, NOW + PARTIAL_MS - 1)).toEqual(partial);
    expect(withoutEndedMarks(partial, NOW + PARTIAL_MS)).toEqual(EMPTY_TOKEN);
  });

  test('ends separately from the other mark, and keeps the rest of the token', () => {
    const both = { ...withBookmark(tokenOf([b, 1]), 'serving', 'x'), epoch: 2, shortenedAt: NOW, partialAt: NOW };
    const { partialAt: _, ...rest } = both;
    expect(withoutEndedMarks(both, NOW + PARTIAL_MS)).toEqual(rest);
  });

  test('stays if the clock that set it is ahead', () => {
    expect(withoutEndedMarks({ ...shortened, partialAt: NOW }, NOW - PARTIAL_MS)).toEqual({
      ...shortened,
      partialAt: NOW,
    });
  });
});

describe('a token from before a database was restored', () => {
  const full = withBookmark(tokenOf([a, 7]), 'serving', 'x');

  test('keeps its versions and loses its bookmarks, once', () => {
    const taken = inEpoch(full, 1);
    expect(taken).toEqual({ ...tokenOf([a, 7]), epoch: 1 });
    const later = withBookmark(taken ?? EMPTY_TOKEN, 'serving', 'y');
    expect(inEpoch(later, 1)).toBe(later);
    expect(inEpoch(later, 2)?.bookmarks.size).toBe(0);
  });

  test('is refused if streams were left out: the bookmarks that covered them are lost', () => {
    expect(inEpoch(withoutConfirmed(full, [a], NOW), 1)).toBeUndefined();
    expect(inEpoch(cutToSize(full, 0, NOW), 1)).toBeUndefined();
  });

  test('is accepted unchanged by a Worker that does not know of the restore yet', () => {
    const later = { ...withoutConfirmed(full, [a], NOW), epoch: 3 };
    expect(inEpoch(later, 2)).toBe(later);
  });
});
