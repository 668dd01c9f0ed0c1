import type { OrderRow } from './order-row.ts';
import { type Range, findRanges } from './search-text.ts';

/** A text of a hit, and the parts of it that were found. */
export interface Highlight {
  readonly field: 'customerName' | 'item' | 'sku' | 'tracking';
  readonly text: string;
  readonly ranges: readonly Range[];
}

/**
 * Where a hit has what was typed. Ranges rather than markup, so that whoever shows them decides how, and nothing a customer is called
 * can become markup.
 */
export function highlightsOf(row: OrderRow, typed: string): readonly Highlight[] {
  const texts = [
    { field: 'customerName' as const, text: row.customerName },
    ...row.items.flatMap(({ name, sku }) => [
      { field: 'item' as const, text: name },
      { field: 'sku' as const, text: sku },
    ]),
    ...(row.tracking === null ? [] : [{ field: 'tracking' as const, text: row.tracking }]),
  ];
  return texts
    .map(({ field, text }) => ({ field, text, ranges: findRanges(text, typed) }))
    .filter(({ ranges }) => ranges.length > 0);
}
