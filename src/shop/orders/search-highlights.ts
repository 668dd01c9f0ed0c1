import type { OrderRow } from './order-row.ts';
import { type Range, type Term, findTerms } from './search-text.ts';

/** A text of a hit, and the parts of it that were found. */
export interface Highlight {
  readonly field: 'customerName' | 'item' | 'sku' | 'tracking';
  readonly text: string;
  readonly ranges: readonly Range[];
}

/** How many texts of one hit are shown, so that a page of long orders stays of moderate size. At least one for each term. */
const MAX_HIGHLIGHTS = 20;
/** How many parts of one text are marked. */
const MAX_RANGES = 20;

/**
 * Where a hit has what was asked for: each text once, and of many those first that show a term which none before them does. Ranges rather
 * than markup, so that whoever shows them decides how, and nothing a customer is called can become markup.
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
