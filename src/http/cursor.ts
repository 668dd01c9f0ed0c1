import { Problem } from './problem.ts';

/** A sort position as an opaque cursor. */
export function toCursor(position: readonly [string, string]): string {
  const bytes = new TextEncoder().encode(JSON.stringify(position));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '');
}

/** The sort position of a cursor; undefined for none; a problem for one that Tidemark never made. */
export function fromCursor(cursor: string | undefined): readonly [string, string] | undefined {
  if (cursor === undefined) return undefined;
  try {
    const bytes = Uint8Array.from(atob(cursor.replaceAll('-', '+').replaceAll('_', '/')), (character) =>
      character.charCodeAt(0),
    );
    const position: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes));
    if (Array.isArray(position) && position.length === 2 && position.every((part) => typeof part === 'string')) {
      return position as unknown as readonly [string, string];
    }
  } catch {
    // Not base64, not UTF-8 or not JSON: all the same to the client.
  }
  throw new Problem('invalid-cursor', 'The cursor is none that this list gave out.');
}

/** One page of a list that was asked for one row more than fits: `{ items, nextCursor }`. */
export function toPage<Row, Item>(
  rows: readonly Row[],
  limit: number,
  view: (row: Row) => Item,
  positionOf: (row: Row) => readonly [string, string],
): { items: Item[]; nextCursor: string | null } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    items: page.map(view),
    nextCursor: rows.length > limit && last !== undefined ? toCursor(positionOf(last)) : null,
  };
}
