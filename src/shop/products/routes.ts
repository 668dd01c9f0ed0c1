import * as z from 'zod/mini';

import { streamId } from '../../eventsourcing/stream.ts';
import type { AggregateState } from '../../eventsourcing/write/aggregate.ts';
import { commandRoute } from '../../http/command-route.ts';
import { fromCursor, invalidCursor, toPage } from '../../http/cursor.ts';
import { listRoute } from '../../http/list-route.ts';
import { Problem } from '../../http/problem.ts';
import { queryRoute } from '../../http/query-route.ts';
import { resourceRoute } from '../../http/resource-route.ts';
import type { Route } from '../../http/route.ts';
import { PAGE_QUERY, Time, Uuid, Version, described, named, pageOf, text } from '../../http/schemas.ts';
import { MoneySchema, Price, NewSku, Sku } from '../schemas.ts';
import { normalText } from '../../text.ts';
import { type CreateProduct, PRODUCT, type Product, type UpdatePrice } from './product.ts';
import {
  type PriceRow,
  type ProductRow,
  listProducts,
  pricesOf,
  productById,
  productCatalog,
} from './product-catalog.ts';

const ProductView = z
  .strictObject({
    productId: Uuid,
    name: z.string(),
    sku: z.string(),
    category: z.string(),
    price: MoneySchema,
    createdAt: Time,
    updatedAt: Time,
    version: Version,
  })
  .check(z.meta({ id: 'Product' }));

const PriceChange = z
  .strictObject({
    version: Version,
    from: described(z.nullable(MoneySchema), 'Null when the product was created.'),
    to: MoneySchema,
    reason: z.nullable(z.string()),
    actor: z.string(),
    changedAt: Time,
  })
  .check(z.meta({ id: 'PriceChange' }));

function toPriceChange(row: PriceRow): z.input<typeof PriceChange> {
  const { version, fromAmount, fromCurrency, toAmount, toCurrency, reason, actor, changedAt } = row;
  const from = fromAmount === null || fromCurrency === null ? null : { amount: fromAmount, currency: fromCurrency };
  return { version, from, to: { amount: toAmount, currency: toCurrency }, reason, actor, changedAt };
}

const Written = named('ProductReceipt', z.strictObject({ productId: Uuid, version: Version }));

const PRODUCT_ID = '3f2b8c1e-6f0d-5d0f-9f3e-2b1a7c9d4e5f';
const EXAMPLE = {
  productId: PRODUCT_ID,
  name: 'Tide table 2027',
  sku: 'TIDE-2027',
  category: 'almanacs',
  price: { amount: 1999, currency: 'EUR' },
  createdAt: '2026-11-23T09:00:00.000Z',
  updatedAt: '2026-11-23T09:00:00.000Z',
  version: 1,
};

const Params = z.strictObject({ productId: Uuid });

function fromRow({ priceAmount, priceCurrency, ...row }: ProductRow): z.input<typeof ProductView> {
  return { ...row, price: { amount: priceAmount, currency: priceCurrency } };
}

function fromState(productId: string, { state, version }: AggregateState): z.input<typeof ProductView> {
  const product = state as unknown as Extract<Product, { status: 'listed' }>;
  const { name, sku, category, price, createdAt, updatedAt } = product;
  return { productId, name, sku, category: normalText(category), price, createdAt, updatedAt, version };
}

export const productRoutes: readonly Route[] = [
  commandRoute({
    path: '/products',
    id: 'createProduct',
    summary: 'Create a product',
    description: 'The id follows from the SKU, so a SKU is unique: a second product with the same one is refused.',
    tag: 'products',
    body: z.strictObject({ name: text(200), price: Price, category: text(100), sku: NewSku }),
    bodyExample: {
      name: 'Tide table 2027',
      price: { amount: 1999, currency: 'EUR' },
      category: 'almanacs',
      sku: 'TIDE-2027',
    },
    creates: { location: (id) => `/products/${id}` },
    keyScope: ({ sku }) => sku,
    toCommand: ({ body }): CreateProduct => ({ type: 'CreateProduct', data: body }),
    idName: 'productId',
    answer: Written,
    answerExample: { productId: PRODUCT_ID, version: 1 },
    represent: fromState,
    representation: ProductView,
    refusals: ['sku-taken', 'price-not-positive'],
  }),
  commandRoute({
    path: '/products/:productId/price',
    id: 'updatePrice',
    summary: 'Change the price of a product',
    description: 'Orders that were placed before keep the price that they were placed at.',
    tag: 'products',
    params: Params,
    body: z.strictObject({ price: Price, reason: text(500) }),
    bodyExample: { price: { amount: 1799, currency: 'EUR' }, reason: 'Spring sale' },
    toCommand: ({ params, body }): UpdatePrice => ({
      type: 'UpdatePrice',
      data: { productId: params.productId, newPrice: body.price, reason: body.reason },
    }),
    idName: 'productId',
    answer: Written,
    answerExample: { productId: PRODUCT_ID, version: 2 },
    represent: fromState,
    representation: ProductView,
    refusals: ['not-found', 'price-not-positive'],
  }),
  resourceRoute({
    path: '/products/:productId',
    id: 'getProduct',
    summary: 'One product',
    tag: 'products',
    params: Params,
    noun: 'product',
    stream: ({ productId }) => streamId(PRODUCT, productId),
    reads: productCatalog,
    query: ({ productId }) => productById({ productId }),
    view: fromRow,
    represent: ({ productId }, state) => fromState(productId, state),
    answer: ProductView,
    answerExample: EXAMPLE,
  }),
  listRoute({
    path: '/products',
    id: 'listProducts',
    summary: 'Products, oldest first',
    description: 'Page by page, by category and SKU if these are given.',
    tag: 'products',
    filter: { category: z.optional(text(100)), sku: z.optional(Sku) },
    reads: productCatalog,
    query: listProducts,
    view: fromRow,
    positionOf: ({ createdAt, productId }) => [createdAt, productId],
    item: ProductView,
    itemExample: EXAMPLE,
  }),
  queryRoute({
    path: '/products/:productId/prices',
    id: 'listPrices',
    summary: 'Every price that a product has had, oldest first',
    description: 'Page by page. The first is the one that it was created with.',
    tag: 'products',
    params: Params,
    query: z.strictObject(PAGE_QUERY),
    reads: [productCatalog],
    answer: {
      description: 'One page. `nextCursor` is null on the last.',
      schema: pageOf(PriceChange),
      example: {
        items: [
          {
            version: 2,
            from: { amount: 1999, currency: 'EUR' },
            to: { amount: 1799, currency: 'EUR' },
            reason: 'Spring sale',
            actor: 'anonymous',
            changedAt: '2026-11-23T10:00:00.000Z',
          },
        ],
        nextCursor: null,
      },
    },
    problems: ['invalid-cursor', 'not-found', 'projection-dead-letter'],
    async handle(c, { params: { productId }, query: { limit, cursor } }) {
      const list = `prices:${productId}`;
      const [, lastVersion] = fromCursor(list, cursor) ?? ['', '0'];
      const after = Number(lastVersion);
      if (!Number.isSafeInteger(after) || after < 0) throw invalidCursor();
      const stream = streamId(PRODUCT, productId);
      const { rows, version } = await c.var.causal.readOne(
        productCatalog,
        stream,
        pricesOf({ productId, afterVersion: after, take: limit + 1 }),
      );
      if (version === 0) throw new Problem('not-found', 'There is no such product.');
      return c.json(toPage(list, rows, limit, toPriceChange, (row) => ['', String(row.version)]));
    },
  }),
];
