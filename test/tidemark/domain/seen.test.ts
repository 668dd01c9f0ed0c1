import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { fingerprintOf, isAnother, seenAt } from '../../../src/tidemark/domain/seen.ts';

describe('a fingerprint', () => {
  test('is an integer of four bytes and never 0, for any id', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uuid({ version: 7 }), fc.string(), fc.constant('')), (id) => {
        const fingerprint = fingerprintOf(id);
        expect(Number.isInteger(fingerprint) && fingerprint >= 1 && fingerprint <= 0xffffffff).toBe(true);
        expect(fingerprintOf(id)).toBe(fingerprint);
      }),
    );
  });

  test('never changes, because tokens hold it', () => {
    expect([fingerprintOf('a'), fingerprintOf('0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a')]).toEqual([
      3826002220, 2418547759,
    ]);
  });

  test('differs for each of ten thousand consecutive ids', () => {
    const ids = Array.from(
      { length: 10_000 },
      (_, index) => `0198c5a0-7b1e-7c3a-9d52-${index.toString(16).padStart(12, '0')}`,
    );
    // In 10,000 random numbers of four bytes, 0.01 pairs are expected to be equal.
    expect(new Set(ids.map(fingerprintOf)).size).toBe(10_000);
  });
});

describe('another event at the seen version', () => {
  test('has another id', () => {
    expect([isAnother(seenAt(2, 'this'), 'that'), isAnother(seenAt(2, 'this'), 'this')]).toEqual([true, false]);
  });

  test('is not assumed if one of the two is unknown', () => {
    expect([isAnother(seenAt(2), 'that'), isAnother(seenAt(2, 'this'), undefined)]).toEqual([false, false]);
    expect(isAnother(seenAt(2, 'this'), null)).toBe(false);
  });
});
