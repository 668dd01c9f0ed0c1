import { and, desc, eq, sql } from 'drizzle-orm';
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';

import { queryBuilder } from '../eventsourcing/read/causal-read.ts';
import { projectionOf } from '../eventsourcing/read/projection.ts';
import { slotTables } from '../eventsourcing/read/slot-tables.ts';
import { serving } from '../groups.ts';
import type { Money } from '../money.ts';
import {
  ORDER,
  ORDER_STATUSES,
  type OrderEvent,
  type OrderStatus,
  afterReturn,
  isAllReturned,
  orderType,
} from './order.ts';

/** A line as the order page shows it. */
interface Item {
  readonly sku: string;
  readonly name: string;
  readonly category: string;
  readonly quantity: number;
  readonly unitPrice: Money;
  readonly returned: number;
}

const orders = slotTables((slot) =>
  sqliteTable(`order_lookup_${slot}`, {
    orderId: text('order_id').primaryKey(),
    version: integer('version').notNull(),
    customerId: text('customer_id').notNull(),
    customerName: text('customer_name').notNull(),
    customerSegment: text('customer_segment'),
    region: text('region'),
    status: text('status', { enum: ORDER_STATUSES }).notNull(),
    currency: text('currency').notNull(),
    total: integer('total').notNull(),
    itemCount: integer('item_count').notNull(),
    items: text('items', { mode: 'json' }).$type<readonly Item[]>().notNull(),
    tracking: text('tracking'),
    carrier: text('carrier'),
    placedAt: text('placed_at').notNull(),
    updatedAt: text('updated_at').notNull(),
  }),
);

type OrderTable = typeof orders.a;
export type OrderRow = OrderTable['$inferSelect'];

/** The customer's order page: one row for each order, as it is now. */
export const orderLookup = projectionOf<OrderEvent>()({
  name: 'order-lookup',
  revision: 1,
  group: serving,
  follows: { [ORDER]: orderType.events },
  row: { tables: orders, key: 'orderId' },
  handlers: {
    OrderPlaced: {
      create: ({ data, recordedAt }) => ({
        customerId: data.customerId,
        customerName: data.customerName,
        customerSegment: data.customerSegment,
        region: data.region,
        status: 'placed' as const,
        currency: data.total.currency,
        total: data.total.amount,
        itemCount: data.itemCount,
        items: data.lines.map(({ sku, name, category, quantity, unitPrice }) => ({
          sku,
          name,
          category,
          quantity,
          unitPrice,
          returned: 0,
        })),
        tracking: null,
        carrier: null,
        placedAt: recordedAt,
        updatedAt: recordedAt,
      }),
    },
    OrderShipped: {
      change: (row, { data, recordedAt }) => ({
        ...row,
        status: 'shipped' as const,
        tracking: data.tracking,
        carrier: data.carrier,
        updatedAt: recordedAt,
      }),
    },
    OrderDelivered: {
      change: (row, { recordedAt }) => ({ ...row, status: 'delivered' as const, updatedAt: recordedAt }),
    },
    OrderCancelled: {
      change: (row, { recordedAt }) => ({ ...row, status: 'cancelled' as const, updatedAt: recordedAt }),
    },
    ItemsReturned: {
      change: (row, { data, recordedAt }) => {
        const items = afterReturn(row.items, data.items);
        return {
          ...row,
          items,
          status: isAllReturned(items) ? ('returned' as const) : row.status,
          updatedAt: recordedAt,
        };
      },
    },
  },
});

export function orderById(orderId: string) {
  return (table: OrderTable) => queryBuilder.select().from(table).where(eq(table.orderId, orderId));
}

/** Where a page of orders ends: the sort key of its last row. */
export type OrderPosition = readonly [placedAt: string, orderId: string];

/** Orders, newest first; `take` is the page and the one row that tells whether there is another. */
export function listOrders(
  filter: { customerId?: string | undefined; status?: OrderStatus | undefined },
  after: OrderPosition | undefined,
  take: number,
) {
  return (table: OrderTable) =>
    queryBuilder
      .select()
      .from(table)
      .where(
        and(
          filter.customerId === undefined ? undefined : eq(table.customerId, filter.customerId),
          filter.status === undefined ? undefined : eq(table.status, filter.status),
          after && sql`(${table.placedAt}, ${table.orderId}) < (${after[0]}, ${after[1]})`,
        ),
      )
      .orderBy(desc(table.placedAt), desc(table.orderId))
      .limit(take);
}
