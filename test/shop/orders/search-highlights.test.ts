import { describe, expect, test } from 'vitest';

import type { OrderRow } from '../../../src/shop/orders/order-row.ts';
import { highlightsOf } from '../../../src/shop/orders/search-highlights.ts';
import { toTerms } from '../../../src/shop/orders/search-text.ts';

/** An order with items of these names. */
function orderOf(customerName: string, ...names: readonly string[]): OrderRow {
  const items = names.map((name, index) => ({
    sku: `SKU-${index}`,
    name,
    category: 'almanacs',
    quantity: 1,
    unitPrice: { amount: 1, currency: 'EUR' },
    returned: 0,
  }));
  return { customerName, items, tracking: null, carrier: null } as unknown as OrderRow;
}

const many = (count: number, name: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => name(index));

describe('the highlights of a hit', () => {
  test('show each text once, even if several items share it', () => {
    const highlights = highlightsOf(orderOf('Ada', ...many(50, () => 'Lamp')), toTerms('lamp'));
    expect(highlights).toEqual([{ field: 'item', text: 'Lamp', ranges: [[0, 4]] }]);
  });

  test('are at most twenty, in the order of the fields', () => {
    const highlights = highlightsOf(orderOf('Lamp & Sons', ...many(100, (index) => `Lamp ${index}`)), toTerms('lamp'));
    expect(highlights.map(({ text }) => text)).toEqual(['Lamp & Sons', ...many(19, (index) => `Lamp ${index}`)]);
  });

  test('show every term, even if only the last of very many texts has it', () => {
    const order = orderOf('Ada', ...many(99, (index) => `Lamp ${index}`), 'Chart');
    const highlights = highlightsOf(order, toTerms('lamp chart sku-98'));
    expect(highlights).toHaveLength(20);
    expect(highlights.slice(-2).map(({ text }) => text)).toEqual(['SKU-98', 'Chart']);
  });

  test('mark at most twenty parts of one text', () => {
    const [highlight] = highlightsOf(orderOf('a '.repeat(100)), toTerms('a'));
    expect(highlight?.ranges).toHaveLength(20);
  });
});
