import { env } from 'cloudflare:workers';
import { getTableName } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';

import { reporting } from '../../../src/groups.ts';
import { orderSearch } from '../../../src/shop/orders/order-search.ts';
import { type Headers, asOperator, get } from '../../support/api.ts';
import { createProduct, orderStep, placeOrder, returnItems } from '../api.ts';
import { endOfFeed, page } from '../../support/feed.ts';
import { ports } from '../../support/platform.ts';
import { deliver, sentHints, takeHints } from '../../support/queue.ts';
import { rowFor } from '../../support/rows.ts';
import { system } from '../../support/system.ts';
import { isOf, isOfCheckpoints, toldOf } from './told-database.ts';

/*
 * What the projections that search and count cost in D1, by D1's own count. Every row and every index entry has a name here. If you
 * raise a budget, say why in the commit.
 */

const PROJECTIONS = ['order-search', 'order-analytics', 'dashboard', 'archive'] as const;
type Name = (typeof PROJECTIONS)[number];

const theirs = system.registry
  .projectionsOf(reporting)
  .flatMap((projection) => PROJECTIONS.flatMap((name) => (name === projection.name ? [{ name, projection }] : [])));

/** Rows written for what happened to a stream since it was last asked: by projection, and the checkpoints of all. */
async function costOf(stream: string): Promise<Record<Name | 'checkpoints', number>> {
  const hints = await sentHints(1, stream);
  takeHints(stream);
  const written = { 'order-search': 0, 'order-analytics': 0, dashboard: 0, archive: 0, checkpoints: 0 };
  const database = toldOf(env.REPORTING_DB, (sql, { rows_written: rows }) => {
    if (isOfCheckpoints(sql)) written.checkpoints += rows;
    for (const { name, projection } of theirs) if (isOf(projection, sql)) written[name] += rows;
  });
  const real = ports.database;
  ports.database = (bindings, group) => (group === reporting ? database : real(bindings, group));
  expect((await deliver(hints, { group: reporting })).explicitAcks).toHaveLength(hints.length);
  ports.database = real;
  return written;
}

/** Rows read to answer a query, by every statement of it. */
async function rowsRead(path: string, headers: Headers = {}): Promise<number> {
  let read = 0;
  const database = toldOf(env.REPORTING_DB, (_bound, meta) => {
    read += meta.rows_read;
  });
  await get(path, headers);
  const real = ports.database;
  ports.database = () => database;
  const answer = await get(path, headers);
  ports.database = real;
  expect(answer.status).toBe(200);
  return read;
}

const ROW = 1;

describe('all of them together', () => {
  it('write one checkpoint for each event of an order, whatever the number of projections', async () => {
    const { orderId, items, stream } = await placeOrder();
    expect((await costOf(stream)).checkpoints).toBe(1);
    for (const step of ['shipment', 'delivery'] as const) {
      await orderStep(orderId, step);
      expect((await costOf(stream)).checkpoints).toBe(1);
    }
    await returnItems(orderId, items);
    expect((await costOf(stream)).checkpoints).toBe(1);
  });
});

describe('order-search', () => {
  /** The number by which the index knows the order. */
  const DOCUMENT = 1;
  /** Of a document the index keeps its size by a row; the words themselves are written at the commit, and D1 does not count them. */
  const INDEXED = 1;

  it('writes for a new order: row, the number of its document, and the document in the index', async () => {
    const { stream } = await placeOrder();
    expect((await costOf(stream))['order-search']).toBe(ROW + DOCUMENT + INDEXED);
  });

  it('writes for a shipment, whose tracking is indexed: row, and the document removed from the index and added again', async () => {
    const { orderId, stream } = await placeOrder();
    await costOf(stream);
    await orderStep(orderId, 'shipment');
    expect((await costOf(stream))['order-search']).toBe(ROW + 2 * INDEXED);
  });

  it('writes for any other change: its row', async () => {
    const { orderId, items, stream } = await delivered();
    expect((await costOf(stream))['order-search']).toBe(ROW);
    await returnItems(orderId, items);
    expect((await costOf(stream))['order-search']).toBe(ROW);
    const other = await placeOrder();
    await costOf(other.stream);
    await orderStep(other.orderId, 'cancellation');
    expect((await costOf(other.stream))['order-search']).toBe(ROW);
  });
});

