import { type WriteSide, module } from '#tidemark';
import { order } from './order.ts';
import { dashboard } from './dashboard.ts';
import { orderAnalytics } from './order-analytics.ts';
import { orderLookup } from './order-lookup.ts';
import { orderLookup1 } from './order-lookup-1.ts';
import { orderSearch } from './order-search.ts';
import { orderSearch1 } from './order-search-1.ts';
import type { ProductPrices } from './product-prices.ts';
import { reportRoutes } from './report-routes.ts';
import { orderRoutes } from './routes.ts';

/** The module of orders. `pricesOf` makes the port to products. */
export function orders(pricesOf: (write: WriteSide) => ProductPrices) {
  return module({
    aggregate: order,
    prepare: {
      PlaceOrder(write) {
        const prices = pricesOf(write);
        return ({ items }, { seen }) =>
          prices.offersOf(
            items.map(({ sku }) => sku),
            seen,
          );
      },
    },
    readModels: [orderLookup, orderLookup1, orderSearch, orderSearch1, orderAnalytics, dashboard],
    routes: [...reportRoutes, ...orderRoutes],
    tags: {
      orders: 'Orders: placed, shipped, delivered, cancelled and returned.',
      reports: 'Counts and totals over orders.',
    },
  });
}
