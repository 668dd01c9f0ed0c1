import type { StoredEvent } from '../../src/tidemark/domain/event.ts';
import type { Hint, HintMessage } from '../../src/tidemark/write/message.ts';
import { product as aggregate } from '../../src/shop/products/product.ts';
import type { Statement } from '../harness/server-protocol.ts';
import { idOf } from './season.ts';

/*
 * Products that exist in messages alone: created in the first round, and changed in price in every later one.
 */

const AT = '2026-11-01T09:00:00.000Z';

function eventOf(product: number, version: number): StoredEvent {
  const stream = aggregate.streamOf(idOf(product, 'd'));
  const price = (amount: number) => ({ amount: 1_000 + amount, currency: 'EUR' });
  const id = idOf(product * 10_000 + version, 'e');
  const base = { id, stream, version, schemaVersion: 1, recordedAt: AT };
  const metadata = { commandId: id, correlationId: id, causationId: id, actor: 'anonymous' };
  if (version > 1)
    return {
      ...base,
      metadata,
      type: 'PriceUpdated',
      data: { from: price(version - 1), to: price(version), reason: 'Sale' },
    };
  const data = { sku: `DRAIN-${product}`, name: `Tide table ${product}`, category: 'almanacs', price: price(1) };
  return { ...base, metadata, type: 'ProductCreated', data };
}

/** A message for one event of one product, as its object sends it. */
export function messageOf(product: number, version: number): HintMessage {
  const event = eventOf(product, version);
  const previousId = version === 1 ? null : eventOf(product, version - 1).id;
  const hint: Hint = { stream: event.stream, fromVersion: version, toVersion: version, previousId, events: [event] };
  return { sender: 'relay', hints: [hint] };
}

/** The statements that put what the product catalog makes of it into the same tables, row by row. */
export function rowsOf(product: number, version: number): readonly Statement[] {
  const { stream, id } = eventOf(product, version);
  const productId = idOf(product, 'd');
  return [
    {
      sql: `INSERT OR REPLACE INTO product_catalog_2_a (product_id, version, category, created_at, resource) VALUES (?, ?, ?, ?, ?)`,
      params: [
        productId,
        version,
        'almanacs',
        AT,
        JSON.stringify({
          productId,
          name: `Tide table ${product}`,
          sku: `DRAIN-${product}`,
          category: 'almanacs',
          price: { amount: 1_000 + version, currency: 'EUR' },
          createdAt: AT,
          updatedAt: AT,
          version,
        }),
      ],
    },
    {
      sql: `INSERT INTO product_prices_a
        (product_id, version, from_amount, from_currency, to_amount, to_currency, reason, actor, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      params: [
        productId,
        version,
        version === 1 ? null : 999 + version,
        'EUR',
        1_000 + version,
        'EUR',
        'Sale',
        'anonymous',
        AT,
      ],
    },
    {
      sql: `INSERT OR REPLACE INTO checkpoint (projection, slot, stream, version, event_id) VALUES ('product-catalog', 'a', ?, ?, ?)`,
      params: [stream, version, id],
    },
  ];
}
