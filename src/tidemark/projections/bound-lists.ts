import { MAX_PARAMETER_BYTES } from '../catch-up/catch-up-limits.ts';

/** Characters, each of which may take three bytes of UTF-8; with room for the brackets and commas of the list. */
const MAX_LIST_LENGTH = Math.floor((0.9 * MAX_PARAMETER_BYTES) / 3);

/** The values as JSON arrays, in their order: one, or as many as it takes for each to fit into a bound parameter. None without values. */
export function boundLists(values: readonly unknown[]): readonly string[] {
  const lists: string[][] = [];
  let length = Number.POSITIVE_INFINITY;
  for (const value of values) {
    const text = JSON.stringify(value);
    length += text.length;
    if (length > MAX_LIST_LENGTH) {
      lists.push([]);
      ({ length } = text);
    }
    lists.at(-1)?.push(text);
  }
  return lists.map((texts) => `[${texts.join(',')}]`);
}
