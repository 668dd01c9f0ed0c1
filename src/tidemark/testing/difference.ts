/** What a test expected did not come. Any runner can show it: the message holds the difference, `expected` and `actual` the values. */
export class ExpectationError extends Error {
  // The name by which runners tell a failed expectation from a broken test.
  override readonly name = 'AssertionError';
  readonly expected: unknown;
  readonly actual: unknown;

  constructor(message: string, expected: unknown, actual: unknown) {
    super(message);
    this.expected = expected;
    this.actual = actual;
  }
}

/** Throws an `ExpectationError` that begins with `headline` unless both values are the same JSON. */
export function expectSame(headline: string, expected: unknown, actual: unknown): void {
  const lines = difference(expected, actual);
  if (lines !== undefined) {
    throw new ExpectationError(`${headline} (- expected, + actual)\n${lines}`, expected, actual);
  }
}

/**
 * Both values as JSON, line by line, the lines that only `expected` has marked with `-` and those that only `actual` has with `+`;
 * undefined when they are equal. The sequence of an object's members and members that are `undefined` make no difference.
 */
export function difference(expected: unknown, actual: unknown): string | undefined {
  const [from, to] = [canonicalJson(expected), canonicalJson(actual)];
  if (from === to) return undefined;
  return markedLines(from.split('\n'), to.split('\n')).join('\n');
}

/** A value as JSON that is equal for equal values: members sorted, `undefined` ones left out, NaN and the infinities by name. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, withSortedMembers, 2) ?? 'undefined';
}

function withSortedMembers(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value))) return String(value);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)));
}

/** A line diff by the longest common subsequence. */
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

/** For each pair of positions, how many lines from there on the two have in common. */
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
