import { asc, eq, gt, and } from 'drizzle-orm';
import { integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import * as z from 'zod/mini';

import {
  type Given,
  type RecordedEvent,
  Time,
  actorText,
  idOf,
  normalText,
  preparedQuery,
  queryBuilder,
  readModel,
  slotTables,
} from '#tidemark';

import { serving } from '../../groups.ts';
import type { Money } from '../money.ts';
import { MoneySchema } from '../schemas.ts';
import { product } from './product.ts';

/** Both revisions add to these tables, since a slot belongs to one revision at a time. */
export const prices = slotTables((slot) =>
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
  revision: 2,
  group: serving,
  view: {
    name: z.string(),
    sku: z.string(),
    category: z.string(),
    price: MoneySchema,
    createdAt: Time,
    updatedAt: Time,
  },
  appends: { prices },
  on: {
    ProductCreated: {
      create: ({ data: { sku, name, category, price }, recordedAt }) => ({
        name,
        sku,
        // Old events hold texts as they were typed, not in their normal form.
        category: normalText(category),
        price,
        createdAt: recordedAt,
        updatedAt: recordedAt,
      }),
      append: (event) => ({ prices: [priceOf(event, undefined, event.data.price, null)] }),
    },
    PriceUpdated: {
      change: (shown, { data, recordedAt }) => ({ ...shown, price: data.to, updatedAt: recordedAt }),
      append: (event) => ({ prices: [priceOf(event, event.data.from, event.data.to, event.data.reason)] }),
    },
  },
  // A SKU needs no column: the product's id follows from it.
  lists: { oldestFirst: { filter: ['category', 'productId'], sort: ['createdAt'] } },
  // Revision 1 had a column for each member.
  acceptsDifferences: true,
});

export function priceOf(
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
    actor: actorText(metadata.actor),
    changedAt: recordedAt,
  };
}

/** Queries the prices of a product after a version, oldest first. */
export const pricesOf = preparedQuery(
  (
    { prices: table }: { readonly prices: PriceTable },
    { productId, afterVersion, take }: Given<{ productId: string; afterVersion: number; take: number }>,
  ) =>
    queryBuilder
      .select()
      .from(table)
      .where(and(eq(table.productId, productId), gt(table.version, afterVersion)))
      .orderBy(asc(table.version))
      .limit(take),
);
