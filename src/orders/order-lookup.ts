import { and, desc, eq, sql } from 'drizzle-orm';
import { sqliteTable } from 'drizzle-orm/sqlite-core';

import { queryBuilder } from '../eventsourcing/read/causal-read.ts';
import { projectionOf } from '../eventsourcing/read/projection.ts';
import { slotTables } from '../eventsourcing/read/slot-tables.ts';
import { serving } from '../groups.ts';
import { ORDER, type OrderEvent, type OrderStatus, orderType } from './order.ts';
import { orderColumns, orderRow } from './order-row.ts';

const orders = slotTables((slot) => sqliteTable(`order_lookup_${slot}`, orderColumns()));

type OrderTable = typeof orders.a;

/** The customer's order page: one row for each order, as it is now. */
export const orderLookup = projectionOf<OrderEvent>()({
  name: 'order-lookup',
  revision: 1,
  group: serving,
  follows: { [ORDER]: orderType.events },
  row: { tables: orders, key: 'orderId' },
  handlers: {
    OrderPlaced: { create: (event) => orderRow.placed(event) },
    OrderShipped: { change: (row, event) => orderRow.shipped(row, event) },
    OrderDelivered: { change: (row, event) => orderRow.delivered(row, event) },
    OrderCancelled: { change: (row, event) => orderRow.cancelled(row, event) },
    ItemsReturned: { change: (row, event) => orderRow.returned(row, event) },
  },
});

export function orderById(orderId: string) {
  return ({ row: table }: { readonly row: OrderTable }) =>
    queryBuilder.select().from(table).where(eq(table.orderId, orderId));
}

/** Where a page of orders ends: the sort key of its last row. */
export type OrderPosition = readonly [placedAt: string, orderId: string];

/** Orders, newest first; `take` is the page and the one row that tells whether there is another. */
export function listOrders(
  filter: { customerId?: string | undefined; status?: OrderStatus | undefined },
  after: OrderPosition | undefined,
  take: number,
) {
  return ({ row: table }: { readonly row: OrderTable }) =>
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
