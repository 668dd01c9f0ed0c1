import { getTableColumns, getTableName, sql } from 'drizzle-orm';
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';

import { projectionOf, queryBuilder, slotTables } from '#tidemark';

import { reporting } from '../../groups.ts';
import { order } from './order.ts';
import { orderColumns, orderRow } from './order-row.ts';
import { bestHits } from './search-hits.ts';
import { toIndexText1, toMatchExpression1 } from './search-text-1.ts';

const orders = slotTables((slot) =>
  sqliteTable(`order_search_${slot}`, {
    orderId: text('order_id').primaryKey(),
    version: integer('version').notNull(),
    ...orderColumns(),
    // The indexed texts, folded.
    customerTerms: text('customer_terms').notNull(),
    itemTerms: text('item_terms').notNull(),
    skuTerms: text('sku_terms').notNull(),
    trackingTerms: text('tracking_terms').notNull(),
  }),
);

type SearchTable = typeof orders.a;

/** Revision 1 of `orderSearch`. It serves until revision 2 is built and swapped in, and after a rollback. */
export const orderSearch1 = projectionOf(order)({
  name: 'order-search',
  revision: 1,
  group: reporting,
  row: { tables: orders, key: 'orderId', surrogate: 'search_id' },
  handlers: {
    OrderPlaced: {
      create: (event) => {
        const row = orderRow.placed(event);
        return {
          ...row,
          customerTerms: toIndexText1(row.customerName),
          itemTerms: toIndexText1(row.items.map(({ name }) => name).join('\n')),
          skuTerms: toIndexText1(row.items.map(({ sku }) => sku).join('\n')),
          trackingTerms: '',
        };
      },
    },
    OrderShipped: {
      change: (row, event) => ({ ...orderRow.shipped(row, event), trackingTerms: toIndexText1(event.data.tracking) }),
    },
    OrderDelivered: { change: (row, event) => orderRow.delivered(row, event) },
    OrderCancelled: { change: (row, event) => orderRow.cancelled(row, event) },
    ItemsReturned: { change: (row, event) => orderRow.returned(row, event) },
  },
});

/** The weight of a match, by column of the index: customer, items, SKUs, tracking. */
const WEIGHTS = '4.0, 1.0, 3.0, 3.0';

/** `searchOrders` for revision 1. Its newest orders are the rows that were written last. */
export function searchOrders1(typed: string, skip: number, take: number) {
  const expression = toMatchExpression1(typed);
  return ({ row: table }: { readonly row: SearchTable }) => {
    const {
      customerTerms: _customer,
      itemTerms: _item,
      skuTerms: _sku,
      trackingTerms: _tracking,
      ...shown
    } = getTableColumns(table);
    const name = getTableName(table);
    const documents = sql`SELECT search_id AS id, order_id, placed_at AS placed FROM ${sql.identifier(name)}`;
    const hits = bestHits({ table: name, expression, weights: WEIGHTS, documents, skip, take });
    return queryBuilder
      .select(shown)
      .from(table)
      .innerJoin(hits, sql`hit.order_id = ${table.orderId}`)
      .orderBy(sql`hit.score`, sql`hit.placed DESC`, sql`hit.order_id`)
      .limit(take);
  };
}
