import { and, asc, eq, gt, sql } from 'drizzle-orm';
import { integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core';

import {
  type Given,
  type RecordedEvent,
  type RowOf,
  idOf,
  normalText,
  preparedQuery,
  queryBuilder,
  readModel,
  slotTables,
} from '#tidemark';

import { serving } from '../../groups.ts';
import type { Money } from '../money.ts';
import { product, productIdOf } from './product.ts';

const prices = slotTables((slot) =>
  sqliteTable(
    `product_prices_${slot}`,
    {
      productId: text('product_id').notNull(),
      version: integer('version').notNull(),
      /** Null at the creation of the product. */
      fromAmount: integer('from_amount'),
      fromCurrency: text('from_currency'),
      toAmount: integer('to_amount').notNull(),
      toCurrency: text('to_currency').notNull(),
      reason: text('reason'),
      actor: text('actor').notNull(),
      changedAt: text('changed_at').notNull(),
    },
    (table) => [primaryKey({ columns: [table.productId, table.version] })],
  ),
);

type PriceTable = typeof prices.a;
export type PriceRow = PriceTable['$inferSelect'];

/** The shop window: every product with its current price and all its prices, by id, SKU and category. */
export const productCatalog = readModel(product, {
  name: 'product-catalog',
  revision: 1,
  group: serving,
  columns: {
    name: text('name').notNull(),
    sku: text('sku').notNull(),
    category: text('category').notNull(),
    priceAmount: integer('price_amount').notNull(),
    priceCurrency: text('price_currency').notNull(),
    createdAt: text('created_at').notNull(),
    updatedAt: text('updated_at').notNull(),
  },
  appends: { prices },
  on: {
    ProductCreated: {
      create: ({ data, recordedAt }) => ({
        name: data.name,
        sku: data.sku,
        // Old events hold texts as they were typed, not in their normal form.
        category: normalText(data.category),
        priceAmount: data.price.amount,
        priceCurrency: data.price.currency,
        createdAt: recordedAt,
        updatedAt: recordedAt,
      }),
      append: (event) => ({ prices: [priceOf(event, undefined, event.data.price, null)] }),
    },
    PriceUpdated: {
      change: (row, { data, recordedAt }) => ({
        ...row,
        priceAmount: data.to.amount,
        priceCurrency: data.to.currency,
        updatedAt: recordedAt,
      }),
      append: (event) => ({ prices: [priceOf(event, event.data.from, event.data.to, event.data.reason)] }),
    },
  },
});

export type ProductRow = RowOf<typeof productCatalog>;

function priceOf(
  { stream, version, metadata, recordedAt }: RecordedEvent,
  from: Money | undefined,
  to: Money,
  reason: string | null,
): PriceTable['$inferInsert'] {
  return {
    productId: idOf(stream),
    version,
    fromAmount: from?.amount ?? null,
    fromCurrency: from?.currency ?? null,
    toAmount: to.amount,
    toCurrency: to.currency,
    reason,
    actor: metadata.actor,
    changedAt: recordedAt,
  };
}

type CatalogTables = ReturnType<typeof productCatalog.tables>;

/** The sort key of the last product of a page. */
export type ProductPosition = readonly [createdAt: string, productId: string];

/** Queries products by time of creation, oldest first. `take` is a page and one row more, which tells whether another page follows. */
export function listProducts(
  filter: { category?: string | undefined; sku?: string | undefined },
  after: ProductPosition | undefined,
  take: number,
) {
  const { category, sku } = filter;
  return pageOfProducts({
    // A SKU needs no index: the product's id follows from it.
    productId: sku === undefined ? undefined : productIdOf(sku),
    category,
    afterTime: after?.[0],
    afterId: after?.[1],
    take,
  });
}

const pageOfProducts = preparedQuery(
  (
    { row: table }: CatalogTables,
    {
      productId,
      category,
      afterTime,
      afterId,
      take,
    }: Given<{
      productId: string | undefined;
      category: string | undefined;
      afterTime: string | undefined;
      afterId: string | undefined;
      take: number;
    }>,
  ) =>
    queryBuilder
      .select()
      .from(table)
      .where(
        and(
          productId && eq(table.productId, productId),
          category && eq(table.category, category),
          afterTime && sql`(${table.createdAt}, ${table.productId}) > (${afterTime}, ${afterId})`,
        ),
      )
      .orderBy(asc(table.createdAt), asc(table.productId))
      .limit(take),
);

/** Queries the prices of a product after a version, oldest first. */
export const pricesOf = preparedQuery(
  (
    { prices: table }: CatalogTables,
    { productId, afterVersion, take }: Given<{ productId: string; afterVersion: number; take: number }>,
  ) =>
    queryBuilder
      .select()
      .from(table)
      .where(and(eq(table.productId, productId), gt(table.version, afterVersion)))
      .orderBy(asc(table.version))
      .limit(take),
);
