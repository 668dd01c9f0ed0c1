import { type SeededRandom, seededRandom } from '../../../src/tidemark/testing/seeded-random.ts';

/** Random choices that a seed decides. */
export interface Choices extends SeededRandom {
  pick<Item>(items: readonly Item[]): Item;
  /** Whether it is one of the so many of all cases. */
  isSome(share: number): boolean;
}

export function choicesOf(seed: number): Choices {
  const random = seededRandom(seed);
  return {
    ...random,
    pick: (items) => items[random.below(items.length)] as never,
    isSome: (share) => random.next() < share,
  };
}
