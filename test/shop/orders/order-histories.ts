import * as fc from 'fast-check';

import type { GivenEvent } from '#tidemark/testing';
import type { OrderEvent, OrderStatus } from '../../../src/shop/orders/order.ts';

/** An order's whole life, as its events. */
export interface History {
  readonly id: string;
  readonly events: readonly GivenEvent<OrderEvent>[];
}

/** One line of an order, at a price in minor units. */
export interface Bought {
  readonly sku: string;
  readonly quantity: number;
  readonly amount: number;
}

export function placed(
  lines: readonly Bought[],
  {
    at = '2026-01-01T00:00:00.000Z',
    currency = 'EUR',
    region = null as string | null,
    segment = null as string | null,
  } = {},
) {
  return {
    type: 'OrderPlaced',
    data: {
      customerId: 'c-1024',
      customerName: 'Ada Lovelace',
      customerSegment: segment,
      region,
      lines: lines.map(({ sku, quantity, amount }) => ({
        sku,
        productId: `p-${sku}`,
        productVersion: 1,
        name: `Product ${sku}`,
        category: categoryOf(sku),
        quantity,
        unitPrice: { amount, currency },
      })),
      total: { amount: lines.reduce((sum, { quantity, amount }) => sum + quantity * amount, 0), currency },
      itemCount: lines.reduce((sum, { quantity }) => sum + quantity, 0),
    },
    recordedAt: at,
  } as const satisfies GivenEvent<OrderEvent>;
}

/** A SKU's category: two of them share one. */
export function categoryOf(sku: string): string {
  return sku < 'C' ? 'almanacs' : 'charts';
}

const LATER = '2026-03-01T12:00:00.000Z';

export const shipped = {
  type: 'OrderShipped',
  data: { tracking: 'JD0146', carrier: null },
  recordedAt: LATER,
} as const satisfies GivenEvent<OrderEvent>;
export const delivered = {
  type: 'OrderDelivered',
  data: {},
  recordedAt: LATER,
} as const satisfies GivenEvent<OrderEvent>;
export const cancelled = {
  type: 'OrderCancelled',
  data: { reason: 'Ordered by mistake' },
  recordedAt: LATER,
} as const satisfies GivenEvent<OrderEvent>;

export function returned(...items: readonly { sku: string; quantity: number }[]) {
  return {
    type: 'ItemsReturned',
    data: { items, reason: 'Water damage' },
    recordedAt: LATER,
  } as const satisfies GivenEvent<OrderEvent>;
}

const SKUS = ['A', 'B', 'C', 'D'];

const order = fc.record({
  at: fc.constantFrom('2026-01-31T23:59:59.999Z', '2026-02-01T00:00:00.000Z', '2026-02-01T23:59:59.999Z'),
  currency: fc.constantFrom('EUR', 'JPY'),
  region: fc.constantFrom('EU', 'US', null),
  segment: fc.constantFrom('b2b', null),
  lines: fc.uniqueArray(
    fc.record({
      sku: fc.constantFrom(...SKUS),
      quantity: fc.integer({ min: 1, max: 3 }),
      amount: fc.constantFrom(1, 99, 1999, 9_000_000_000),
    }),
    { selector: ({ sku }) => sku, minLength: 1 },
  ),
  end: fc.constantFrom('placed', 'cancelled', 'shipped', 'delivered'),
  returns: fc.array(
    fc.uniqueArray(fc.record({ sku: fc.constantFrom(...SKUS), quantity: fc.integer({ min: 1, max: 3 }) }), {
      selector: ({ sku }) => sku,
    }),
    {
      maxLength: 4,
    },
  ),
});

/** Random lives of some orders, each as the domain allows it. */
export const histories: fc.Arbitrary<readonly History[]> = fc
  .array(order, { maxLength: 12, size: 'max' })
  .map((orders) =>
    orders.map(({ lines, end, returns, ...rest }, index) => ({
      id: `o-${index}`,
      events: [
        placed(lines, rest),
        ...(end === 'cancelled' ? [cancelled] : []),
        ...(end === 'shipped' || end === 'delivered' ? [shipped] : []),
        ...(end === 'delivered' ? [delivered, ...possibleReturns(lines, returns)] : []),
      ],
    })),
  );

/** As much of the wished returns as the customer still has. */
function possibleReturns(lines: readonly Bought[], wishes: readonly (readonly { sku: string; quantity: number }[])[]) {
  const left = new Map(lines.map(({ sku, quantity }) => [sku, quantity]));
  return wishes.flatMap((wish) => {
    const items = wish
      .map(({ sku, quantity }) => ({ sku, quantity: Math.min(quantity, left.get(sku) ?? 0) }))
      .filter(({ quantity }) => quantity > 0);
    for (const { sku, quantity } of items) left.set(sku, (left.get(sku) ?? 0) - quantity);
    return items.length > 0 ? [returned(...items)] : [];
  });
}

/** What an order comes to in the end, told from its events alone. */
export interface Outcome {
  readonly status: OrderStatus;
  readonly day: string;
  readonly currency: string;
  readonly region: string | null;
  readonly segment: string | null;
  /** The items that the customer keeps of each line: none of a cancelled order. */
  readonly kept: readonly Bought[];
}

export function outcomeOf({ events }: History): Outcome {
  const first = events[0] as ReturnType<typeof placed>;
  const types = new Set(events.map(({ type }) => type));
  const isCancelled = types.has('OrderCancelled');
  const back = new Map<string, number>();
  for (const event of events) {
    if (event.type !== 'ItemsReturned') continue;
    for (const { sku, quantity } of (event as ReturnType<typeof returned>).data.items) {
      back.set(sku, (back.get(sku) ?? 0) + quantity);
    }
  }
  const kept = first.data.lines.map(({ sku, quantity, unitPrice }) => ({
    sku,
    quantity: isCancelled ? 0 : quantity - (back.get(sku) ?? 0),
    amount: unitPrice.amount,
  }));
  const stages: OrderStatus[] = ['placed'];
  if (isCancelled) stages.push('cancelled');
  if (types.has('OrderShipped')) stages.push('shipped');
  if (types.has('OrderDelivered')) stages.push('delivered');
  if (types.has('OrderDelivered') && kept.every(({ quantity }) => quantity === 0)) stages.push('returned');
  return {
    status: stages.at(-1) ?? 'placed',
    day: first.recordedAt.slice(0, 10),
    currency: first.data.total.currency,
    region: first.data.region,
    segment: first.data.customerSegment,
    kept,
  };
}

/** The number of kept items, and their total. */
export function sumOf(lines: readonly Bought[]) {
  let items = 0;
  let total = 0;
  for (const { quantity, amount } of lines) {
    items += quantity;
    total += quantity * amount;
  }
  return { items, total };
}
