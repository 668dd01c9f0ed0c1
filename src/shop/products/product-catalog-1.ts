import { integer, text } from 'drizzle-orm/sqlite-core';

import { type RowOf, normalText, readModelOfColumns } from '#tidemark';

import { serving } from '../../groups.ts';
import { product } from './product.ts';
import { priceOf, prices, productCatalog } from './product-catalog.ts';

/** Revision 1 of `productCatalog`. It serves until revision 2 is built and swapped in, and after a rollback. */
export const productCatalog1 = readModelOfColumns(product, {
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
  lists: { oldestFirst: { filter: ['category', 'productId'], sort: ['createdAt'] } },
});

/** The text of a product, from a row of revision 1. */
export function fromRow1({ priceAmount, priceCurrency, ...row }: RowOf<typeof productCatalog1>) {
  return productCatalog.prepared({ ...row, price: { amount: priceAmount, currency: priceCurrency } });
}
