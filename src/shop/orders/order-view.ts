import * as z from 'zod/mini';

import type { AggregateState } from '../../eventsourcing/write/aggregate.ts';
import { Time, Uuid, Version, described, named } from '../../http/schemas.ts';
import { MoneySchema } from '../schemas.ts';
import { type ExistingOrder, ORDER_STATUSES } from './order.ts';
import { type OrderRow, customerOf } from './order-row.ts';

/** An order as the API shows it. */
export const OrderView = z
  .strictObject({
    orderId: Uuid,
    customerId: z.string(),
    customerName: z.string(),
    customerSegment: z.nullable(z.string()),
    region: z.nullable(z.string()),
    status: z.enum(ORDER_STATUSES),
    currency: z.string(),
    total: MoneySchema,
    itemCount: described(z.int(), 'The sum of the quantities.'),
    items: z.array(
      named(
        'OrderLine',
        z.strictObject({
          sku: z.string(),
          name: z.string(),
          category: z.string(),
          quantity: z.int(),
          unitPrice: MoneySchema,
          returned: described(z.int(), 'How many of them came back.'),
        }),
      ),
    ),
    tracking: z.nullable(z.string()),
    carrier: z.nullable(z.string()),
    placedAt: Time,
    updatedAt: Time,
    version: Version,
  })
  .check(z.meta({ id: 'Order' }));

export const ORDER_ID = '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a';
export const ORDER_EXAMPLE = {
  orderId: ORDER_ID,
  customerId: 'c-1024',
  customerName: 'Ada Lovelace',
  customerSegment: 'retail',
  region: 'EU',
  status: 'placed',
  currency: 'EUR',
  total: { amount: 3998, currency: 'EUR' },
  itemCount: 2,
  items: [
    {
      sku: 'TIDE-2027',
      name: 'Tide table 2027',
      category: 'almanacs',
      quantity: 2,
      unitPrice: { amount: 1999, currency: 'EUR' },
      returned: 0,
    },
  ],
  tracking: null,
  carrier: null,
  placedAt: '2026-11-23T09:00:00.000Z',
  updatedAt: '2026-11-23T09:00:00.000Z',
  version: 1,
};

/** From a read model's row. */
export function fromRow({ total, currency, ...row }: OrderRow): z.input<typeof OrderView> {
  return { ...row, items: [...row.items], currency, total: { amount: total, currency } };
}

/** From the write side's state. */
export function fromState(orderId: string, { state, version }: AggregateState): z.input<typeof OrderView> {
  const order = state as unknown as ExistingOrder;
  const { status, total, itemCount, placedAt, updatedAt } = order;
  const items = order.lines.map(({ sku, name, category, quantity, unitPrice, returned }) => ({
    sku,
    name,
    category,
    quantity,
    unitPrice,
    returned,
  }));
  const { tracking, carrier } = 'tracking' in order ? order : { tracking: null, carrier: null };
  const { currency } = total;
  return {
    orderId,
    ...customerOf(order),
    status,
    currency,
    total,
    itemCount,
    items,
    tracking,
    carrier,
    placedAt,
    updatedAt,
    version,
  };
}
