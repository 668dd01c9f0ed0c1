import { Problem } from './problem.ts';

/** Where a page of a list ends: the sort key of its last row. */
export type Position = readonly (string | number)[];

/** A position as an opaque cursor of one list. */
export function toCursor(list: string, position: Position): string {
  const bytes = new TextEncoder().encode(JSON.stringify([list, ...position]));
  return bytes.toBase64({ alphabet: 'base64url', omitPadding: true });
}

/** What each part of a position is. */
export type PositionKinds = readonly ('string' | 'number')[];

export const TWO_TEXTS: PositionKinds = ['string', 'string'];

/**
 * The position of a cursor; undefined for none. `kinds` says what its parts are; by default two texts. Throws the problem `invalid-cursor` for a
 * cursor that does not belong to this list.
 */
export function fromCursor(list: string, cursor: string | undefined): readonly [string, string] | undefined;
export function fromCursor(list: string, cursor: string | undefined, kinds: PositionKinds): Position | undefined;
export function fromCursor(
  list: string,
  cursor: string | undefined,
  kinds: PositionKinds = TWO_TEXTS,
): Position | undefined {
  if (cursor === undefined) return undefined;
  try {
    const bytes = Uint8Array.fromBase64(cursor, { alphabet: 'base64url' });
    const parts: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes));
    if (Array.isArray(parts) && parts[0] === list && parts.length === kinds.length + 1) {
      const position: readonly unknown[] = parts.slice(1);
      if (position.every((part, index) => typeof part === kinds[index])) return position as Position;
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
  positionOf: (row: Row) => Position,
): { items: Item[]; nextCursor: string | null } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    items: page.map(view),
    nextCursor: rows.length > limit && last !== undefined ? toCursor(list, positionOf(last)) : null,
  };
}
