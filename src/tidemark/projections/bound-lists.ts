import { MAX_PARAMETER_BYTES } from '../catch-up/catch-up-limits.ts';

/** In characters, each of which may take three bytes of UTF-8. A tenth is left for the brackets and commas of the list. */
const MAX_LIST_LENGTH = Math.floor((0.9 * MAX_PARAMETER_BYTES) / 3);

/** Makes JSON arrays of the values, in their order. It makes as many as needed for each to fit into a bound parameter, and none without values. */
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
