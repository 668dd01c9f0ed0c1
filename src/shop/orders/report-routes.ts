import * as z from 'zod/mini';

import {
  PAGE_QUERY,
  Time,
  Uuid,
  csvAnswer,
  described,
  former,
  integerParameter,
  named,
  pageOf,
  pagesOf,
  queryRoute,
  sumAs,
  sumShape,
} from '#tidemark';

import { MoneySchema } from '../schemas.ts';
import { dashboard, frontPage } from './dashboard.ts';
import { ORDER_STATUSES, type OrderStatus } from './order.ts';
import { GROUPINGS, orderAnalytics, ordersBy } from './order-analytics.ts';
import type { OrderRow } from './order-row.ts';
import { orderSearch, searchOrders } from './order-search.ts';
import { orderSearch1, searchOrders1 } from './order-search-1.ts';
import { fromRow, orderApi } from './order-view.ts';
import { highlightsOf } from './search-highlights.ts';
import { MAX_WORDS, toTerms } from './search-text.ts';

const Highlight = z
  .strictObject({
    field: z.enum(['customerName', 'item', 'sku', 'tracking']),
    text: z.string(),
    ranges: described(
      // A tuple is `prefixItems` without `items`, which linters refuse.
      z.array(z.array(z.int().check(z.minimum(0))).check(z.length(2))),
      'The start and the end (exclusive) of each match, in UTF-16 code units of `text`.',
    ),
  })
  .check(z.meta({ id: 'Highlight' }));

// Not `z.extend`, which would copy the id.
const Hit = z
  .strictObject({ ...orderApi.schema.shape, highlights: z.array(Highlight) })
  .check(z.meta({ id: 'OrderHit' }));

const SearchQuery = z.strictObject({
  q: described(
    z.string().check(z.minLength(1), z.maxLength(500)),
    'Words, which match as prefixes, and phrases in quotes. A hit matches all of them. ' +
      `The first ${MAX_WORDS} words count, including those in phrases. Duplicates and prefixes of other words do not count.`,
  ),
  ...PAGE_QUERY,
});

const Day = z.iso.date();

const AnalyticsQuery = z
  .strictObject({
    groupBy: z.enum(GROUPINGS),
    from: described(z.optional(Day), 'The first UTC day of placement.'),
    to: described(z.optional(Day), 'The end: the first UTC day of placement that is not included.'),
    limit: integerParameter(1, 10_000, 1_000),
    cursor: PAGE_QUERY.cursor,
  })
  .check(
    z.refine(({ from, to }) => from === undefined || to === undefined || from <= to, {
      path: ['from'],
      error: 'Must not be after `to`.',
    }),
  );

const Figures = named(
  'OrderFigures',
  z.strictObject({
    key: described(z.nullable(z.string()), 'The day, region, segment or category; null for orders without one.'),
    currency: z.string(),
    orders: z.int(),
    items: z.int(),
    ...sumShape('total'),
    cancelled: described(z.int(), 'The number of cancelled orders.'),
  }),
);

const Analytics = z
  .strictObject({
    groupBy: z.enum(GROUPINGS),
    from: z.nullable(Day),
    to: z.nullable(Day),
    groups: z.array(Figures),
    nextCursor: z.nullable(z.string()),
  })
  .check(z.meta({ id: 'OrderAnalytics' }));

const Dashboard = z
  .strictObject({
    ordersByStatus: named(
      'OrdersByStatus',
      z.strictObject({
        placed: z.int(),
        shipped: z.int(),
        delivered: z.int(),
        returned: z.int(),
        cancelled: z.int(),
      } satisfies Record<OrderStatus, unknown>),
    ),
    revenue: z.array(
      named('Revenue', z.strictObject({ currency: z.string(), ...sumShape('total'), ...sumShape('today') })),
    ),
    bestSellers: z.array(named('BestSeller', z.strictObject({ sku: z.string(), name: z.string(), quantity: z.int() }))),
    latestOrders: z.array(
      named(
        'LatestOrder',
        z.strictObject({
          orderId: Uuid,
          customerName: z.string(),
          status: z.enum(ORDER_STATUSES),
          total: MoneySchema,
          placedAt: Time,
        }),
      ),
    ),
  })
  .check(z.meta({ id: 'Dashboard' }));

/** Reports show the orders of all customers. */
const FOR_STAFF = { scope: 'reports:read', whose: 'staff' } as const;

