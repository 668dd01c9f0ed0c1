import { getTableColumns, getTableName, sql } from 'drizzle-orm';
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';

import { projectionOf, queryBuilder, slotTables } from '#tidemark';

import { reporting } from '../../groups.ts';
import { order } from './order.ts';
import { orderColumns, orderRow } from './order-row.ts';
import { bestHits } from './search-hits.ts';
import { type Term, toIndexText, toMatchExpression } from './search-text.ts';

const orders = slotTables((slot) =>
  sqliteTable(`order_search_2_${slot}`, {
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

/** The support desk's full text search over customer name, item names, SKUs and tracking. Each hit is an order in its current state. */
export const orderSearch = projectionOf(order)({
  name: 'order-search',
  revision: 2,
  group: reporting,
  row: { tables: orders, key: 'orderId' },
  handlers: {
    OrderPlaced: {
      create: (event) => {
        const row = orderRow.placed(event);
        return {
          ...row,
          customerTerms: toIndexText([row.customerName]),
          itemTerms: toIndexText(row.items.map(({ name }) => name)),
          skuTerms: toIndexText(row.items.map(({ sku }) => sku)),
          trackingTerms: '',
        };
      },
    },
    OrderShipped: {
      change: (row, event) => ({ ...orderRow.shipped(row, event), trackingTerms: toIndexText([event.data.tracking]) }),
    },
    OrderDelivered: { change: (row, event) => orderRow.delivered(row, event) },
    OrderCancelled: { change: (row, event) => orderRow.cancelled(row, event) },
    ItemsReturned: { change: (row, event) => orderRow.returned(row, event) },
  },
  // Revision 1 folded texts by other rules.
  acceptsDifferences: true,
});

/** The weight of a match, by column of the index: customer, items, SKUs, tracking. */
const WEIGHTS = '4.0, 1.0, 3.0, 3.0';

/**
 * Queries the newest 1,000 matching orders, best first (bm25). `skip` is the number of orders on the previous pages. Returns undefined when there is
 * no term.
 *
 * Document numbers rise with the time of placement, so the query finds the newest orders without reading any order. Within a millisecond, the numbers
 * differ between slots. So equal scores are sorted by columns of the orders, and pages stay consistent after a swap.
 */
export function searchOrders(terms: readonly Term[], skip: number, take: number) {
  const expression = toMatchExpression(terms);
  if (expression === undefined) return undefined;
  return ({ row: table }: { readonly row: SearchTable }) => {
    const {
      customerTerms: _customer,
      itemTerms: _item,
      skuTerms: _sku,
      trackingTerms: _tracking,
      ...shown
    } = getTableColumns(table);
    const name = getTableName(table);
    const documents = sql`SELECT document_id AS id, order_id, document_id >> 20 AS placed FROM ${sql.identifier(`${name}_document`)}`;
    const hits = bestHits({ table: name, expression, weights: WEIGHTS, documents, skip, take });
    return queryBuilder
      .select(shown)
      .from(table)
      .innerJoin(hits, sql`hit.order_id = ${table.orderId}`)
      .orderBy(sql`hit.score`, sql`hit.placed DESC`, sql`hit.order_id`)
      .limit(take);
  };
}
