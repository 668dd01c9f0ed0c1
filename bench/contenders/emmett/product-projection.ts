import { sqliteProjection } from '@event-driven-io/emmett-sqlite';

import type { StoredProductEvent } from './product-store.ts';

/** The shop window's row of each product, moved in the transaction that appends. Emmett tells no version there, so it is counted. */
export const productCatalog = sqliteProjection<StoredProductEvent>({
  name: 'product-catalog',
  canHandle: ['ProductCreated', 'PriceUpdated'],
  init: async ({ context: { connection } }) => {
    await connection.command(`
      CREATE TABLE IF NOT EXISTS product (
        product_id TEXT PRIMARY KEY,
        version INTEGER NOT NULL,
        name TEXT NOT NULL,
        sku TEXT NOT NULL,
        category TEXT NOT NULL,
        price_amount INTEGER NOT NULL,
        price_currency TEXT NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
      ) WITHOUT ROWID`);
  },
  handle: async (events, { connection }) => {
    for (const event of events) {
      const { streamName, recordedAt } = event.metadata;
      const productId = streamName.slice(streamName.indexOf('-') + 1);
      switch (event.type) {
        case 'ProductCreated': {
          const { name, sku, category, price } = event.data;
          await connection.command(
            `INSERT INTO product
              (product_id, version, name, sku, category, price_amount, price_currency, created_at, updated_at)
            VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?)`,
            [productId, name, sku, category, price.amount, price.currency, recordedAt, recordedAt],
          );
          break;
        }
        case 'PriceUpdated': {
          const { to } = event.data;
          await connection.command(
            `UPDATE product
            SET price_amount = ?, price_currency = ?, updated_at = ?, version = version + 1
            WHERE product_id = ?`,
            [to.amount, to.currency, recordedAt, productId],
          );
          break;
        }
        default:
          event satisfies never;
      }
    }
  },
});
