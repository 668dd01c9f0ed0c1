import { and, desc, eq, sql } from 'drizzle-orm';
import { sqliteTable } from 'drizzle-orm/sqlite-core';

import { queryBuilder } from '../../eventsourcing/read/causal-read.ts';
import { type Given, preparedQuery } from '../../eventsourcing/read/prepared-query.ts';
import { projectionOf } from '../../eventsourcing/read/projection.ts';
import { slotTables } from '../../eventsourcing/read/slot-tables.ts';
import { serving } from '../../groups.ts';
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

interface OrderTables {
  readonly row: OrderTable;
}

export const orderById = preparedQuery(({ row: table }: OrderTables, { orderId }: Given<{ orderId: string }>) =>
  queryBuilder.select().from(table).where(eq(table.orderId, orderId)),
);

/** Where a page of orders ends: the sort key of its last row. */
export type OrderPosition = readonly [placedAt: string, orderId: string];

/** Orders, newest first; `take` is the page and the one row that tells whether there is another. */
export function listOrders(
  filter: { customerId?: string | undefined; status?: OrderStatus | undefined },
  after: OrderPosition | undefined,
  take: number,
) {
  const { customerId, status } = filter;
  return pageOfOrders({ customerId, status, placedAt: after?.[0], orderId: after?.[1], take });
}

const pageOfOrders = preparedQuery(
  (
    { row: table }: OrderTables,
    {
      customerId,
      status,
      placedAt,
      orderId,
      take,
    }: Given<{
      customerId: string | undefined;
      status: OrderStatus | undefined;
      placedAt: string | undefined;
      orderId: string | undefined;
      take: number;
    }>,
  ) =>
    queryBuilder
      .select()
      .from(table)
      .where(
        and(
          customerId && eq(table.customerId, customerId),
          status && eq(table.status, status),
          placedAt && sql`(${table.placedAt}, ${table.orderId}) < (${placedAt}, ${orderId})`,
        ),
      )
      .orderBy(desc(table.placedAt), desc(table.orderId))
      .limit(take),
);
