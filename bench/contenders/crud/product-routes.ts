import { actorText } from '../../../src/tidemark/domain/principal.ts';
import { and, asc, eq, sql } from 'drizzle-orm';
import type { Context } from 'hono';

import type { AppEnv } from '../../../src/tidemark/http/app-env.ts';
import { readBody } from '../../../src/tidemark/http/body.ts';
import { HEADER } from '../../../src/tidemark/http/headers.ts';
import { parseParams, parseQuery } from '../../../src/tidemark/http/params.ts';
import { Problem } from '../../../src/tidemark/http/problem.ts';
import { etagOf, expectedVersion, isNotModified } from '../../../src/tidemark/http/request-headers.ts';
import type { Operation, Route } from '../../../src/tidemark/http/route.ts';
import { fromCursor, toPage } from '../../../src/tidemark/http/cursor.ts';
import type { Money } from '../../../src/shop/money.ts';
import { productIdOf } from '../../../src/shop/products/product.ts';
import { productRoutes } from '../../../src/shop/products/routes.ts';
import { bodySchema, databaseOf, notFound, sameRoute, writePromises, written } from './crud-route.ts';
import { products } from './tables.ts';
import { writeOnce } from './write-once.ts';

type Row = typeof products.$inferSelect;

function view({ priceAmount, priceCurrency, ...row }: Row): object {
  return { ...row, price: { amount: priceAmount, currency: priceCurrency } };
}

async function create(c: Context<AppEnv>, operation: Operation): Promise<Response> {
  const schema = bodySchema<{ sku: string; name: string; category: string; price: Money }>(operation);
  const { value, bytes } = await readBody(c, schema);
  const { sku, name, category, price } = value;
  if (price.amount <= 0) throw new Problem('price-not-positive', 'Price must be positive');
  const productId = productIdOf(sku);
  const now = new Date(c.var.runtime.clock.now()).toISOString();
  const database = databaseOf(c);
  const row = {
    productId,
    version: 1,
    name,
    sku,
    category,
    priceAmount: price.amount,
    priceCurrency: price.currency,
    createdAt: now,
    updatedAt: now,
  };
  const insert = database.insert(products).values(row).onConflictDoNothing().returning({ version: products.version });
  const promises = await writePromises(c, bytes);
  const firstPrice = sql`
    INSERT INTO product_price (product_id, version, to_amount, to_currency, actor, changed_at)
    SELECT ${productId}, 1, ${price.amount}, ${price.currency}, ${actorText(c.var.caller)}, ${now} WHERE changes() = 1`;
  const entity = { id: productId, idName: 'productId', action: 'product-created', data: value, version: sql`1` };
  const outcome = await writeOnce(database, insert, promises, entity, { after: [firstPrice] });
  if (outcome.replayed) return c.json(outcome.replayed, 201);
  if (outcome.version === undefined)
    throw new Problem('sku-taken', `The SKU ${sku} belongs to another product.`, { sku });
  return written(c, 'productId', productId, outcome.version, `/products/${productId}`);
}

async function changePrice(c: Context<AppEnv>, operation: Operation): Promise<Response> {
  const { productId } = parseParams(c, operation.params) as { productId: string };
  const expected = expectedVersion(c);
  const { value, bytes } = await readBody(c, bodySchema<{ price: Money; reason: string }>(operation));
  const { price, reason } = value;
  if (price.amount <= 0) throw new Problem('price-not-positive', 'Price must be positive');
  const now = new Date(c.var.runtime.clock.now()).toISOString();
  const database = databaseOf(c);
  const update = database
    .update(products)
    .set({
      priceAmount: price.amount,
      priceCurrency: price.currency,
      updatedAt: now,
      version: sql`${products.version} + 1`,
    })
    .where(and(eq(products.productId, productId), expected === undefined ? undefined : eq(products.version, expected)))
    .returning({ version: products.version });
  const promises = await writePromises(c, bytes);
  // Before the row changes, since it has the price that this one follows.
  const newPrice = sql`
    INSERT INTO product_price
      (product_id, version, from_amount, from_currency, to_amount, to_currency, reason, actor, changed_at)
    SELECT product_id, version + 1, price_amount, price_currency, ${price.amount}, ${price.currency}, ${reason}, ${actorText(c.var.caller)}, ${now}
    FROM product
    WHERE product_id = ${productId} ${expected === undefined ? sql`` : sql`AND version = ${expected}`}`;
  const version = sql`(SELECT version FROM product WHERE product_id = ${productId})`;
  const entity = { id: productId, idName: 'productId', action: 'price-updated', data: value, version };
  const outcome = await writeOnce(database, update, promises, entity, { before: [newPrice] });
  if (outcome.replayed) return c.json(outcome.replayed, 200);
  if (outcome.version !== undefined) return written(c, 'productId', productId, outcome.version);
  const [current] = await database
    .select({ version: products.version })
    .from(products)
    .where(eq(products.productId, productId));
  if (!current) throw notFound('product');
  throw new Problem('version-mismatch', `The current version is ${current.version}.`, {
    currentVersion: current.version,
  });
}