describe('order-analytics', () => {
  /** By day, region, segment and category: one sum each, and one for each further category. */
  const SUMS = 4;

  it('writes for a new order: fact, and a sum by day, region, segment and each category', async () => {
    const { stream } = await placeOrder();
    expect((await costOf(stream))['order-analytics']).toBe(ROW + SUMS);
    const products = [await createProduct({ category: 'one' }), await createProduct({ category: 'two' })];
    const both = await placeOrder({ items: products.map(({ sku }) => ({ sku, quantity: 1 })) });
    expect((await costOf(both.stream))['order-analytics']).toBe(ROW + SUMS + 1);
  });

  it('writes for a shipment or delivery: its fact', async () => {
    const { stream } = await delivered();
    expect((await costOf(stream))['order-analytics']).toBe(ROW);
  });

  it('writes for a cancellation or return: fact and the sums', async () => {
    const { orderId, items, stream } = await delivered();
    await costOf(stream);
    await returnItems(orderId, items);
    expect((await costOf(stream))['order-analytics']).toBe(ROW + SUMS);
    const other = await placeOrder();
    await costOf(other.stream);
    await orderStep(other.orderId, 'cancellation');
    expect((await costOf(other.stream))['order-analytics']).toBe(ROW + SUMS);
  });
});

describe('dashboard', () => {
  const INDEX_BY_TIME = 1;
  const STATUS = 1;
  /** In all, and of the day. */
  const REVENUE = 2;
  const SELLER = 1;
  const SELLERS_BY_QUANTITY = 1;

  it('writes for a new order: row, its index by time, status, revenue twice, and each best seller', async () => {
    const { sku } = await createProduct();
    const items = [{ sku, quantity: 1 }];
    const { stream } = await placeOrder({ items });
    expect((await costOf(stream)).dashboard).toBe(
      ROW + INDEX_BY_TIME + STATUS + REVENUE + SELLER + SELLERS_BY_QUANTITY,
    );
  });

  it('writes for a shipment or delivery: row and two statuses', async () => {
    const { stream } = await delivered();
    expect((await costOf(stream)).dashboard).toBe(ROW + 2 * STATUS);
  });

  it('writes for a cancellation, or the return of all: row, two statuses, revenue twice and the best seller', async () => {
    const budget = ROW + 2 * STATUS + REVENUE + SELLER + SELLERS_BY_QUANTITY;
    const { orderId, items, stream } = await delivered();
    await costOf(stream);
    await returnItems(orderId, items);
    expect((await costOf(stream)).dashboard).toBe(budget);
    const other = await placeOrder();
    await costOf(other.stream);
    await orderStep(other.orderId, 'cancellation');
    expect((await costOf(other.stream)).dashboard).toBe(budget);
  });

  it('writes for a partial return no status', async () => {
    const { orderId, items, stream } = await delivered();
    await costOf(stream);
    await returnItems(orderId, [{ sku: items[0]?.sku ?? '', quantity: 1 }]);
    expect((await costOf(stream)).dashboard).toBe(ROW + REVENUE + SELLER + SELLERS_BY_QUANTITY);
  });
});

describe('archive', () => {
  it('writes for every event of every kind a row, and a checkpoint where it is alone', async () => {
    const product = await createProduct();
    expect(await costOf(product.stream)).toEqual({
      'order-search': 0,
      'order-analytics': 0,
      dashboard: 0,
      archive: ROW,
      checkpoints: 1,
    });
    const { stream } = await delivered();
    expect((await costOf(stream)).archive).toBe(ROW);
  });
});

