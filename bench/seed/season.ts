import type { StoredEvent } from '../../src/tidemark/domain/event.ts';
import { type OrderLine, order } from '../../src/shop/orders/order.ts';
import { productIdOf } from '../../src/shop/products/product.ts';
import { seededRandom } from '../load/choice.ts';

/*
 * Products and orders of a shop as their events, the same in every run.
 */

export interface SeededProduct {
  readonly productId: string;
  readonly sku: string;
  readonly name: string;
  readonly category: string;
  readonly amount: number;
}

export const PRODUCTS: readonly SeededProduct[] = Array.from({ length: 100 }, (_, index) => {
  const sku = `BENCH-${String(index).padStart(3, '0')}`;
  return {
    productId: productIdOf(sku),
    sku,
    name: `Tide table ${index}`,
    category: `category-${index % 8}`,
    amount: 1_000 + index,
  };
});

const DAYS = 90;
const DAY_MS = 24 * 60 * 60 * 1000;
const FIRST_DAY = Date.parse('2026-08-01T00:00:00.000Z');
const REGIONS = ['EU', 'UK', 'US', 'APAC'];
const SEGMENTS = ['retail', 'trade', 'club'];

/** Orders of 1 to 5 lines over ninety days, by as many customers as a tenth of them. */
export function* placedOrders(count: number): Generator<StoredEvent> {
  const random = seededRandom(20_261_101);
  const below = (bound: number) => Math.floor(random() * bound);
  for (let index = 0; index < count; index += 1) {
    const orderId = idOf(index);
    const first = below(PRODUCTS.length);
    const lines = Array.from({ length: 1 + below(5) }, (_, line): OrderLine => {
      const { amount, ...product } = PRODUCTS[(first + line * 7) % PRODUCTS.length] as SeededProduct;
      return { ...product, productVersion: 1, quantity: 1 + below(3), unitPrice: { amount, currency: 'EUR' } };
    });
    const customer = below(Math.max(1, Math.floor(count / 10)));
    yield {
      id: idOf(index, 'e'),
      stream: order.streamOf(orderId),
      version: 1,
      type: 'OrderPlaced',
      schemaVersion: 1,
      data: {
        customerId: `c-${customer}`,
        customerName: `Ada Lovelace ${customer}`,
        customerSegment: SEGMENTS[below(SEGMENTS.length)] ?? null,
        region: REGIONS[below(REGIONS.length)] ?? null,
        lines: lines.map((line) => ({ ...line, unitPrice: { ...line.unitPrice } })),
        total: {
          amount: lines.reduce((sum, { unitPrice, quantity }) => sum + unitPrice.amount * quantity, 0),
          currency: 'EUR',
        },
        itemCount: lines.reduce((sum, { quantity }) => sum + quantity, 0),
      },
      metadata: {
        commandId: idOf(index, 'c'),
        correlationId: idOf(index, 'c'),
        causationId: idOf(index, 'c'),
        actor: 'anonymous',
      },
      recordedAt: new Date(FIRST_DAY + Math.floor((index / count) * DAYS * DAY_MS)).toISOString(),
    };
  }
}

/** Ids in order of time, as the system's own are. */
export function idOf(index: number, kind = '0'): string {
  return `0198c5a0-${kind.padStart(4, '0')}-7c3a-9d52-${index.toString(16).padStart(12, '0')}`;
}
