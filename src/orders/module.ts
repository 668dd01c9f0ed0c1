import { streamId } from '../eventsourcing/stream.ts';
import { type CommandHandler, executeRequest, sendTo } from '../eventsourcing/write/command-bus.ts';
import type { Executed } from '../http/command-route.ts';
import type { Module, WriteSide } from '../module.ts';
import {
  type CancelOrder,
  type DeliverOrder,
  ORDER,
  type PlaceOrder,
  type ReturnItems,
  type ShipOrder,
  orderType,
} from './order.ts';
import { orderLookup } from './order-lookup.ts';
import type { ProductPrices } from './product-prices.ts';
import { orderRoutes } from './routes.ts';

/** `PlaceOrder` as a client sends it: what products cost is added on the way to the aggregate. */
export interface RequestOrder {
  readonly type: 'PlaceOrder';
  readonly data: Omit<PlaceOrder['data'], 'offers'>;
}

/** What is bought, shipped, delivered, cancelled and returned. */
export function orders(pricesOf: (write: WriteSide) => ProductPrices): Module {
  return {
    aggregate: orderType,
    commands(write) {
      const prices = pricesOf(write);
      const placeOrder: CommandHandler<RequestOrder, Executed> = async ({ type, data }, context) => {
        const stream = streamId(ORDER, data.orderId);
        const offers = await prices.offersOf(
          data.items.map(({ sku }) => sku),
          context.seenVersion,
        );
        const command: PlaceOrder = { type, data: { ...data, offers } };
        return { ...(await write.aggregates.execute(executeRequest(stream, command, context))), stream };
      };
      const toOrder = ({ data }: { readonly data: { readonly orderId: string } }) => streamId(ORDER, data.orderId);
      return {
        PlaceOrder: placeOrder,
        ShipOrder: sendTo<ShipOrder>(write.aggregates, toOrder),
        DeliverOrder: sendTo<DeliverOrder>(write.aggregates, toOrder),
        CancelOrder: sendTo<CancelOrder>(write.aggregates, toOrder),
        ReturnItems: sendTo<ReturnItems>(write.aggregates, toOrder),
      };
    },
    projections: [orderLookup],
    routes: orderRoutes,
    problems: {
      'wrong-state': {
        status: 409,
        title: 'Wrong state',
        advice: 'Read the resource: `status` says what it is, `detail` what it would have to be.',
      },
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
