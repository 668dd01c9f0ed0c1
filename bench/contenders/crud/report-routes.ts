import { type SQL, sql } from 'drizzle-orm';
import type { Context } from 'hono';

import type { AppEnv } from '../../../src/tidemark/http/app-env.ts';
import { parseQuery } from '../../../src/tidemark/http/params.ts';
import type { Operation, Route } from '../../../src/tidemark/http/route.ts';
import { ORDER_STATUSES } from '../../../src/shop/orders/order.ts';
import { reportRoutes } from '../../../src/shop/orders/report-routes.ts';
import { databaseOf, sameRoute } from './crud-route.ts';
import { statementOf } from './statement.ts';

/**
 * Orders by day: added up from the index by time, which covers it, less what came back, which has an index of its own. (Joining all lines
 * takes several times as long.)
 */
export function ordersByDay(from: string | undefined, to: string | undefined): SQL {
  const days = sql.join(
    [
      ...(from === undefined ? [] : [sql`o.placed_at >= ${from}`]),
      ...(to === undefined ? [] : [sql`o.placed_at < ${to}`]),
    ],
    sql` AND `,
  );
  const within = from === undefined && to === undefined ? sql`1` : days;
  return sql`
    WITH sold AS (
      SELECT substr(o.placed_at, 1, 10) AS day, o.currency,
        sum(o.status <> 'cancelled') AS orders,
        sum(iif(o.status = 'cancelled', 0, o.item_count)) AS items,
        sum(iif(o.status = 'cancelled', 0, o.total)) AS total,
        sum(o.status = 'cancelled') AS cancelled
      FROM customer_order AS o WHERE ${within}
      GROUP BY 1, 2
    ), back AS (
      SELECT substr(o.placed_at, 1, 10) AS day, o.currency, sum(l.returned) AS items, sum(l.returned * l.unit_amount) AS total
      FROM order_line AS l JOIN customer_order AS o USING (order_id)
      WHERE l.returned > 0 AND ${within}
      GROUP BY 1, 2
    )
    SELECT sold.day AS key, sold.currency, sold.orders, sold.items - coalesce(back.items, 0) AS items,
      sold.total - coalesce(back.total, 0) AS total, sold.cancelled
    FROM sold LEFT JOIN back ON back.day = sold.day AND back.currency = sold.currency
    ORDER BY 1, 2 LIMIT 10000`;
}

async function analyze(c: Context<AppEnv>, operation: Operation): Promise<Response> {
  if (!operation.query) throw new Error('analytics have no query');
  const { groupBy, from, to } = parseQuery(c, operation.query) as { groupBy: string; from?: string; to?: string };
  const groups = await databaseOf(c).all(ordersByDay(from, to));
  return c.json({ groupBy, from: from ?? null, to: to ?? null, groups });
}

/** The statements of the front page. Their sums come from indexes that cover them, but for best sellers, which are in the lines. */
export function frontPage(today: string): readonly SQL[] {
  return [
    sql`SELECT status, count(*) AS orders FROM customer_order GROUP BY status`,
    sql`
      SELECT currency, sum(total) AS total, sum(iif(placed_at >= ${today}, total, 0)) AS today FROM (
        SELECT currency, total, placed_at FROM customer_order WHERE status <> 'cancelled'
        UNION ALL
        SELECT o.currency, -l.returned * l.unit_amount, o.placed_at
        FROM order_line AS l JOIN customer_order AS o USING (order_id) WHERE l.returned > 0
      ) GROUP BY currency ORDER BY currency`,
    sql`
      SELECT p.sku, p.name, s.quantity FROM (
        SELECT l.product_id, sum(l.quantity - l.returned) AS quantity FROM order_line AS l
        WHERE l.order_id NOT IN (SELECT order_id FROM customer_order WHERE status = 'cancelled')
        GROUP BY l.product_id
      ) AS s JOIN product AS p USING (product_id)
      WHERE s.quantity > 0 ORDER BY s.quantity DESC, p.sku, p.name LIMIT 10`,
    sql`
      SELECT order_id AS orderId, customer_name AS customerName, status, total, currency, placed_at AS placedAt
      FROM customer_order ORDER BY placed_at DESC, order_id DESC LIMIT 10`,
  ];
}

interface LatestRow {
  readonly total: number;
  readonly currency: string;
}

async function showDashboard(c: Context<AppEnv>): Promise<Response> {
  const database = databaseOf(c);
  const today = new Date(c.var.runtime.clock.now()).toISOString().slice(0, 'YYYY-MM-DD'.length);
  const statements = frontPage(today).map((written) => statementOf(database, written));
  const [statuses, revenue, bestSellers, latest] = (await database.$client.batch(statements)).map(
    ({ results }) => results,
  ) as [{ status: string; orders: number }[], object[], object[], LatestRow[]];
  const counted = new Map(statuses.map(({ status, orders }) => [status, orders]));
  return c.json({
    ordersByStatus: Object.fromEntries(ORDER_STATUSES.map((status) => [status, counted.get(status) ?? 0])),
    revenue,
    bestSellers,
    latestOrders: latest.map(({ total, currency, ...row }) => ({ ...row, total: { amount: total, currency } })),
  });
}

export const crudReports: readonly Route[] = [
  sameRoute(reportRoutes, 'analyzeOrders', analyze),
  sameRoute(reportRoutes, 'getDashboard', showDashboard),
];
