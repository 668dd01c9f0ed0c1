import type { WriteSide } from '../eventsourcing/module.ts';
import { streamId } from '../eventsourcing/stream.ts';
import { sendTo } from '../eventsourcing/write/command-bus.ts';
import type { Module } from '../module.ts';
import { type CancelOrder, type DeliverOrder, ORDER, type ReturnItems, type ShipOrder, orderType } from './order.ts';
import { dashboard } from './dashboard.ts';
import { orderAnalytics } from './order-analytics.ts';
import { orderLookup } from './order-lookup.ts';
import { orderSearch } from './order-search.ts';
import { placeOrder } from './place-order.ts';
import type { ProductPrices } from './product-prices.ts';
import { reportRoutes } from './report-routes.ts';
import { orderRoutes } from './routes.ts';

/** What is bought, shipped, delivered, cancelled and returned. */
export function orders(pricesOf: (write: WriteSide) => ProductPrices): Module {
  const toOrder = ({ data }: { readonly data: { readonly orderId: string } }) => streamId(ORDER, data.orderId);
  return {
    aggregate: orderType,
    commands: (write) => ({
      PlaceOrder: placeOrder(write, pricesOf(write)),
      ShipOrder: sendTo<ShipOrder>(write.aggregates, toOrder),
      DeliverOrder: sendTo<DeliverOrder>(write.aggregates, toOrder),
      CancelOrder: sendTo<CancelOrder>(write.aggregates, toOrder),
      ReturnItems: sendTo<ReturnItems>(write.aggregates, toOrder),
    }),
    projections: [orderLookup, orderSearch, orderAnalytics, dashboard],
    routes: [...reportRoutes, ...orderRoutes],
    problems: {
      'unknown-sku': { status: 422, title: 'Unknown SKU', advice: 'Correct or remove the SKUs in `skus`.' },
      'duplicate-sku': {
        status: 422,
        title: 'Duplicate SKU',
        advice: 'Name each SKU once, with the sum of its quantities.',
      },
      'mixed-currencies': { status: 422, title: 'Mixed currencies', advice: 'Place one order for each currency.' },
      'nothing-to-return': {
        status: 422,
        title: 'Nothing to return',
        advice: 'Return at most what was bought less what came back already.',
      },
    },
  };
}
