import { expect, it } from 'vitest';

import { type Files, fromTop, importsOf } from '../support/sources.ts';

/*
 * `npm run remove-shop` deletes folders and files, and writes the lists of modules anew. That works as long as nothing else
 * imports what it deletes.
 */

const sources: Files = fromTop(
  import.meta.glob(['../../{src,test,scripts}/**/*.ts', '../../*.ts'], {
    query: '?raw',
    import: 'default',
    eager: true,
  }),
  'test/shop/',
);

const IS_SHOP = /^(src\/shop|test\/shop|bench|scripts\/(seed|demo|remove-shop))\b/;
const REWRITTEN = new Set(['src/domain.ts', 'test/domain.ts', 'test/domain-requests.ts']);

function importsOfTheShop(files: Files): readonly string[] {
  return Object.entries(files)
    .filter(([path]) => !IS_SHOP.test(path) && !REWRITTEN.has(path))
    .flatMap(([path, source]) =>
      importsOf(path, source)
        .filter((imported) => IS_SHOP.test(imported))
        .map((imported) => `${path} imports ${imported}`),
    );
}

it('only the shop and the two lists of modules import the shop', () => {
  expect(Object.keys(sources).length).toBeGreaterThan(300);
  expect(Object.keys(sources)).toEqual(expect.arrayContaining([...REWRITTEN, 'vitest.config.ts']));
  expect(importsOfTheShop(sources)).toEqual([]);
});

it.each([
  ['test/tidemark/http/causal.test.ts', "import { createProduct } from '../../shop/api.ts';"],
  ['src/tidemark/http/app.ts', "import type { Money } from '../../shop/money.ts';"],
  ['scripts/verify.ts', "import { season } from './seed/season.ts';"],
])('finds an import of the shop: in %s, %s', (path, line) => {
  expect(importsOfTheShop({ [path]: line })).toHaveLength(1);
});
