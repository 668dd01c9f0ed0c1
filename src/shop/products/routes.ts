import * as z from 'zod/mini';

import {
  ACTOR_EXAMPLE,
  ActorSchema,
  PAGE_QUERY,
  Problem,
  Time,
  Uuid,
  Version,
  described,
  former,
  listRoute,
  named,
  normalText,
  pageOf,
  pagesOf,
  parseActor,
  queryRoute,
  routesOf,
  text,
} from '#tidemark';

import { MoneySchema, Sku } from '../schemas.ts';
import { product, productIdOf } from './product.ts';
import { type PriceRow, pricesOf, productCatalog } from './product-catalog.ts';
import { fromRow1, productCatalog1 } from './product-catalog-1.ts';

const PriceChange = named(
  'PriceChange',
  z.strictObject({
    version: Version,
    from: described(z.nullable(MoneySchema), 'The price before; null at the creation of the product.'),
    to: MoneySchema,
    reason: z.nullable(z.string()),
    actor: ActorSchema,
    changedAt: Time,
  }),
);

function toPriceChange(row: PriceRow): z.input<typeof PriceChange> {
  const { version, fromAmount, fromCurrency, toAmount, toCurrency, reason, actor, changedAt } = row;
  const from = fromAmount === null || fromCurrency === null ? null : { amount: fromAmount, currency: fromCurrency };
  const to = { amount: toAmount, currency: toCurrency };
  return { version, from, to, reason, actor: parseActor(actor), changedAt };
}

/** Everybody may look into the shop window. */
const FOR_EVERYONE = { scope: null, whose: 'everyone' } as const;

const productApi = routesOf(product, {
  path: '/products',
  tag: 'products',
  access: { read: FOR_EVERYONE, write: { scope: 'products:write', whose: 'staff' } },
  name: 'Product',
  view: productCatalog.view,
  example: {
    name: 'Tide table 2027',
    sku: 'TIDE-2027',
    category: 'almanacs',
    price: { amount: 1999, currency: 'EUR' },
    createdAt: '2026-11-23T09:00:00.000Z',
    updatedAt: '2026-11-23T09:00:00.000Z',
  },
  exampleId: '3f2b8c1e-6f0d-5d0f-9f3e-2b1a7c9d4e5f',
  fromState: ({ name, sku, category, price, createdAt, updatedAt }) => ({
    name,
    sku,
    category: normalText(category),
    price,
    createdAt,
    updatedAt,
  }),
});

const { oldestFirst } = productCatalog.lists;

/** The list's filters. The product's id follows from the SKU. */
function filterBy({ category, sku }: { readonly category?: string | undefined; readonly sku?: string | undefined }) {
  return { category, productId: sku === undefined ? undefined : productIdOf(sku) };
}

const Params = z.strictObject({ productId: Uuid });

export const productRoutes = [
  productApi.create('CreateProduct', {
    summary: 'Create a product',
    description: 'The id follows from the SKU, so a SKU is unique: a second product with the same SKU is refused.',
    example: {
      name: 'Tide table 2027',
      price: { amount: 1999, currency: 'EUR' },
      category: 'almanacs',
      sku: 'TIDE-2027',
    },
    idFrom: { member: 'sku', by: productIdOf },
  }),
  productApi.command('UpdatePrice', '/price', {
    summary: 'Change the price of a product',
    description: 'Orders that are already placed keep their price.',
    example: { price: { amount: 1799, currency: 'EUR' }, reason: 'Spring sale' },
  }),
  productApi.resource(productCatalog, {
    formerly: (id) => [former(productCatalog1, productCatalog1.byId(id), fromRow1)],
  }),
  listRoute({
    path: '/products',
    id: 'listProducts',
    summary: 'List products, oldest first',
    description: 'Answers page by page. Filters by category and SKU.',
    tag: 'products',
    access: FOR_EVERYONE,
    filter: { category: z.optional(text(100)), sku: z.optional(Sku) },
    reads: productCatalog,
    query: (asked, after, take) => oldestFirst.page(filterBy(asked), after, take),
    formerly: (asked, after, take) => [
      former(productCatalog1, productCatalog1.lists.oldestFirst.page(filterBy(asked), after, take), fromRow1),
    ],
    positionOf: oldestFirst.positionOf,
    item: productApi.schema,
    itemExample: productApi.example,
  }),
  queryRoute({
    path: '/products/:productId/prices',
    id: 'listPrices',
    summary: 'List every price of a product, oldest first',
    description: 'Answers page by page. The first price is that of the creation.',
    tag: 'products',
    access: FOR_EVERYONE,
    params: Params,
    query: z.strictObject(PAGE_QUERY),
    reads: [productCatalog],
    answer: {
      description: 'One page. `nextCursor` is null on the last page.',
      schema: pageOf(PriceChange),
      example: {
        items: [
          {
            version: 2,
            from: { amount: 1999, currency: 'EUR' },
            to: { amount: 1799, currency: 'EUR' },
            reason: 'Spring sale',
            actor: ACTOR_EXAMPLE,
            changedAt: '2026-11-23T10:00:00.000Z',
          },
        ],
        nextCursor: null,
      },
    },
    problems: ['invalid-cursor', 'not-found', 'projection-dead-letter'],
    async handle(c, { params: { productId }, query: { limit, cursor } }) {
      const pages = pagesOf(`prices:${productId}`);
      const stream = product.streamOf(productId);
      const query = pricesOf({ productId, afterVersion: pages.numberAfter(cursor), take: limit + 1 });
      const { rows, version } = await c.var.causal.readOne(productCatalog, stream, query, [
        former(productCatalog1, query),
      ]);
      if (version === 0) throw new Problem('not-found', 'There is no such product. Check the id.');
      return c.json(pages.page(rows, limit, toPriceChange, ({ version: at }) => at));
    },
  }),
];
