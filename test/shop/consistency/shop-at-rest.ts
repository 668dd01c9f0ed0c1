import type { StoredEvent } from '../../../src/tidemark/domain/event.ts';
import type { Logs as NaiveLogs } from '../../consistency/applied.ts';
import { GROUPINGS } from './naive-sums.ts';
import { oraclesOf } from './oracles.ts';
import { type AtRest, canonical } from '../../consistency/simulation/domain.ts';
import type { KnownShop } from '../known-shop.ts';
import { type Body, items, utcDay } from './shop-reads.ts';

/** The errors in the shop's read models, and in its decisions. */
export async function judgeShopAtRest(
  { logs, archived, skipped, get, now }: AtRest,
  { products }: KnownShop,
): Promise<readonly string[]> {
  const oracles = oraclesOf(logs as unknown as NaiveLogs, { skipped, held: [] });
  const all = async (path: string) => items((await get(path)) as Body);
  // A restore may have lost a whole log.
  const known = products.filter(({ productId }) => `product-${productId}` in logs);
  const listed = await all('/orders?limit=100');
  const figures = await get('/dashboard');
  const analytics = await Promise.all(
    GROUPINGS.map(async (groupBy) => ({ groupBy, body: await get(`/analytics/orders?groupBy=${groupBy}`) })),
  );
  const found = [
    Object.entries(logs).flatMap(([stream, events]) => decidedOnTheOld(stream, events)),
    oracles.orders(listed),
    oracles.products(await all('/products?limit=100')),
    ...(await Promise.all(
      known.map(async ({ productId }) =>
        oracles.prices(productId, await all(`/products/${productId}/prices?limit=100`)),
      ),
    )),
    ...(await Promise.all(
      oracles
        .searches()
        .slice(0, 6)
        .map(async (q) => oracles.search(q, await all(`/orders/search?limit=100&q=${encodeURIComponent(q)}`))),
    )),
    ...analytics.map(({ groupBy, body }) => oracles.analytics({ groupBy }, body)),
    oraclesOf(archived as unknown as NaiveLogs, { skipped, held: [] }).archive(await all('/events?limit=100')),
    oracles.dashboard(utcDay(now), figures),
    oracles.money({ orders: listed, analytics: analytics.map(({ body }) => body), dashboard: figures }),
  ];
  return found.flat();
}

/** What each step of an order has to come after. */
const AFTER: Readonly<Record<string, readonly string[]>> = {
  OrderShipped: ['OrderPlaced'],
  OrderCancelled: ['OrderPlaced'],
  OrderDelivered: ['OrderShipped'],
  ItemsReturned: ['OrderDelivered', 'ItemsReturned'],
};

/** Events of other types change nothing that these depend on. */
const STEPS = new Set(['ProductCreated', 'PriceUpdated', 'OrderPlaced', ...Object.keys(AFTER)]);

/** Events that contradict the earlier ones (I1): a price change from another price than the current one, a step out of sequence. */
function decidedOnTheOld(stream: string, events: readonly StoredEvent[]): readonly string[] {
  const steps = events.filter(({ type }) => STEPS.has(type));
  return steps.slice(1).flatMap((event, index) => {
    const before = steps[index] as StoredEvent;
    const isOutOfTurn = event.type in AFTER && !AFTER[event.type]?.includes(before.type);
    const isFromAnother =
      event.type === 'PriceUpdated' &&
      canonical(event.data['from']) !== canonical(before.data[before.type === 'PriceUpdated' ? 'to' : 'price']);
    return isOutOfTurn || isFromAnother
      ? [`decided on the old (I1): ${stream}@${event.version} is ${event.type} right after ${canonical(before.data)}`]
      : [];
  });
}
