import { describe, expect, it } from 'vitest';

import { keepNewest } from '../../../src/tidemark/platform/keep-newest.ts';

describe('a map that keeps its newest entries', () => {
  it('loses the oldest one beyond the maximum', () => {
    const map = new Map<string, number>();
    for (const [index, name] of ['a', 'b', 'c'].entries()) keepNewest(map, name, index, 2);
    expect([...map]).toEqual([
      ['b', 1],
      ['c', 2],
    ]);
  });

  it('counts an entry that is put in again as new', () => {
    const map = new Map([
      ['a', 1],
      ['b', 2],
    ]);
    keepNewest(map, 'a', 3, 2);
    keepNewest(map, 'c', 4, 2);
    expect([...map]).toEqual([
      ['a', 3],
      ['c', 4],
    ]);
  });
});
