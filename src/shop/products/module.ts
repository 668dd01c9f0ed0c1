import * as z from 'zod/mini';

import { streamId } from '../../eventsourcing/stream.ts';
import { sendTo } from '../../eventsourcing/write/command-bus.ts';
import { described } from '../../http/schemas.ts';
import type { Module } from '../../module.ts';
import { type CreateProduct, PRODUCT, type UpdatePrice, productIdOf, productType } from './product.ts';
import { productEvents } from './product-events.ts';
import { productCatalog } from './product-catalog.ts';
import { productRoutes } from './routes.ts';

/** What is sold, and at what price. */
export const products: Module = {
  aggregate: productType,
  commands: ({ aggregates }) => ({
    CreateProduct: sendTo<CreateProduct>(aggregates, ({ data }) => streamId(PRODUCT, productIdOf(data.sku))),
    UpdatePrice: sendTo<UpdatePrice>(aggregates, ({ data }) => streamId(PRODUCT, data.productId)),
  }),
  projections: [productCatalog],
  routes: productRoutes,
  tags: { products: 'What is sold, and at what price.' },
  events: productEvents,
  problems: {
    'sku-taken': {
      status: 409,
      title: 'SKU taken',
      advice: 'Another product has this SKU: change that one, or choose another SKU.',
      members: {
        shape: { sku: described(z.string(), 'The SKU, in its normal form.') },
        example: { sku: 'TIDE-2027' },
      },
    },
    'price-not-positive': {
      status: 422,
      title: 'Price not positive',
      advice: 'Price must be positive: at least one minor unit.',
    },
  },
};
