import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';

import { orderLookup } from '../../../src/shop/orders/order-lookup.ts';
import { productCatalog } from '../../../src/shop/products/product-catalog.ts';
import type { Projection } from '../../../src/tidemark/projections/projection.ts';
import { get, post } from '../../support/api.ts';
import { createProduct, eur, placeOrder } from '../api.ts';
import { ports } from '../../support/platform.ts';
import { deliver, sentHints, takeHints } from '../../support/queue.ts';
import { rowFor } from '../../support/rows.ts';
import { isOf, isOfCheckpoints, toldOf } from './told-database.ts';

/*
 * What applying an event costs in D1, by D1's own count. One row for each projection, one checkpoint for all of its group, and every index
 * entry beyond that has a name here. If you raise a budget, say why in the commit.
 */

/** Rows that a projection writes for what happened to a stream since it was last asked, as D1 counts them, and where it stands. */
async function costOf(projection: Projection, stream: string): Promise<number> {
  const hints = await sentHints(1, stream);
  takeHints(stream);
  let written = 0;
  const database = toldOf(env.SERVING_DB, (sql, { rows_written: rows }) => {
    if (isOf(projection, sql) || isOfCheckpoints(sql)) written += rows;
  });
  ports.database = () => database;
  expect((await deliver(hints)).explicitAcks).toHaveLength(hints.length);
  ports.database = () => env.SERVING_DB;
  return written;
}

describe('product-catalog', () => {
  const ROW = 1;
  const CHECKPOINT = 1;
  const PRICE = 1;

  it('writes for a new product: row, checkpoint, price, index by time, index by category', async () => {
    const { stream } = await createProduct();
    expect(await costOf(productCatalog, stream)).toBe(ROW + CHECKPOINT + PRICE + 1 + 1);
  });

  it('writes for a new price: row, checkpoint and price', async () => {
    const { productId, stream } = await createProduct();
    await costOf(productCatalog, stream);
    await post(`/products/${productId}/price`, { price: eur(1), reason: 'Sale' });
    expect(await costOf(productCatalog, stream)).toBe(ROW + CHECKPOINT + PRICE);
  });
});

describe('order-lookup', () => {
  const ROW = 1;
  const CHECKPOINT = 1;
  const INDEXES_OF_STATUS = 2 * 1;

  it('writes for a new order: row, checkpoint, and indexes by time, by status, by customer and status', async () => {
    const { stream } = await placeOrder();
    expect(await costOf(orderLookup, stream)).toBe(ROW + CHECKPOINT + 3);
  });

  it('writes for a change of status: row, checkpoint, and the two indexes that hold the status', async () => {
    const { orderId, stream } = await placeOrder();
    await costOf(orderLookup, stream);
    await post(`/orders/${orderId}/shipment`, { tracking: 'T' });
    expect(await costOf(orderLookup, stream)).toBe(ROW + CHECKPOINT + INDEXES_OF_STATUS);
  });

  it('writes for a partial return: row and checkpoint', async () => {
    const { orderId, items, stream } = await placeOrder();
    await costOf(orderLookup, stream);
    await post(`/orders/${orderId}/shipment`, { tracking: 'T' });
    await costOf(orderLookup, stream);
    await post(`/orders/${orderId}/delivery`);
    await costOf(orderLookup, stream);
    const [item] = items;
    await post(`/orders/${orderId}/returns`, { items: [{ sku: item?.sku, quantity: 1 }], reason: 'Broken' });
    expect(await costOf(orderLookup, stream)).toBe(ROW + CHECKPOINT);
  });
});

describe('reads', () => {
  /** Rows read by the one statement of a query, as D1 counts them. */
  async function rowsRead(path: string, headers: Record<string, string> = {}): Promise<number> {
    let read = 0;
    const real = env.SERVING_DB;
    const statement = (inner: D1PreparedStatement): D1PreparedStatement =>
      new Proxy(inner, {
        get(target, property) {
          if (property === 'bind') return (...values: unknown[]) => statement(target.bind(...values));
          if (property !== 'all') return Reflect.get(target, property) as unknown;
          return async () => {
            const answer = await target.all();
            read += answer.meta.rows_read;
            return answer;
          };
        },
      });
    ports.database = () =>
      new Proxy(real, {
        get(target, property) {
          if (property !== 'withSession') return Reflect.get(target, property) as unknown;
          return (from: string) => {
            const session = target.withSession(from);
            return {
              prepare: (sql: string) => statement(session.prepare(sql)),
              getBookmark: () => session.getBookmark(),
            };
          };
        },
      });
    const answer = await get(path, headers);
    expect(answer.status).toBe(200);
    ports.database = () => real;
    return read;
  }

  const ORDERS = 10_000;

  /** Ten thousand orders of one customer. All but the last were only ever in the read model. */
  async function fill(): Promise<{ readonly customerId: string; readonly orderId: string }> {
    const { sku } = await createProduct();
    const customerId = crypto.randomUUID();
    const { orderId } = await placeOrder({ customerId, items: [{ sku, quantity: 1 }] });
    const rows = () =>
      env.SERVING_DB.prepare('SELECT count(*) AS n FROM order_lookup_2_a WHERE customer_id = ?').bind(customerId);
    await expect
      .poll(async () => {
        await deliver(takeHints());
        return rows().first('n');
      })
      .toBe(1);
    const columns = Object.keys(rowFor(orderLookup.tables('a').row, {})).filter((name) => name !== 'order_id');
    await env.SERVING_DB.prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ORDERS - 1})
      INSERT INTO order_lookup_2_a (order_id, ${columns.join(', ')})
      SELECT substr(order_id, 1, 24) || printf('%012d', i), ${columns.join(', ')}
      FROM n, order_lookup_2_a WHERE order_id = ?`,
    )
      .bind(orderId)
      .run();
    expect(await rows().first('n')).toBe(ORDERS);
    return { customerId, orderId };
  }

  it('of one order reads its row, its checkpoint and the pointer', async () => {
    const { orderId } = await fill();
    expect(await rowsRead(`/orders/${orderId}`)).toBeLessThanOrEqual(3);
  });

  it('of a page of n reads at most 2 (n + 1) + 3 rows of any number, by every filter', async () => {
    const { customerId } = await fill();
    for (const filter of [
      '',
      `&customerId=${customerId}`,
      '&status=placed',
      `&customerId=${customerId}&status=placed`,
    ]) {
      expect(await rowsRead(`/orders?limit=10${filter}`), filter).toBeLessThanOrEqual(2 * 11 + 3);
    }
    expect(await rowsRead('/products?limit=1')).toBeLessThanOrEqual(2 * 2 + 3);
    expect(await rowsRead('/products?limit=1&category=almanacs')).toBeLessThanOrEqual(2 * 2 + 3);
  });

  it('with a token that is satisfied costs one row more', async () => {
    const { orderId } = await fill();
    const { headers } = await get(`/orders/${orderId}`);
    const plain = await rowsRead(`/orders/${orderId}`);
    const causal = await rowsRead(`/orders/${orderId}`, { 'X-Causal-Token': headers.get('X-Causal-Token') ?? '' });
    expect(causal - plain).toBeLessThanOrEqual(1);
  });
});
