import type { OrderRow } from './order-row.ts';
import { type Range, type Term, findTerms } from './search-text.ts';

/** A text of a hit, and its matches. */
export interface Highlight {
  readonly field: 'customerName' | 'item' | 'sku' | 'tracking';
  readonly text: string;
  readonly ranges: readonly Range[];
}

/** The most texts of one hit, so that a page of long orders stays small. Each term has at least one. */
const MAX_HIGHLIGHTS = 20;
/** The most matches of one text. */
const MAX_RANGES = 20;

/**
 * Finds the matches in the texts of a hit, each text once. If there are too many, a text with a term that no earlier text shows is kept first. It
 * returns ranges, not markup: the client decides how to show them, and no customer name can become markup.
 */
export function highlightsOf(
  row: Pick<OrderRow, 'customerName' | 'items' | 'tracking'>,
  terms: readonly Term[],
): readonly Highlight[] {
  const texts = [
    { field: 'customerName' as const, text: row.customerName },
    ...row.items.flatMap(({ name, sku }) => [
      { field: 'item' as const, text: name },
      { field: 'sku' as const, text: sku },
    ]),
    ...(row.tracking === null ? [] : [{ field: 'tracking' as const, text: row.tracking }]),
  ];
  const distinct = new Map(texts.map((each) => [`${each.field}:${each.text}`, each])).values();
  const unshown = new Set(terms);
  const found: Highlight[] = [];
  const telling: Highlight[] = [];
  for (const { field, text } of distinct) {
    if (found.length >= MAX_HIGHLIGHTS && unshown.size === 0) break;
    const { ranges, terms: shown } = findTerms(text, terms);
    if (ranges.length === 0) continue;
    const highlight = { field, text, ranges: ranges.slice(0, MAX_RANGES) };
    found.push(highlight);
    if (shown.filter((term) => unshown.delete(term)).length > 0) telling.push(highlight);
  }
  const kept = new Set([...new Set([...telling, ...found])].slice(0, MAX_HIGHLIGHTS));
  return found.filter((highlight) => kept.has(highlight));
}
