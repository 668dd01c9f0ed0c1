/**
 * A test did not get the expected value. It works with any test runner: the message shows the difference, and `expected` and `actual` hold the
 * values.
 */
export class ExpectationError extends Error {
  // By this name, a runner distinguishes a failed expectation from a broken test.
  override readonly name = 'AssertionError';
  readonly expected: unknown;
  readonly actual: unknown;

  constructor(message: string, expected: unknown, actual: unknown) {
    super(message);
    this.expected = expected;
    this.actual = actual;
  }
}

/** Throws an `ExpectationError` that begins with `headline` unless both values are equal as JSON. */
export function expectSame(headline: string, expected: unknown, actual: unknown): void {
  const lines = difference(expected, actual);
  if (lines !== undefined) {
    throw new ExpectationError(`${headline} (- expected, + actual)\n${lines}`, expected, actual);
  }
}

/**
 * Shows both values as JSON, line by line. A line only in `expected` starts with `-`, a line only in `actual` with `+`. Undefined if the values are
 * equal. The sequence of an object's members does not matter, nor do members that are `undefined`.
 */
export function difference(expected: unknown, actual: unknown): string | undefined {
  const [from, to] = [canonicalJson(expected), canonicalJson(actual)];
  if (from === to) return undefined;
  return markedLines(from.split('\n'), to.split('\n')).join('\n');
}

/** A value as JSON, the same for equal values. Members are sorted, `undefined` ones are left out, and NaN and the infinities appear by name. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, withSortedMembers, 2) ?? 'undefined';
}

function withSortedMembers(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value))) return String(value);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)));
}

/** A line diff from the longest common subsequence. */
function markedLines(from: readonly string[], to: readonly string[]): readonly string[] {
  const common = commonLengths(from, to);
  const marked: string[] = [];
  let [at, toAt] = [0, 0];
  while (at < from.length || toAt < to.length) {
    if (at < from.length && from[at] === to[toAt]) {
      marked.push(`  ${from[at]}`);
      at += 1;
      toAt += 1;
    } else if (
      toAt >= to.length ||
      (at < from.length && lengthAt(common, at + 1, toAt) >= lengthAt(common, at, toAt + 1))
    ) {
      marked.push(`- ${from[at]}`);
      at += 1;
    } else {
      marked.push(`+ ${to[toAt]}`);
      toAt += 1;
    }
  }
  return marked;
}

/** For each pair of positions, the number of lines that both texts have in common from there on. */
function commonLengths(from: readonly string[], to: readonly string[]): readonly (readonly number[])[] {
  const lengths = Array.from({ length: from.length + 1 }, () => Array.from({ length: to.length + 1 }, () => 0));
  for (let at = from.length - 1; at >= 0; at -= 1) {
    for (let toAt = to.length - 1; toAt >= 0; toAt -= 1) {
      (lengths[at] as number[])[toAt] =
        from[at] === to[toAt]
          ? lengthAt(lengths, at + 1, toAt + 1) + 1
          : Math.max(lengthAt(lengths, at + 1, toAt), lengthAt(lengths, at, toAt + 1));
    }
  }
  return lengths;
}

function lengthAt(lengths: readonly (readonly number[])[], at: number, toAt: number): number {
  return lengths[at]?.[toAt] ?? 0;
}
