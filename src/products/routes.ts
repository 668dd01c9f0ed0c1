import * as z from 'zod';

import { streamId } from '../eventsourcing/stream.ts';
import type { AggregateState } from '../eventsourcing/write/aggregate.ts';
import { commandRoute } from '../http/command-route.ts';
import { listRoute } from '../http/list-route.ts';
import { resourceRoute } from '../http/resource-route.ts';
import type { Route } from '../http/route.ts';
import { MoneySchema, Price, Sku, Time, Uuid, Version, text } from '../http/schemas.ts';
import { normalSku } from '../sku.ts';
import { type CreateProduct, PRODUCT, type Product, type UpdatePrice } from './product.ts';
import { type ProductRow, listProducts, productById, productCatalog } from './product-catalog.ts';

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
  .meta({ id: 'Product' });

const Written = z.strictObject({ productId: Uuid, version: Version });

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
  return { productId, name, sku, category, price, createdAt, updatedAt, version };
}

export const productRoutes: readonly Route[] = [
  commandRoute({
    path: '/products',
    id: 'createProduct',
    summary: 'Create a product',
    description: 'The id follows from the SKU, so a SKU is unique: a second product with the same one is refused.',
    tag: 'products',
    body: z.strictObject({ name: text(200), price: Price, category: text(100), sku: Sku }),
    bodyExample: {
      name: 'Tide table 2027',
      price: { amount: 1999, currency: 'EUR' },
      category: 'almanacs',
      sku: 'TIDE-2027',
    },
    creates: { location: (id) => `/products/${id}` },
    keyScope: ({ sku }) => normalSku(sku),
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
    query: ({ productId }) => productById(productId),
    view: fromRow,
    represent: ({ productId }, state) => fromState(productId, state),
    answer: ProductView,
    answerExample: EXAMPLE,
  }),
  listRoute({
    path: '/products',
    id: 'listProducts',
    summary: 'Products, oldest first',
    tag: 'products',
    filter: { category: text(100).optional(), sku: Sku.optional() },
    reads: productCatalog,
    query: listProducts,
    view: fromRow,
    positionOf: ({ createdAt, productId }) => [createdAt, productId],
    item: ProductView,
    itemExample: EXAMPLE,
  }),
];
