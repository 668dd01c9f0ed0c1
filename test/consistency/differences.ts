/** Explains how a read result differs from the fold of the logs. */

/** What a judge finds: nothing, or the first differences as sentences. */
export type Findings = readonly string[];

/** The first few of many differences are enough. */
const SHOWN = 5;

/** Where two values differ, as sentences, by path. */
export function differences(path: string, expected: unknown, read: unknown): readonly string[] {
  if (Object.is(expected, read)) return [];
  if (isRecord(expected) && isRecord(read)) {
    const keys = new Set([...Object.keys(expected), ...Object.keys(read)]);
    return [...keys].flatMap((key) => differences(`${path}.${key}`, expected[key], read[key]));
  }
  if (Array.isArray(expected) && Array.isArray(read)) {
    const length = Math.max(expected.length, read.length);
    return Array.from({ length }).flatMap((_, index) => differences(`${path}[${index}]`, expected[index], read[index]));
  }
  return [`${path} is ${show(read)}, but by the log ${show(expected)}`];
}

/** Like `differences`, of lists whose items have a key; `inOrder`: their order counts too. */
export function keyedDifferences<Expected>(
  path: string,
  expected: readonly Expected[],
  read: readonly unknown[],
  keyOf: (item: Expected) => string,
  { inOrder }: { readonly inOrder: boolean },
): readonly string[] {
  const found: string[] = [];
  const byKey = new Map(expected.map((item) => [keyOf(item), item]));
  const seen = new Set<string>();
  for (const item of read as readonly Expected[]) {
    const key = keyOf(item);
    const wanted = byKey.get(key);
    if (seen.has(key)) found.push(`${path} has ${key} twice`);
    else if (wanted === undefined) found.push(`${path} has ${key}, which by the log is not there`);
    else found.push(...differences(`${path} ${key}`, wanted, item));
    seen.add(key);
  }
  found.push(...[...byKey.keys()].filter((key) => !seen.has(key)).map((key) => `${path} lacks ${key}`));
  if (!inOrder || found.length > 0) return found;
  const at = expected.findIndex((item, index) => keyOf(item) !== keyOf(read[index] as Expected));
  if (at < 0) return [];
  const [wanted, there] = [keyOf(expected[at] as Expected), keyOf(read[at] as Expected)];
  return [`${path} has ${there} at place ${at + 1}, where ${wanted} belongs`];
}

/** The first few, and how many more there are. */
export function firstFew(found: readonly string[]): readonly string[] {
  if (found.length <= SHOWN) return found;
  return [...found.slice(0, SHOWN), `and ${found.length - SHOWN} more`];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  return value === undefined ? 'not there' : JSON.stringify(value);
}
