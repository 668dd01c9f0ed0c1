import { Problem } from './problem.ts';

/** The sort key of the last row of a page, at which the next page begins. */
export type Position = readonly (string | number)[];

/** Encodes a position as an opaque cursor of one list. */
export function toCursor(list: string, position: Position): string {
  const bytes = new TextEncoder().encode(JSON.stringify([list, ...position]));
  return bytes.toBase64({ alphabet: 'base64url', omitPadding: true });
}

/** The type of each part of a position. */
export type PositionKinds = readonly ('string' | 'number')[];

export const TWO_TEXTS: PositionKinds = ['string', 'string'];

/**
 * Decodes a cursor of the list named `list` to the position after which the page begins. Returns undefined when `cursor` is undefined: the first page.
 * `kinds` names the type of each part. Default: two texts. Throws the problem `invalid-cursor` when the cursor does not belong to this list.
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
    // Not base64, not UTF-8 or not JSON: the client gets the same problem for each.
  }
  throw invalidCursor();
}

/** The problem `invalid-cursor` (400). */
export function invalidCursor(): Problem {
  return new Problem(
    'invalid-cursor',
    'This cursor does not belong to this list. Send `nextCursor` of the previous page unchanged, or start over without a cursor.',
  );
}

/**
 * The pages of one list, named `list`: its cursors and its answers. A cursor of another list is refused, so put what selects the rows into the name.
 *
 *     const pages = pagesOf(`search:${q}`);
 *     const skip = pages.numberAfter(cursor);
 *     const rows = await c.var.causal.readMany(seatMap, search(q, skip, limit + 1));
 *     return c.json(pages.page(rows, limit, toSeat, () => skip + limit));
 */
export function pagesOf(list: string): Pages {
  return {
    after: (cursor) => fromCursor(list, cursor),
    numberAfter(cursor) {
      const number = Number(fromCursor(list, cursor)?.[1] ?? 0);
      if (!Number.isSafeInteger(number) || number < 0) throw invalidCursor();
      return number;
    },
    page: (rows, limit, view, positionOf) => toPage(list, rows, limit, view, (row) => positionOfTexts(positionOf(row))),
  };
}

/** The pages of one list. */
interface Pages {
  /** The two texts after which the page begins. Undefined: the first page. Throws the problem `invalid-cursor`. */
  after(cursor: string | undefined): readonly [string, string] | undefined;
  /** The number after which the page begins, from 0 on. Throws the problem `invalid-cursor`. */
  numberAfter(cursor: string | undefined): number;
  /**
   * The answer, `{ items, nextCursor }`, of at most `limit` items. Query `limit + 1` rows: the extra row tells whether another page follows.
   * `nextCursor` is null on the last page. `view` makes an item of a row. `positionOf` is where the page after that row begins: two texts, or a number.
   */
  page<Row, Item>(
    rows: readonly Row[],
    limit: number,
    view: (row: Row) => Item,
    positionOf: (row: Row) => readonly [string, string] | number,
  ): { items: Item[]; nextCursor: string | null };
}

function positionOfTexts(position: readonly [string, string] | number): readonly [string, string] {
  return typeof position === 'number' ? ['', String(position)] : position;
}

/** The text of a page. An item is an object, or already the JSON text of one. */
export function pageText({
  items,
  nextCursor,
}: {
  items: readonly (object | string)[];
  nextCursor: string | null;
}): string {
  const texts = items.map((item) => (typeof item === 'string' ? item : JSON.stringify(item)));
  return `{"items":[${texts.join(',')}],"nextCursor":${JSON.stringify(nextCursor)}}`;
}

/** Makes a page of the list named `list`. `positionOf` is the row's sort key, for `fromCursor`. */
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
