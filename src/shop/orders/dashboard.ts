import { asc, desc, gt, inArray } from 'drizzle-orm';
import { integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core';

import { type Given, preparedQuery, projectionOf, queryBuilder, slotTables, wideSum } from '#tidemark';

import { reporting } from '../../groups.ts';
import {
  ORDER_STATUSES,
  type OrderEvent,
  type OrderStatus,
  type ReturnedItem,
  afterReturn,
  isAllReturned,
  order,
} from './order.ts';

/** A line, as far as a return needs it. Amounts in minor units of the order's currency. */
interface Line {
  readonly sku: string;
  readonly name: string;
  readonly quantity: number;
  readonly unitAmount: number;
  readonly returned: number;
}

const orders = slotTables((slot) =>
  sqliteTable(`dashboard_${slot}`, {
    orderId: text('order_id').primaryKey(),
    version: integer('version').notNull(),
    customerName: text('customer_name').notNull(),
    status: text('status', { enum: ORDER_STATUSES }).notNull(),
    currency: text('currency').notNull(),
    total: integer('total').notNull(),
    lines: text('lines', { mode: 'json' }).$type<readonly Line[]>().notNull(),
    placedAt: text('placed_at').notNull(),
  }),
);

const statuses = slotTables((slot) =>
  sqliteTable(`dashboard_statuses_${slot}`, {
    status: text('status', { enum: ORDER_STATUSES }).primaryKey(),
    orders: integer('orders').notNull(),
  }),
);

/** The `day` of the revenue over all days. */
const ALL_DAYS = '';

const revenue = slotTables((slot) =>
  sqliteTable(
    `dashboard_revenue_${slot}`,
    {
      day: text('day').notNull(),
      currency: text('currency').notNull(),
      total: integer('total').notNull(),
      totalHigh: integer('total_high').notNull().default(0),
    },
    (table) => [primaryKey({ columns: [table.day, table.currency] })],
  ),
);

const sellers = slotTables((slot) =>
  sqliteTable(
    `dashboard_sellers_${slot}`,
    { sku: text('sku').notNull(), name: text('name').notNull(), quantity: integer('quantity').notNull() },
    (table) => [primaryKey({ columns: [table.sku, table.name] })],
  ),
);

interface Sale {
  readonly currency: string;
  readonly placedAt: string;
  readonly lines: readonly Line[];
}

/** The increments of revenue and best sellers for the items of an order that are not returned. */
function sold({ currency, placedAt, lines }: Sale, sign: 1 | -1) {
  const kept = lines.map((line) => ({ ...line, quantity: sign * (line.quantity - line.returned) }));
  const total = kept.reduce((sum, { quantity, unitAmount }) => sum + quantity * unitAmount, 0);
  return {
    revenue: [
      { day: ALL_DAYS, currency, total },
      { day: dayOf(placedAt), currency, total },
    ],
    sellers: kept.map(({ sku, name, quantity }) => ({ sku, name, quantity })),
  };
}

/** The increments for an order that changes its status. */
function moved(from: OrderStatus, to: OrderStatus) {
  const isSame = from === to;
  return {
    statuses: isSame
      ? []
      : [
          { status: from, orders: -1 },
          { status: to, orders: 1 },
        ],
  };
}

function dayOf(time: string): string {
  return time.slice(0, 'YYYY-MM-DD'.length);
}

function linesOf(data: Extract<OrderEvent, { type: 'OrderPlaced' }>['data']): readonly Line[] {
  return data.lines.map(({ sku, name, quantity, unitPrice }) => ({
    sku,
    name,
    quantity,
    unitAmount: unitPrice.amount,
    returned: 0,
  }));
}

/** The returned items, as lines whose quantity is the returned one. */
function returnedLines(lines: readonly Line[], items: readonly ReturnedItem[]): readonly Line[] {
  return items.flatMap(({ sku, quantity }) => {
    const line = lines.find((candidate) => candidate.sku === sku);
    return line ? [{ ...line, quantity, returned: 0 }] : [];
  });
}

function statusAfterReturn(status: OrderStatus, lines: readonly Line[]): OrderStatus {
  return isAllReturned(lines) ? 'returned' : status;
}

/** The front page: counters, and one row for each order, from which a cancellation or a return is subtracted. */
export const dashboard = projectionOf(order)({
  name: 'dashboard',
  revision: 1,
  group: reporting,
  row: { tables: orders, key: 'orderId' },
  counters: {
    statuses: { tables: statuses, key: ['status'] },
    revenue: { tables: revenue, key: ['day', 'currency'], wide: { total: 'totalHigh' } },
    sellers: { tables: sellers, key: ['sku', 'name'] },
  },
  handlers: {
    OrderPlaced: {
      create: ({ data, recordedAt }) => ({
        customerName: data.customerName,
        status: 'placed' as const,
        currency: data.total.currency,
        total: data.total.amount,
        lines: linesOf(data),
        placedAt: recordedAt,
      }),
      count: ({ data, recordedAt }) => ({
        statuses: [{ status: 'placed' as const, orders: 1 }],
        ...sold({ currency: data.total.currency, placedAt: recordedAt, lines: linesOf(data) }, 1),
      }),
    },
    OrderShipped: {
      change: (row) => ({ ...row, status: 'shipped' as const }),
      count: (_event, row) => (row ? moved(row.status, 'shipped') : {}),
    },
    OrderDelivered: {
      change: (row) => ({ ...row, status: 'delivered' as const }),
      count: (_event, row) => (row ? moved(row.status, 'delivered') : {}),
    },
    OrderCancelled: {
      change: (row) => ({ ...row, status: 'cancelled' as const }),
      count: (_event, row) => (row ? { ...moved(row.status, 'cancelled'), ...sold(row, -1) } : {}),
    },
    ItemsReturned: {
      change: (row, { data }) => {
        const lines = afterReturn(row.lines, data.items);
        return { ...row, lines, status: statusAfterReturn(row.status, lines) };
      },
      count: ({ data }, row) =>
        row
          ? {
              ...moved(row.status, statusAfterReturn(row.status, afterReturn(row.lines, data.items))),
              ...sold({ ...row, lines: returnedLines(row.lines, data.items) }, -1),
            }
          : {},
    },
  },
});

const SHOWN = 10;

interface DashboardTables {
  readonly row: typeof orders.a;
  readonly statuses: typeof statuses.a;
  readonly revenue: typeof revenue.a;
  readonly sellers: typeof sellers.a;
}

const statusCounts = preparedQuery((tables: DashboardTables) => queryBuilder.select().from(tables.statuses));

const revenueOn = preparedQuery((tables: DashboardTables, { today }: Given<{ today: string }>) =>
  queryBuilder
    .select({
      day: tables.revenue.day,
      currency: tables.revenue.currency,
      total: wideSum(tables.revenue.total, tables.revenue.totalHigh).as('total'),
    })
    .from(tables.revenue)
    .where(inArray(tables.revenue.day, [ALL_DAYS, today]))
    .groupBy(tables.revenue.day, tables.revenue.currency)
    .orderBy(asc(tables.revenue.currency)),
);

const bestSellers = preparedQuery((tables: DashboardTables) =>
  queryBuilder
    .select()
    .from(tables.sellers)
    .where(gt(tables.sellers.quantity, 0))
    .orderBy(desc(tables.sellers.quantity), asc(tables.sellers.sku), asc(tables.sellers.name))
    .limit(SHOWN),
);

const latestOrders = preparedQuery((tables: DashboardTables) =>
  queryBuilder.select().from(tables.row).orderBy(desc(tables.row.placedAt), desc(tables.row.orderId)).limit(SHOWN),
);

/** The queries of the front page, for one snapshot. `today` is a UTC date. */
export function frontPage(today: string) {
  return (tables: DashboardTables) => ({
    statuses: statusCounts({})(tables),
    revenue: revenueOn({ today })(tables),
    bestSellers: bestSellers({})(tables),
    latestOrders: latestOrders({})(tables),
  });
}
