import * as z from 'zod/mini';

import type { WriteSide } from '../../eventsourcing/module.ts';
import { streamId } from '../../eventsourcing/stream.ts';
import { sendTo } from '../../eventsourcing/write/command-bus.ts';
import { described } from '../../http/schemas.ts';
import type { Module } from '../../module.ts';
import { type CancelOrder, type DeliverOrder, ORDER, type ReturnItems, type ShipOrder, orderType } from './order.ts';
import { orderEvents } from './order-events.ts';
import { dashboard } from './dashboard.ts';
import { orderAnalytics } from './order-analytics.ts';
import { orderLookup } from './order-lookup.ts';
import { orderSearch } from './order-search.ts';
import { orderSearch1 } from './order-search-1.ts';
import { placeOrder } from './place-order.ts';
import type { ProductPrices } from './product-prices.ts';
import { reportRoutes } from './report-routes.ts';
import { orderRoutes } from './routes.ts';

/** Of a problem with lines of an order. */
const skus = {
  shape: { skus: described(z.array(z.string()), 'The SKUs that are at fault.') },
  example: { skus: ['TIDE-2027'] },
};

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
    projections: [orderLookup, orderSearch, orderSearch1, orderAnalytics, dashboard],
    routes: [...reportRoutes, ...orderRoutes],
    tags: {
      orders: 'What is bought: placed, shipped, delivered, cancelled and returned.',
      reports: 'What the orders add up to.',
    },
    events: orderEvents,
    problems: {
      'unknown-sku': {
        status: 422,
        title: 'Unknown SKU',
        advice: 'Correct or remove the SKUs in `skus`.',
        members: skus,
      },
      'duplicate-sku': {
        status: 422,
        title: 'Duplicate SKU',
        advice: 'Name each SKU once, with the sum of its quantities.',
        members: skus,
      },
      'mixed-currencies': {
        status: 422,
        title: 'Mixed currencies',
        advice: 'Place one order for each currency.',
        members: { shape: { currencies: z.array(z.string()) }, example: { currencies: ['EUR', 'USD'] } },
      },
      'nothing-to-return': {
        status: 422,
        title: 'Nothing to return',
        advice: 'Return at most what was bought less what came back already.',
        members: skus,
      },
    },
  };
}
