import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';

/** Products, for typed queries. Orders are read with joins and written with selects, for which drizzle's `sql` says it as it is. */
export const products = sqliteTable('product', {
  productId: text('product_id').primaryKey(),
  version: integer('version').notNull(),
  name: text('name').notNull(),
  sku: text('sku').notNull(),
  category: text('category').notNull(),
  priceAmount: integer('price_amount').notNull(),
  priceCurrency: text('price_currency').notNull(),
  createdAt: text('created_at').notNull(),
  updatedAt: text('updated_at').notNull(),
});
