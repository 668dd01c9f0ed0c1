import { expect, test } from 'vitest';

import { type Files, wordsInCode } from '../support/sources.ts';

/** Words of the shop. `order` is also a word for a sequence, so in prose it is let be. */
const WORDS = ['product', 'sku', 'price', 'shipment', 'carrier', 'cart'];

const framework: Files = import.meta.glob('../../src/tidemark/**/*.ts', {
  query: '?raw',
  import: 'default',
  eager: true,
});

/** Where a file has a word of the shop in its code, or in its comments. */
function shopWords(files: Files): readonly string[] {
  const inProse = Object.entries(files).flatMap(([path, source]) =>
    (source.match(new RegExp(`\\b(${WORDS.join('|')})s?\\b`, 'gi')) ?? []).map((word) => `${path}: ${word}`),
  );
  return [...wordsInCode(files, [...WORDS, 'order']), ...inProse];
}

test('the framework has no word of the shop in it', () => {
  expect(Object.keys(framework).length).toBeGreaterThan(20);
  expect(shopWords(framework)).toEqual([]);
});

test.each([
  'const orderId = 1;',
  'interface PriceList {}',
  "const category = 'product';",
  'const text = `the ${kind} of ORDERS`;',
  'const SKUS = [];',
  '/** What a carrier brought. */',
])('a word of the shop is found in: %s', (line) => {
  expect(shopWords({ 'some.ts': line })).not.toEqual([]);
});

test.each([
  'sql.exec(`SELECT * FROM event ORDER BY version`);',
  '// in any order, ordered or not',
  'query.orderBy(table.id);',
  'const border = recorded;',
])('a word is allowed in: %s', (line) => {
  expect(shopWords({ 'some.ts': line })).toEqual([]);
});