/** The routes that search and count. They come before the routes of single orders, whose paths would match theirs. */
export const reportRoutes = [
  queryRoute({
    path: '/orders/search',
    id: 'searchOrders',
    summary: 'Search orders by text',
    description:
      'Searches customer names, item names, SKUs and tracking numbers. Case and accents do not matter. Ranks the newest 1,000 matches, best first.',
    tag: 'orders',
    access: FOR_STAFF,
    query: SearchQuery,
    reads: [orderSearch],
    answer: {
      description: 'One page of hits. `nextCursor` is null on the last page.',
      schema: pageOf(Hit),
      example: {
        items: [
          { ...orderApi.example, highlights: [{ field: 'customerName', text: 'Ada Lovelace', ranges: [[4, 8]] }] },
        ],
        nextCursor: null,
      },
    },
    problems: ['invalid-cursor'],
    async handle(c, { query: { q, limit, cursor } }) {
      const pages = pagesOf(`search:${q}`);
      const skip = pages.numberAfter(cursor);
      const terms = toTerms(q);
      const search = searchOrders(terms, skip, limit + 1);
      const search1 = searchOrders1(q, skip, limit + 1);
      const rows = search ? await c.var.causal.readMany(orderSearch, search, [former(orderSearch1, search1)]) : [];
      const view = (row: OrderRow) => ({ ...fromRow(row), highlights: highlightsOf(row, terms) });
      return c.json(pages.page(rows, limit, view, () => skip + limit));
    },
  }),
  queryRoute({
    path: '/analytics/orders',
    id: 'analyzeOrders',
    summary: 'Count orders, items and totals by day, region, segment or category',
    description:
      'Totals are per currency, without cancelled orders and returned items. With `Accept: text/csv`, the answer is CSV, and only `Link` names the next page.',
    tag: 'reports',
    access: FOR_STAFF,
    query: AnalyticsQuery,
    reads: [orderAnalytics],
    problems: ['invalid-cursor'],
    answer: {
      description: 'One page of groups, by key and currency. `nextCursor` is null on the last page.',
      headers: ['Link'],
      schema: Analytics,
      example: {
        groupBy: 'region',
        from: '2026-11-01',
        to: null,
        groups: [{ key: 'EU', currency: 'EUR', orders: 2, items: 3, total: 5997, cancelled: 1 }],
        nextCursor: null,
      },
      alternative: {
        contentType: 'text/csv',
        example: 'key,currency,orders,items,total,cancelled\r\nEU,EUR,2,3,5997,1\r\n',
      },
    },
    async handle(c, { query: { groupBy, from, to, limit, cursor } }) {
      const pages = pagesOf(`figures:${groupBy}:${from}:${to}`);
      const query = ordersBy(groupBy, from, to, pages.after(cursor), limit + 1);
      const rows = await c.var.causal.readMany(orderAnalytics, query);
      const view = ({ key, currency, orders, items, total, cancelled }: (typeof rows)[number]) => ({
        key: key === '' ? null : key,
        currency,
        orders,
        items,
        ...sumAs('total', total),
        cancelled,
      });
      const { items: groups, nextCursor } = pages.page(rows, limit, view, ({ key, currency }) => [key, currency]);
      if (nextCursor !== null) c.header('Link', `<${withCursor(c.req.url, nextCursor)}>; rel="next"`);
      const rowsOfText = groups.map(({ total, exactTotal = total, ...figures }) => ({ ...figures, total: exactTotal }));
      return (
        csvAnswer(c, ['key', 'currency', 'orders', 'items', 'total', 'cancelled'], rowsOfText) ??
        c.json({ groupBy, from: from ?? null, to: to ?? null, groups, nextCursor })
      );
    },
  }),
  queryRoute({
    path: '/dashboard',
    id: 'getDashboard',
    summary: 'Get the front page: orders by status, revenue, best sellers, latest orders',
    description:
      'Counts every status, even without orders. Lists the ten best sellers by quantity and the ten latest orders. Today is the UTC day of the request.',
    tag: 'reports',
    access: FOR_STAFF,
    reads: [dashboard],
    answer: {
      description: 'The counters and the ten latest orders.',
      schema: Dashboard,
      example: {
        ordersByStatus: { placed: 1, shipped: 0, delivered: 0, returned: 0, cancelled: 0 },
        revenue: [{ currency: 'EUR', total: 3998, today: 3998 }],
        bestSellers: [{ sku: 'TIDE-2027', name: 'Tide table 2027', quantity: 2 }],
        latestOrders: [
          {
            orderId: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a',
            customerName: 'Ada Lovelace',
            status: 'placed',
            total: { amount: 3998, currency: 'EUR' },
            placedAt: '2026-11-23T09:00:00.000Z',
          },
        ],
      },
    },
    async handle(c) {
      const today = new Date(c.var.runtime.clock.now()).toISOString().slice(0, 'YYYY-MM-DD'.length);
      const page = await c.var.causal.readSnapshot(dashboard, frontPage(today));
      const counted = new Map(page.statuses.map(({ status, orders }) => [status, orders]));
      const revenue = [...Map.groupBy(page.revenue, ({ currency }) => currency)].map(([currency, rows]) => ({
        currency,
        ...sumAs('total', rows.find(({ day }) => day !== today)?.total),
        ...sumAs('today', rows.find(({ day }) => day === today)?.total),
      }));
      return c.json({
        ordersByStatus: Object.fromEntries(ORDER_STATUSES.map((status) => [status, counted.get(status) ?? 0])),
        revenue,
        bestSellers: page.bestSellers,
        latestOrders: page.latestOrders.map(({ orderId, customerName, status, total, currency, placedAt }) => ({
          orderId,
          customerName,
          status,
          total: { amount: total, currency },
          placedAt,
        })),
      });
    },
  }),
];

/** The path of the same request with another cursor. */
function withCursor(url: string, cursor: string): string {
  const { pathname, searchParams } = new URL(url);
  searchParams.set('cursor', cursor);
  return `${pathname}?${searchParams.toString()}`;
}
