import * as z from 'zod/mini';

import { Time, described, named, routesOf } from '#tidemark';

import { MoneySchema } from '../schemas.ts';
import { ORDER_STATUSES, order } from './order.ts';
import { type OrderRow, customerOf } from './order-row.ts';

const OrderLine = named(
  'OrderLine',
  z.strictObject({
    sku: z.string(),
    name: z.string(),
    category: z.string(),
    quantity: z.int(),
    unitPrice: MoneySchema,
    returned: described(z.int(), 'The returned quantity.'),
  }),
);

/** The members of an order in the API, without its id and version. */
export const orderView = {
  customerId: z.string(),
  customerName: z.string(),
  customerSegment: z.nullable(z.string()),
  region: z.nullable(z.string()),
  status: z.enum(ORDER_STATUSES),
  currency: z.string(),
  total: MoneySchema,
  itemCount: described(z.int(), 'The sum of the quantities.'),
  items: z.array(OrderLine),
  tracking: z.nullable(z.string()),
  carrier: z.nullable(z.string()),
  placedAt: Time,
  updatedAt: Time,
};

/** The routes of orders, and the shape of an order in the API. */
export const orderApi = routesOf(order, {
  path: '/orders',
  tag: 'orders',
  access: {
    read: { scope: 'orders:read', whose: 'customer' },
    write: { scope: 'orders:write', whose: 'staff' },
  },
  owner: 'customerId',
  name: 'Order',
  view: orderView,
  example: {
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
  },
  fromState(state) {
    const { status, total, itemCount, placedAt, updatedAt } = state;
    const items = state.lines.map(({ sku, name, category, quantity, unitPrice, returned }) => ({
      sku,
      name,
      category,
      quantity,
      unitPrice,
      returned,
    }));
    const { tracking, carrier } = 'tracking' in state ? state : { tracking: null, carrier: null };
    const { currency } = total;
    return { ...customerOf(state), status, currency, total, itemCount, items, tracking, carrier, placedAt, updatedAt };
  },
});

/** Makes an order from a read model's row. */
export function fromRow({ total, currency, ...row }: OrderRow) {
  return { ...row, currency, total: { amount: total, currency } };
}
