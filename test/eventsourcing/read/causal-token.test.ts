import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  type CausalToken,
  EMPTY_TOKEN,
  cutToSize,
  withBookmark,
  seenVersion,
  withVersion,
  withoutConfirmed,
} from '../../../src/eventsourcing/read/causal-token.ts';
import { type StreamId, streamId } from '../../../src/eventsourcing/stream.ts';

const a = streamId('seat', 'a');
const b = streamId('seat', 'b');
const c = streamId('seat', 'c');

function tokenOf(...streams: readonly [StreamId, number][]): CausalToken {
  return streams.reduce((token, [stream, version]) => withVersion(token, stream, version), EMPTY_TOKEN);
}

const sighting = fc.tuple(fc.constantFrom(a, b, c), fc.integer({ min: 1, max: 20 }));

describe('a version in the token', () => {
  test('never goes down, in whatever sequence sightings come', () => {
    fc.assert(
      fc.property(fc.array(sighting), (sightings) => {
        const highest = new Map<StreamId, number>();
        let token = EMPTY_TOKEN;
        for (const [stream, version] of sightings) {
          token = withVersion(token, stream, version);
          highest.set(stream, Math.max(highest.get(stream) ?? 0, version));
          expect(new Map(token.streams)).toEqual(highest);
        }
      }),
    );
  });

  test('makes its stream the most recent one, even when it is an old version', () => {
    expect([...withVersion(tokenOf([a, 5], [b, 1], [c, 1]), a, 2).streams]).toEqual([
      [b, 1],
      [c, 1],
      [a, 5],
    ]);
  });

  test('leaves the token that it is added to as it was', () => {
    const before = tokenOf([a, 1]);
    withVersion(before, b, 1);
    expect([...before.streams]).toEqual([[a, 1]]);
    expect(EMPTY_TOKEN.streams.size).toBe(0);
  });
});

describe('a bookmark in the token', () => {
  const early = '00000001-00000002-00004e2f-0a1b';
  const late = '00000001-00000010-00004e2f-0a1b';

  test('gives way to a later one only, for each database by itself', () => {
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

  test('stays when the database had none to give', () => {
    expect(withBookmark(withBookmark(EMPTY_TOKEN, 'serving', early), 'serving', null).bookmarks.get('serving')).toBe(
      early,
    );
  });

  test('goes with a token whose streams are dropped', () => {
    const token = withBookmark(tokenOf([a, 1], [b, 2], [c, 3]), 'serving', early);
    const dropped = withoutConfirmed(token, [a, c]);
    expect([...dropped.streams]).toEqual([[b, 2]]);
    expect(dropped.bookmarks.get('serving')).toBe(early);
    expect(token.streams.size).toBe(3);
  });
});

describe('cutting a token to size', () => {
  test('drops the oldest entries, never the newest, and says so', () => {
    const token = cutToSize(tokenOf([a, 1], [b, 2], [c, 3], [a, 1]), 2);
    expect([...token.streams]).toEqual([
      [c, 3],
      [a, 1],
    ]);
    expect(token.isPartial).toBe(true);
  });

  test('leaves one that fits as it is', () => {
    const fitting = tokenOf([a, 1], [b, 2]);
    expect(cutToSize(fitting, 2)).toBe(fitting);
    expect(cutToSize(EMPTY_TOKEN, 0)).toBe(EMPTY_TOKEN);
  });

  test('keeps the bookmarks', () => {
    const token = cutToSize(withBookmark(tokenOf([a, 1]), 'serving', 'x'), 0);
    expect([token.streams.size, token.bookmarks.get('serving')]).toEqual([0, 'x']);
  });
});

describe('what a token says of a stream that it does not hold', () => {
  test('is that the client has not seen it, while nothing was left out', () => {
    expect([seenVersion(tokenOf([a, 7]), a), seenVersion(tokenOf([a, 7]), b)]).toEqual([7, 0]);
  });

  test('is nothing at all, once streams were left out for whatever reason', () => {
    expect(seenVersion(withoutConfirmed(tokenOf([a, 7], [b, 1]), [a]), a)).toBe('unknown');
    expect(seenVersion(cutToSize(tokenOf([a, 7], [b, 1]), 1), a)).toBe('unknown');
    expect(seenVersion(withoutConfirmed(tokenOf([a, 7]), []), b)).toBe(0);
  });
});
