import { and, asc, eq, sql } from 'drizzle-orm';
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';

import { queryBuilder } from '../eventsourcing/read/causal-read.ts';
import { projectionOf } from '../eventsourcing/read/projection.ts';
import { slotTables } from '../eventsourcing/read/slot-tables.ts';
import { serving } from '../groups.ts';
import { PRODUCT, type ProductEvent, productIdOf, productType } from './product.ts';

const products = slotTables((slot) =>
  sqliteTable(`product_catalog_${slot}`, {
    productId: text('product_id').primaryKey(),
    version: integer('version').notNull(),
    name: text('name').notNull(),
    sku: text('sku').notNull(),
    category: text('category').notNull(),
    priceAmount: integer('price_amount').notNull(),
    priceCurrency: text('price_currency').notNull(),
    createdAt: text('created_at').notNull(),
    updatedAt: text('updated_at').notNull(),
  }),
);

type ProductTable = typeof products.a;
export type ProductRow = ProductTable['$inferSelect'];

/** The shop window: every product with its current price, by id, SKU and category. */
export const productCatalog = projectionOf<ProductEvent>()({
  name: 'product-catalog',
  revision: 1,
  group: serving,
  follows: { [PRODUCT]: productType.events },
  row: { tables: products, key: 'productId' },
  handlers: {
    ProductCreated: {
      create: ({ data, recordedAt }) => ({
        name: data.name,
        sku: data.sku,
        category: data.category,
        priceAmount: data.price.amount,
        priceCurrency: data.price.currency,
        createdAt: recordedAt,
        updatedAt: recordedAt,
      }),
    },
    PriceUpdated: {
      change: (row, { data, recordedAt }) => ({
        ...row,
        priceAmount: data.to.amount,
        priceCurrency: data.to.currency,
        updatedAt: recordedAt,
      }),
    },
  },
});

export function productById(productId: string) {
  return (table: ProductTable) => queryBuilder.select().from(table).where(eq(table.productId, productId));
}

/** Where a page of products ends: the sort key of its last row. */
export type ProductPosition = readonly [createdAt: string, productId: string];

/** Products by time of creation, oldest first; `take` is the page and the one row that tells whether there is another. */
export function listProducts(
  filter: { category?: string | undefined; sku?: string | undefined },
  after: ProductPosition | undefined,
  take: number,
) {
  return (table: ProductTable) =>
    queryBuilder
      .select()
      .from(table)
      .where(
        and(
          // A SKU needs no index of its own: the id follows from it.
          filter.sku === undefined ? undefined : eq(table.productId, productIdOf(filter.sku)),
          filter.category === undefined ? undefined : eq(table.category, filter.category),
          after && sql`(${table.createdAt}, ${table.productId}) > (${after[0]}, ${after[1]})`,
        ),
      )
      .orderBy(asc(table.createdAt), asc(table.productId))
      .limit(take);
}
