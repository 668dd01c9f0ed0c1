import { type SQL, sql } from 'drizzle-orm';
import type { Context } from 'hono';

import type { AppEnv } from '../../../src/tidemark/http/app-env.ts';
import { fromCursor, toPage } from '../../../src/tidemark/http/cursor.ts';
import { parseQuery } from '../../../src/tidemark/http/params.ts';
import type { Operation, Route } from '../../../src/tidemark/http/route.ts';
import { reportRoutes } from '../../../src/shop/orders/report-routes.ts';
import { highlightsOf } from '../../../src/shop/orders/search-highlights.ts';
import { toMatchExpression, toTerms } from '../../../src/shop/orders/search-text.ts';
import { databaseOf, sameRoute } from './crud-route.ts';
import { type OrderRow, selectOrders, toView } from './order-routes.ts';

/** As many as Tidemark ranks. */
const RANKED = 1_000;

/** Orders that match, best first, of the newest that do; then each with its lines joined, as everywhere. */
export function matching(expression: string, skip: number, take: number): SQL {
  const hits = sql`(
    SELECT found.order_id, found.score, o.placed_at
    FROM (
      SELECT order_id, bm25(order_text, 0.0, 4.0, 1.0, 3.0, 3.0) AS score
      FROM order_text WHERE order_text MATCH ${expression} ORDER BY rowid DESC LIMIT ${RANKED}
    ) AS found
    CROSS JOIN customer_order AS o ON o.order_id = found.order_id
    ORDER BY found.score, o.placed_at DESC, found.order_id LIMIT ${take} OFFSET ${skip}
  )`;
  return selectOrders(
    sql`JOIN ${hits} AS hit ON hit.order_id = o.order_id ORDER BY hit.score, hit.placed_at DESC, hit.order_id`,
  );
}

async function search(c: Context<AppEnv>, operation: Operation): Promise<Response> {
  if (!operation.query) throw new Error('the search has no query');
  const { q, limit, cursor } = parseQuery(c, operation.query) as { q: string; limit: number; cursor?: string };
  const list = `search:${q}`;
  const [, skipped] = fromCursor(list, cursor) ?? ['', '0'];
  const skip = Number(skipped);
  const terms = toTerms(q);
  const expression = toMatchExpression(terms);
  const rows = expression ? await databaseOf(c).all<OrderRow>(matching(expression, skip, limit + 1)) : [];
  const view = (row: OrderRow) => {
    const shown = toView(row);
    return { ...shown, highlights: highlightsOf(shown, terms) };
  };
  return c.json(toPage(list, rows, limit, view, () => ['', String(skip + limit)]));
}

export const crudSearch: readonly Route[] = [sameRoute(reportRoutes, 'searchOrders', search)];
