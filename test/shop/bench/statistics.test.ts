import { describe, expect, it } from 'vitest';

import { medianOf, perTurn, ratioOf } from '../../../bench/harness/statistics.ts';
import { chooser } from '../../../bench/load/choice.ts';

describe('the median of a ratio', () => {
  it('is the middle of the turns, or between the two in the middle', () => {
    expect(medianOf([3, 1, 2])).toBe(2);
    expect(medianOf([4, 1, 2, 3])).toBe(2.5);
  });

  it('has an interval from order statistics, which says how much it covers', () => {
    // Conover's table: of five values the first and the last cover 1 - 2 (1/2)^5.
    expect(ratioOf([5, 1, 4, 2, 3])).toMatchObject({ median: 3, low: 1, high: 5, confidence: 0.9375 });
    const many = ratioOf(Array.from({ length: 20 }, (_, index) => index + 1));
    // 1 - 2 P(B(20, 1/2) ≤ 6 - 1): the sixth and the fifteenth are the narrowest that cover nine tenths.
    expect([many.low, many.high]).toEqual([6, 15]);
    expect(many.confidence).toBeCloseTo(0.9586, 4);
  });

  it('is that of the ratios of each turn, and not the ratio of the medians', () => {
    expect(perTurn([1, 10, 100], [1, 20, 25]).median).toBe(1);
  });
});

describe('the choice by Zipf’s law', () => {
  it('draws the first twice as often as the second, and every one sometimes', () => {
    const draw = chooser(50, { law: 'zipf', seed: 1, exponent: 1 });
    const times = new Map<number, number>();
    for (let drawn = 0; drawn < 100_000; drawn += 1) {
      const index = draw();
      times.set(index, (times.get(index) ?? 0) + 1);
    }
    expect((times.get(0) ?? 0) / (times.get(1) ?? 0)).toBeCloseTo(2, 1);
    expect((times.get(0) ?? 0) / (times.get(9) ?? 0)).toBeCloseTo(10, 0);
    expect(times.size).toBe(50);
  });
});
