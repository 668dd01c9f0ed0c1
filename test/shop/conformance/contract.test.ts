import { expect, it } from 'vitest';

import { domain } from '../../../src/domain.ts';

/** The modules of the shop, without others beside them. */
const shop = domain.filter(({ aggregate: { category } }) => category === 'product' || category === 'order');

/** Every code that the shop adds to the framework's: clients branch on them, so the list is closed. */
const CODES = [
  'sku-taken',
  'unknown-sku',
  'price-not-positive',
  'mixed-currencies',
  'duplicate-sku',
  'nothing-to-return',
];

/** Every route of the shop, as the document names it. */
const ROUTES = [
  'POST /products',
  'POST /products/{productId}/price',
  'POST /orders',
  'POST /orders/{orderId}/shipment',
  'POST /orders/{orderId}/delivery',
  'POST /orders/{orderId}/cancellation',
  'POST /orders/{orderId}/returns',
  'GET /products/{productId}',
  'GET /products',
  'GET /orders/{orderId}',
  'GET /orders',
  'GET /orders/{orderId}/history',
  'GET /products/{productId}/prices',
  'GET /orders/search',
  'GET /analytics/orders',
  'GET /dashboard',
];

it('has exactly these codes of its own', () => {
  expect(shop.flatMap(({ problems }) => Object.keys(problems)).toSorted()).toEqual(CODES.toSorted());
});

it('has exactly these routes', () => {
  const routes = shop.flatMap((module) => module.routes);
  expect(routes.map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`).toSorted()).toEqual(
    ROUTES.toSorted(),
  );
});
