import { and, eq, gte, lt, sql } from 'drizzle-orm';
import { integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core';

import { type Given, normalText, preparedQuery, projectionOf, queryBuilder, slotTables, wideSum } from '#tidemark';

import { reporting } from '../../groups.ts';
import { ORDER_STATUSES, type OrderEvent, type ReturnedItem, afterReturn, isAllReturned, order } from './order.ts';
import { customerOf } from './order-row.ts';

/** A line, as far as figures count it. Amounts in minor units of the order's currency. */
interface Line {
  readonly sku: string;
  readonly category: string;
  readonly quantity: number;
  readonly unitAmount: number;
  readonly returned: number;
}

const facts = slotTables((slot) =>
  sqliteTable(`order_analytics_${slot}`, {
    orderId: text('order_id').primaryKey(),
    version: integer('version').notNull(),
    placedOn: text('placed_on').notNull(),
    status: text('status', { enum: ORDER_STATUSES }).notNull(),
    customerSegment: text('customer_segment'),
    region: text('region'),
    currency: text('currency').notNull(),
    lines: text('lines', { mode: 'json' }).$type<readonly Line[]>().notNull(),
  }),
);

/** The groupings of figures. */
export const GROUPINGS = ['day', 'region', 'segment', 'category'] as const;
export type Grouping = (typeof GROUPINGS)[number];

const daily = slotTables((slot) =>
  sqliteTable(
    `order_analytics_daily_${slot}`,
    {
      groupedBy: text('grouped_by', { enum: GROUPINGS }).notNull(),
      day: text('day').notNull(),
      /** The region, segment or category; '' if there is none. Always '' when grouped by day. */
      value: text('value').notNull(),
      currency: text('currency').notNull(),
      orders: integer('orders').notNull(),
      items: integer('items').notNull(),
      total: integer('total').notNull(),
      totalHigh: integer('total_high').notNull().default(0),
      cancelled: integer('cancelled').notNull(),
    },
    (table) => [primaryKey({ columns: [table.groupedBy, table.day, table.value, table.currency] })],
  ),
);

type Fact = Pick<typeof facts.a.$inferSelect, 'placedOn' | 'customerSegment' | 'region' | 'currency' | 'lines'>;
type Figures = Omit<typeof daily.a.$inferInsert, 'groupedBy' | 'day' | 'value' | 'currency' | 'totalHigh'>;

/** The increments of figures for some lines. */
function figuresOf(lines: readonly Line[], sign: 1 | -1): Pick<Figures, 'items' | 'total'> {
  return {
    items: sign * lines.reduce((sum, { quantity, returned }) => sum + quantity - returned, 0),
    total:
      sign * lines.reduce((sum, { quantity, returned, unitAmount }) => sum + (quantity - returned) * unitAmount, 0),
  };
}

/** The increments of a fact in every grouping. By category, they are counted line by line. */
function increments(
  { placedOn: day, customerSegment, region, currency, lines }: Fact,
  of: (lines: readonly Line[]) => Figures,
) {
  const whole = of(lines);
  const byCategory = Map.groupBy(lines, ({ category }) => category);
  return {
    daily: [
      { groupedBy: 'day' as const, day, value: '', currency, ...whole },
      { groupedBy: 'region' as const, day, value: region ?? '', currency, ...whole },
      { groupedBy: 'segment' as const, day, value: customerSegment ?? '', currency, ...whole },
      ...[...byCategory].map(([value, its]) => ({ groupedBy: 'category' as const, day, value, currency, ...of(its) })),
    ],
  };
}

/** The returned items, as lines whose quantity is the returned one. */
function returnedLines(lines: readonly Line[], items: readonly ReturnedItem[]): readonly Line[] {
  return items.flatMap(({ sku, quantity }) => {
    const line = lines.find((candidate) => candidate.sku === sku);
    return line ? [{ ...line, quantity, returned: 0 }] : [];
  });
}

/** The finance team's figures: orders, items and totals by day, region, segment and category. Cancelled orders are counted apart. */
export const orderAnalytics = projectionOf(order)({
  name: 'order-analytics',
  revision: 1,
  group: reporting,
  row: { tables: facts, key: 'orderId' },
  counters: {
    daily: { tables: daily, key: ['groupedBy', 'day', 'value', 'currency'], wide: { total: 'totalHigh' } },
  },
  handlers: {
    OrderPlaced: {
      create: ({ data, recordedAt }) => ({ ...factOf(data, recordedAt), status: 'placed' as const }),
      count: ({ data, recordedAt }) =>
        increments(factOf(data, recordedAt), (lines) => ({ orders: 1, ...figuresOf(lines, 1), cancelled: 0 })),
    },
    OrderShipped: { change: (row) => ({ ...row, status: 'shipped' as const }) },
    OrderDelivered: { change: (row) => ({ ...row, status: 'delivered' as const }) },
    OrderCancelled: {
      change: (row) => ({ ...row, status: 'cancelled' as const }),
      count: (_event, row) =>
        row ? increments(row, (lines) => ({ orders: -1, ...figuresOf(lines, -1), cancelled: 1 })) : {},
    },
    ItemsReturned: {
      change: (row, { data }) => {
        const lines = afterReturn(row.lines, data.items);
        return { ...row, lines, status: isAllReturned(lines) ? ('returned' as const) : row.status };
      },
      count: ({ data }, row) =>
        row
          ? increments({ ...row, lines: returnedLines(row.lines, data.items) }, (lines) => ({
              orders: 0,
              ...figuresOf(lines, -1),
              cancelled: 0,
            }))
          : {},
    },
  },
});

function factOf(data: Extract<OrderEvent, { type: 'OrderPlaced' }>['data'], recordedAt: string): Fact {
  const { customerSegment, region } = customerOf(data);
  return {
    placedOn: recordedAt.slice(0, 'YYYY-MM-DD'.length),
    customerSegment,
    region,
    currency: data.total.currency,
    lines: data.lines.map(({ sku, category, quantity, unitPrice }) => ({
      sku,
      category: normalText(category),
      quantity,
      unitAmount: unitPrice.amount,
      returned: 0,
    })),
  };
}

/**
 * Queries figures by one grouping, for the days from `from` (inclusive) to `to` (exclusive): `take` groups after the one with this key and currency.
 * It reads daily sums, so its cost does not grow with the number of orders.
 */
export function ordersBy(
  groupedBy: Grouping,
  from: string | undefined,
  to: string | undefined,
  after: readonly [string, string] | undefined,
  take: number,
) {
  // By day, the table's key has the order of the groups, so the query reads only the sums that it returns.
  const isByDay = groupedBy === 'day' || undefined;
  return sumsBy({ groupedBy, isByDay, from, to, afterKey: after?.[0], afterCurrency: after?.[1], take });
}

const sumsBy = preparedQuery(
  (
    { daily: table }: { readonly daily: typeof daily.a },
    {
      groupedBy,
      isByDay,
      from,
      to,
      afterKey,
      afterCurrency,
      take,
    }: Given<{
      groupedBy: Grouping;
      isByDay: true | undefined;
      from: string | undefined;
      to: string | undefined;
      afterKey: string | undefined;
      afterCurrency: string | undefined;
      take: number;
    }>,
  ) => {
    const key = isByDay ? table.day : table.value;
    const group = isByDay ? [table.day, table.value, table.currency] : [table.value, table.currency];
    return queryBuilder
      .select({
        key: sql<string>`${key}`.as('key'),
        currency: table.currency,
        orders: sql<number>`sum(${table.orders})`.as('orders'),
        items: sql<number>`sum(${table.items})`.as('items'),
        total: wideSum(table.total, table.totalHigh).as('total'),
        cancelled: sql<number>`sum(${table.cancelled})`.as('cancelled'),
      })
      .from(table)
      .where(
        and(
          eq(table.groupedBy, groupedBy),
          from && gte(table.day, from),
          to && lt(table.day, to),
          afterKey && sql`(${key}, ${table.currency}) > (${afterKey}, ${afterCurrency})`,
        ),
      )
      .groupBy(...group)
      .orderBy(...group)
      .limit(take);
  },
);