async function read(c: Context<AppEnv>, operation: Operation): Promise<Response> {
  const { productId } = parseParams(c, operation.params) as { productId: string };
  const [row] = await databaseOf(c).select().from(products).where(eq(products.productId, productId));
  if (!row) throw notFound('product');
  c.header(HEADER.etag, etagOf(row.version));
  c.header(HEADER.version, String(row.version));
  return isNotModified(c, row.version) ? c.body(null, 304) : c.json(view(row));
}

interface PriceRow {
  readonly version: number;
  readonly fromAmount: number | null;
  readonly fromCurrency: string | null;
  readonly toAmount: number;
  readonly toCurrency: string;
}

async function prices(c: Context<AppEnv>, operation: Operation): Promise<Response> {
  const { productId } = parseParams(c, operation.params) as { productId: string };
  if (!operation.query) throw new Error('the list has no query');
  const { limit, cursor } = parseQuery(c, operation.query) as { limit: number; cursor?: string };
  const after = Number(fromCursor(`prices:${productId}`, cursor)?.[1] ?? 0);
  const rows = await databaseOf(c).all<PriceRow>(sql`
    SELECT version, from_amount AS fromAmount, from_currency AS fromCurrency, to_amount AS toAmount, to_currency AS toCurrency,
      reason, actor, changed_at AS changedAt
    FROM product_price WHERE product_id = ${productId} AND version > ${after} ORDER BY version LIMIT ${limit + 1}`);
  const priceView = ({ fromAmount, fromCurrency, toAmount, toCurrency, ...row }: PriceRow) => ({
    ...row,
    from: fromAmount === null ? null : { amount: fromAmount, currency: fromCurrency },
    to: { amount: toAmount, currency: toCurrency },
  });
  return c.json(toPage(`prices:${productId}`, rows, limit, priceView, (row) => ['', String(row.version)]));
}

async function list(c: Context<AppEnv>, operation: Operation): Promise<Response> {
  if (!operation.query) throw new Error('the list has no query');
  const { category, sku, limit, cursor } = parseQuery(c, operation.query) as {
    category?: string;
    sku?: string;
    limit: number;
    cursor?: string;
  };
  const after = fromCursor('listProducts', cursor);
  const rows = await databaseOf(c)
    .select()
    .from(products)
    .where(
      and(
        sku === undefined ? undefined : eq(products.productId, productIdOf(sku)),
        category === undefined ? undefined : eq(products.category, category),
        after && sql`(${products.createdAt}, ${products.productId}) > (${after[0]}, ${after[1]})`,
      ),
    )
    .orderBy(asc(products.createdAt), asc(products.productId))
    .limit(limit + 1);
  return c.json(toPage('listProducts', rows, limit, view, (row) => [row.createdAt, row.productId]));
}

export const crudProducts: readonly Route[] = [
  sameRoute(productRoutes, 'createProduct', create),
  sameRoute(productRoutes, 'updatePrice', changePrice),
  sameRoute(productRoutes, 'getProduct', read),
  sameRoute(productRoutes, 'listProducts', list),
  sameRoute(productRoutes, 'listPrices', prices),
];
