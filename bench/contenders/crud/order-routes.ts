import { type SQL, sql } from 'drizzle-orm';
import type { Context } from 'hono';

import type { AppEnv } from '../../../src/tidemark/http/app-env.ts';
import { readBody } from '../../../src/tidemark/http/body.ts';
import { fromCursor, toPage } from '../../../src/tidemark/http/cursor.ts';
import { HEADER } from '../../../src/tidemark/http/headers.ts';
import { parseParams, parseQuery } from '../../../src/tidemark/http/params.ts';
import { Problem } from '../../../src/tidemark/http/problem.ts';
import { etagOf, expectedVersion, isNotModified } from '../../../src/tidemark/http/request-headers.ts';
import type { Operation, Route } from '../../../src/tidemark/http/route.ts';
import type { OrderStatus } from '../../../src/shop/orders/order.ts';
import type { Item } from '../../../src/shop/orders/order-row.ts';
import { orderRoutes } from '../../../src/shop/orders/routes.ts';
import { productIdOf } from '../../../src/shop/products/product.ts';
import { bodySchema, databaseOf, notFound, sameRoute, writePromises, written } from './crud-route.ts';
import { writeOnce } from './write-once.ts';

interface Placement {
  readonly customerId: string;
  readonly customerName: string;
  readonly customerSegment?: string;
  readonly region?: string;
  readonly items: readonly { readonly sku: string; readonly quantity: number }[];
}

/**
 * The order in one round trip: prices are read, checked and copied by the statement that inserts it. What is wrong is only looked into
 * when that inserted nothing.
 */
async function place(c: Context<AppEnv>, operation: Operation): Promise<Response> {
  const { value, bytes } = await readBody(c, bodySchema<Placement>(operation));
  const { customerId, customerName, customerSegment = null, region = null, items } = value;
  const wanted = JSON.stringify(items.map(({ sku, quantity }) => ({ productId: productIdOf(sku), quantity })));
  const orderId = c.var.runtime.clock.newId();
  const now = new Date(c.var.runtime.clock.now()).toISOString();
  const database = databaseOf(c);
  const insert = sql`
    INSERT INTO customer_order
      (order_id, version, customer_id, customer_name, customer_segment, region, status, currency, total, item_count, placed_at, updated_at)
    SELECT ${orderId}, 1, ${customerId}, ${customerName}, ${customerSegment}, ${region}, 'placed', min(product.price_currency),
      sum(product.price_amount * (item.value ->> 'quantity')), sum(item.value ->> 'quantity'), ${now}, ${now}
    FROM json_each(${wanted}) AS item
    JOIN product ON product.product_id = item.value ->> 'productId'
    HAVING count(DISTINCT product.product_id) = ${items.length} AND count(DISTINCT product.price_currency) = 1
    RETURNING version`;
  const insertLines = sql`
    INSERT INTO order_line (order_id, line, product_id, quantity, unit_amount, returned)
    SELECT ${orderId}, item.key, product.product_id, item.value ->> 'quantity', product.price_amount, 0
    FROM json_each(${wanted}) AS item
    JOIN product ON product.product_id = item.value ->> 'productId'
    WHERE EXISTS (SELECT 1 FROM customer_order WHERE order_id = ${orderId})`;
  const promises = await writePromises(c, bytes);
  const entity = { id: orderId, idName: 'orderId', action: 'order-placed', data: value, version: sql`1` };
  const outcome = await writeOnce(database, insert, promises, entity, { after: [insertLines] });
  if (outcome.replayed) return c.json(outcome.replayed, 201);
  if (outcome.version === undefined) throw await whyNotPlaced(c, items);
  return written(c, 'orderId', orderId, outcome.version, `/orders/${orderId}`);
}

async function whyNotPlaced(c: Context<AppEnv>, items: Placement['items']): Promise<Problem> {
  const skus = items.map(({ sku }) => sku);
  if (new Set(skus).size < skus.length) return new Problem('duplicate-sku', 'Name each SKU once.');
  const known = await databaseOf(c).all<{ sku: string }>(
    sql`SELECT sku FROM product WHERE product_id IN (SELECT value FROM json_each(${JSON.stringify(skus.map(productIdOf))}))`,
  );
  const unknown = skus.filter((sku) => !known.some((row) => row.sku === sku));
  return unknown.length > 0
    ? new Problem('unknown-sku', `No product has the SKU ${unknown.join(', ')}.`, { skus: unknown })
    : new Problem('mixed-currencies', 'An order has one currency.');
}

