import type { WriteSide } from '../../eventsourcing/module.ts';
import { streamId } from '../../eventsourcing/stream.ts';
import { type CommandHandler, type Executed, executeRequest, replayOf } from '../../eventsourcing/write/command-bus.ts';
import { ORDER, type PlaceOrder } from './order.ts';
import type { ProductPrices } from './product-prices.ts';

/** `PlaceOrder` as a client sends it: what the products cost is added on the way to the aggregate. */
export interface RequestOrder {
  readonly type: 'PlaceOrder';
  readonly data: Omit<PlaceOrder['data'], 'offers' | 'skipped'>;
}

/**
 * Reads what the products cost, and hands the order on with that. Whether it may be placed is for the decider to say. An order that was
 * placed before with the same key is answered without a look at its products (I3).
 */
export function placeOrder({ aggregates }: WriteSide, prices: ProductPrices): CommandHandler<RequestOrder, Executed> {
  return async ({ type, data }, context) => {
    const stream = streamId(ORDER, data.orderId);
    const before = await replayOf(aggregates, stream, context);
    if (before) return before;
    const asked = await prices.offersOf(
      data.items.map(({ sku }) => sku),
      context.seen,
    );
    if (asked.outcome === 'token-ahead') return asked;
    const command: PlaceOrder = { type, data: { ...data, offers: asked.offers, skipped: asked.skipped } };
    return { ...(await aggregates.execute(executeRequest(stream, command, context))), stream };
  };
}
