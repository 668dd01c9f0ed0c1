import { Problem } from './problem.ts';

/** A sort position as an opaque cursor of one list. */
export function toCursor(list: string, position: readonly [string, string]): string {
  const bytes = new TextEncoder().encode(JSON.stringify([list, ...position]));
  return bytes.toBase64({ alphabet: 'base64url', omitPadding: true });
}

/** The sort position of a cursor; undefined for none; a problem for one that this list never gave out. */
export function fromCursor(list: string, cursor: string | undefined): readonly [string, string] | undefined {
  if (cursor === undefined) return undefined;
  try {
    const bytes = Uint8Array.fromBase64(cursor, { alphabet: 'base64url' });
    const parts: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes));
    if (Array.isArray(parts) && parts.length === 3 && parts.every((part) => typeof part === 'string')) {
      const [of, ...position] = parts as [string, string, string];
      if (of === list) return position;
    }
  } catch {
    // Not base64, not UTF-8 or not JSON: all the same to the client.
  }
  throw invalidCursor();
}

export function invalidCursor(): Problem {
  return new Problem('invalid-cursor', 'The cursor is none that this list gave out.');
}

/** One page of a list that was asked for one row more than fits: `{ items, nextCursor }`. */
export function toPage<Row, Item>(
  list: string,
  rows: readonly Row[],
  limit: number,
  view: (row: Row) => Item,
  positionOf: (row: Row) => readonly [string, string],
): { items: Item[]; nextCursor: string | null } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    items: page.map(view),
    nextCursor: rows.length > limit && last !== undefined ? toCursor(list, positionOf(last)) : null,
  };
}