async function ship(c: Context<AppEnv>, operation: Operation): Promise<Response> {
  const { orderId } = parseParams(c, operation.params) as { orderId: string };
  const expected = expectedVersion(c);
  const { value, bytes } = await readBody(c, bodySchema<{ tracking: string; carrier?: string }>(operation));
  const { tracking, carrier = null } = value;
  const now = new Date(c.var.runtime.clock.now()).toISOString();
  const database = databaseOf(c);
  const update = sql`
    UPDATE customer_order
    SET status = 'shipped', tracking = ${tracking}, carrier = ${carrier}, updated_at = ${now}, version = version + 1
    WHERE order_id = ${orderId} AND status = 'placed' ${expected === undefined ? sql`` : sql`AND version = ${expected}`}
    RETURNING version`;
  const promises = await writePromises(c, bytes);
  const version = sql`(SELECT version FROM customer_order WHERE order_id = ${orderId})`;
  const outcome = await writeOnce(database, update, promises, {
    id: orderId,
    idName: 'orderId',
    action: 'order-shipped',
    data: value,
    version,
  });
  if (outcome.replayed) return c.json(outcome.replayed, 200);
  if (outcome.version !== undefined) return written(c, 'orderId', orderId, outcome.version);
  const [current] = await database.all<{ version: number; status: string }>(
    sql`SELECT version, status FROM customer_order WHERE order_id = ${orderId}`,
  );
  if (!current) throw notFound('order');
  if (expected !== undefined && current.version !== expected)
    throw new Problem('version-mismatch', `The current version is ${current.version}.`, {
      currentVersion: current.version,
    });
  throw new Problem('wrong-state', `The order is ${current.status}.`, { currentStatus: current.status });
}

/** An order with its lines joined. */
export interface OrderRow {
  readonly orderId: string;
  readonly customerName: string;
  readonly currency: string;
  readonly total: number;
  readonly items: string;
  readonly tracking: string | null;
  readonly placedAt: string;
  readonly version: number;
}

interface JoinedLine extends Omit<Item, 'unitPrice'> {
  readonly unitAmount: number;
}

/** The order as it is shown: one statement, its lines joined with their products. */
export function selectOrders(where: SQL): SQL {
  return sql`
    SELECT o.order_id AS orderId, o.version, o.customer_id AS customerId, o.customer_name AS customerName,
      o.customer_segment AS customerSegment, o.region, o.status, o.currency, o.total, o.item_count AS itemCount,
      (SELECT json_group_array(json_object('sku', p.sku, 'name', p.name, 'category', p.category, 'quantity', l.quantity,
          'unitAmount', l.unit_amount, 'returned', l.returned) ORDER BY l.line)
        FROM order_line AS l JOIN product AS p ON p.product_id = l.product_id WHERE l.order_id = o.order_id) AS items,
      o.tracking, o.carrier, o.placed_at AS placedAt, o.updated_at AS updatedAt
    FROM customer_order AS o ${where}`;
}

/** As it is answered. */
export function toView({ items, total, currency, ...row }: OrderRow) {
  const lines = (JSON.parse(items) as JoinedLine[]).map(({ unitAmount, ...line }) => ({
    ...line,
    unitPrice: { amount: unitAmount, currency },
  }));
  return { ...row, currency, total: { amount: total, currency }, items: lines };
}

async function read(c: Context<AppEnv>, operation: Operation): Promise<Response> {
  const { orderId } = parseParams(c, operation.params) as { orderId: string };
  const [row] = await databaseOf(c).all<OrderRow>(selectOrders(sql`WHERE o.order_id = ${orderId}`));
  if (!row) throw notFound('order');
  c.header(HEADER.etag, etagOf(row.version));
  c.header(HEADER.version, String(row.version));
  return isNotModified(c, row.version) ? c.body(null, 304) : c.json(toView(row));
}

async function list(c: Context<AppEnv>, operation: Operation): Promise<Response> {
  if (!operation.query) throw new Error('the list has no query');
  const { customerId, status, limit, cursor } = parseQuery(c, operation.query) as {
    customerId?: string;
    status?: OrderStatus;
    limit: number;
    cursor?: string;
  };
  const after = fromCursor('listOrders', cursor);
  const rows = await databaseOf(c).all<OrderRow>(selectOrders(whereOrders({ customerId, status }, after, limit + 1)));
  return c.json(toPage('listOrders', rows, limit, toView, (row) => [row.placedAt, row.orderId]));
}

/** The filter, the order and the end of a list. */
export function whereOrders(
  { customerId, status }: { readonly customerId?: string | undefined; readonly status?: string | undefined },
  after: readonly [string, string] | undefined,
  take: number,
): SQL {
  const conditions = [
    ...(customerId === undefined ? [] : [sql`o.customer_id = ${customerId}`]),
    ...(status === undefined ? [] : [sql`o.status = ${status}`]),
    ...(after ? [sql`(o.placed_at, o.order_id) < (${after[0]}, ${after[1]})`] : []),
  ];
  const where = conditions.length === 0 ? sql`` : sql`WHERE ${sql.join(conditions, sql` AND `)}`;
  return sql`${where} ORDER BY o.placed_at DESC, o.order_id DESC LIMIT ${take}`;
}

export const crudOrders: readonly Route[] = [
  sameRoute(orderRoutes, 'placeOrder', place),
  sameRoute(orderRoutes, 'shipOrder', ship),
  sameRoute(orderRoutes, 'getOrder', read),
  sameRoute(orderRoutes, 'listOrders', list),
];
