export type Weighted<Value> = readonly [weight: number, value: Value];

/** A random source that gives the same values in every run. */
export interface Chance {
  /** In [0, 1). */
  number(): number;
  oneOf<Value>(values: readonly Value[]): Value;
  weighted<Value>(values: readonly Weighted<Value>[]): Value;
}

/** A random source with a name. Its values depend on the name only, so other sources do not affect it. */
export function chanceOf(name: string): Chance {
  const number = mulberry32(hash(name));
  const oneOf = <Value>(values: readonly Value[]) => values[Math.floor(number() * values.length)] as Value;
  return {
    number,
    oneOf,
    weighted<Value>(values: readonly Weighted<Value>[]) {
      let left = number() * sum(values.map(([weight]) => weight));
      return (values.find(([weight]) => (left -= weight) < 0) ?? values.at(-1))?.[1] as Value;
    },
  };
}

/** Mulberry32, by Tommy Ettinger: small, and good enough for test data. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) value = Math.imul(value ^ byte, 0x01000193);
  return value;
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