describe('reads', () => {
  const POINTER = 1;

  it('of the dashboard stay below 100 rows, however many orders, products and days there are', async () => {
    await env.REPORTING_DB.batch([
      env.REPORTING_DB.prepare(
        `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
        INSERT INTO dashboard_a (order_id, version, customer_name, status, currency, total, lines, placed_at)
        SELECT printf('00000000-0000-7000-8000-%012d', i), 1, 'Ada', 'placed', 'EUR', 1, '[]', strftime('%Y-%m-%dT%H:%M:%fZ', '2020-01-01', i || ' seconds') FROM n`,
      ),
      env.REPORTING_DB.prepare(
        `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
        INSERT INTO dashboard_sellers_a (sku, name, quantity) SELECT 'S' || i, 'n', i FROM n`,
      ),
      env.REPORTING_DB.prepare(
        `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
        INSERT INTO dashboard_revenue_a (day, currency, total) SELECT date('2020-01-01', i || ' days'), 'EUR', i FROM n`,
      ),
      env.REPORTING_DB.prepare(
        `INSERT INTO dashboard_revenue_a (day, currency, total) VALUES ('', 'JPY', 1), ('', 'USD', 1), ('', 'GBP', 1)`,
      ),
    ]);
    const read = await rowsRead('/dashboard');
    expect(read).toBeLessThanOrEqual(100);
  });

  it('of the feed read each visited event twice, the pointer, and the event at the cursor', async () => {
    await costOf((await createProduct()).stream);
    await env.REPORTING_DB.prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
      INSERT INTO archive_event (stream, version, event)
      SELECT 'tally-' || i, 1, json_set(any.event, '$.id', 'e' || i) FROM n, (SELECT event FROM archive_event LIMIT 1) AS any`,
    ).run();
    const skipping = await page('type=ItemsReturned');
    // A search that finds nothing counts as a row: for a cursor before the first event, and for events at the end.
    const budget = (looked: number) => POINTER + 1 + 2 * looked;
    const after = `after=${skipping.nextCursor}`;
    expect(await rowsRead('/events?limit=20', asOperator)).toBeLessThanOrEqual(budget(20));
    expect(await rowsRead(`/events?limit=20&${after}`, asOperator)).toBeLessThanOrEqual(budget(20));
    expect(await rowsRead(`/events?type=ItemsReturned&${after}`, asOperator)).toBeLessThanOrEqual(budget(1_000));
    expect(await rowsRead(`/events?after=${await endOfFeed()}`, asOperator)).toBeLessThanOrEqual(budget(1));
  });

  it('of a year of analytics read its sums by day, and no order', async () => {
    await env.REPORTING_DB.batch(
      ['day', 'region', 'category'].map((grouping) =>
        env.REPORTING_DB.prepare(
          `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
          INSERT INTO order_analytics_daily_a (grouped_by, day, value, currency, orders, items, total, cancelled)
          SELECT ?, date('2010-01-01', i || ' days'), iif(?1 = 'day', '', 'EU'), 'EUR', 1000, 1, 1, 1 FROM n`,
        ).bind(grouping),
      ),
    );
    const DAYS = 365;
    const year = 'from=2011-01-01&to=2012-01-01';
    const tenDays = await rowsRead('/analytics/orders?groupBy=day&from=2011-01-01&limit=10');
    const byDay = await rowsRead(`/analytics/orders?groupBy=day&${year}`);
    const byRegion = await rowsRead(`/analytics/orders?groupBy=region&${year}`);
    // By day the sums of the page and of one group more, as the key has them; by region each sum from the table, and from what is sorted.
    expect(byDay).toBeLessThanOrEqual(POINTER + DAYS + 1);
    expect(tenDays).toBeLessThanOrEqual(POINTER + 11 + 1);
    expect(byRegion).toBeLessThanOrEqual(POINTER + 2 * DAYS + 2);
  });

  it('of a search read two rows of the index and one number of a document for each ranked match, and two for each shown match', async () => {
    const { row: table } = orderSearch.tables('a');
    const time = '2020-01-01T00:00:00.000Z';
    const fill = async (word: string, count: number) => {
      const { order_id: _, ...row } = rowFor(table, {
        version: 1,
        customer_id: 'c',
        customer_name: word,
        status: 'placed',
        currency: 'EUR',
        total: 1,
        item_count: 1,
        items: '[]',
        placed_at: time,
        updated_at: time,
        customer_terms: word,
      });
      const values = Object.values(row);
      await env.REPORTING_DB.prepare(
        `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
        INSERT INTO ${getTableName(table)} (order_id, ${Object.keys(row).join(', ')})
        SELECT '${crypto.randomUUID().slice(0, 24)}' || printf('%012d', i), ${values.map(() => '?').join(', ')} FROM n`,
      )
        .bind(...values)
        .run();
    };
    await fill('few', 30);
    await fill('crowd', 10_000);
    const cost = (ranked: number, shown: number) => POINTER + 3 * ranked + 2 * (shown + 1);
    expect(await rowsRead('/orders/search?q=few&limit=10')).toBeLessThanOrEqual(cost(30, 10));
    // However many match, no more are ranked than the window has.
    expect(await rowsRead('/orders/search?q=crowd&limit=10')).toBeLessThanOrEqual(cost(1_000, 10));
    expect(await rowsRead('/orders/search?q=c&limit=10')).toBeLessThanOrEqual(cost(1_000, 10));
    expect(await rowsRead('/orders/search?q=nobody')).toBeLessThanOrEqual(cost(0, 0));
  });
});

/** An order that was delivered, with only its delivery yet to be projected. */
async function delivered() {
  const order = await placeOrder();
  await costOf(order.stream);
  await orderStep(order.orderId, 'shipment');
  await costOf(order.stream);
  await orderStep(order.orderId, 'delivery');
  return order;
}
