import type { Choice } from './load-protocol.ts';

/** Random numbers in [0, 1) that are the same in every run: mulberry32 (https://github.com/cprosche/mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Draws indexes below `size` by a law. Zipf's: the k-th most popular is drawn in proportion to 1 / k^exponent. */
export function chooser(size: number, choice: Choice): () => number {
  if (choice.law === 'in-turn') {
    let next = -1;
    return () => {
      next = (next + 1) % size;
      return next;
    };
  }
  const random = seededRandom(choice.seed);
  if (choice.law === 'even') return () => Math.floor(random() * size);

  const upTo = new Float64Array(size);
  let sum = 0;
  for (let rank = 0; rank < size; rank += 1) {
    sum += 1 / (rank + 1) ** choice.exponent;
    upTo[rank] = sum;
  }
  return () => {
    const drawn = random() * sum;
    let [low, high] = [0, size - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((upTo[middle] ?? sum) > drawn) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}
