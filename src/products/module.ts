import { streamId } from '../eventsourcing/stream.ts';
import { sendTo } from '../eventsourcing/write/command-bus.ts';
import type { Module } from '../module.ts';
import { type CreateProduct, PRODUCT, type UpdatePrice, productIdOf, productType } from './product.ts';
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
  problems: {
    'sku-taken': {
      status: 409,
      title: 'SKU taken',
      advice: 'Another product has this SKU: change that one, or choose another SKU.',
    },
    'price-not-positive': {
      status: 422,
      title: 'Price not positive',
      advice: 'Price must be positive: at least one minor unit.',
    },
  },
};
