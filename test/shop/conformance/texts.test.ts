import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { RecordedEvent } from '../../../src/tidemark/domain/event.ts';
import { inMemoryReadModel } from '../../../src/tidemark/testing/in-memory-read-model.ts';
import { orderAnalytics } from '../../../src/shop/orders/order-analytics.ts';
import { orderLookup } from '../../../src/shop/orders/order-lookup.ts';
import { type Headers, get, json, post, withToken } from '../../support/api.ts';
import { createProduct, newSku, placeOrder } from '../api.ts';
import { allPages } from '../../support/pages.ts';

const SAO_PAULO = ['São Paulo', 'Sa\u0303o Paulo', 'São\u00A0Paulo', '\u3000São  Paulo '];

describe('four spellings of one text', () => {
  it('are one region, one segment and one customer, in answers, filters and groups', async () => {
    const { sku, answer } = await createProduct();
    let token = withToken(answer);
    const customer = `ção ${newSku()}`;
    for (const [index, region] of SAO_PAULO.entries()) {
      const customerId = customer.normalize(index % 2 === 0 ? 'NFD' : 'NFC').replace(' ', '\u2003');
      const order = await placeOrder(
        { customerId, region, customerSegment: region, items: [{ sku, quantity: 1 }] },
        token,
      );
      token = withToken(order.answer);
    }
    const { items } = await json(get(`/orders?customerId=${encodeURIComponent(customer.normalize('NFD'))}`, token));
    expect(items).toHaveLength(4);
    expect(new Set(items.map(({ region }: { region: string }) => region))).toEqual(new Set(['São Paulo']));
    for (const groupBy of ['region', 'segment']) {
      const { groups } = await json(get(`/analytics/orders?groupBy=${groupBy}`, token));
      const its = groups.filter(({ key }: { key: string | null }) => key?.includes('Paulo'));
      expect(its).toMatchObject([{ key: 'São Paulo', orders: 4 }]);
    }
  });

  it('are one category of products', async () => {
    const skus: string[] = [];
    let token: Headers = {};
    for (const category of SAO_PAULO) {
      const { sku, answer } = await createProduct({ category }, token);
      skus.push(sku);
      token = withToken(answer);
    }
    for (const category of SAO_PAULO) {
      const pages = await allPages(`/products?category=${encodeURIComponent(category)}&limit=100`, token);
      const found = pages.flat().map(({ sku }) => sku as string);
      expect(found).toEqual(expect.arrayContaining(skus));
      expect(new Set(pages.flat().map((product) => product['category']))).toEqual(new Set(['São Paulo']));
    }
  });

  it('are one also in earlier events, which have them as typed', () => {
    const placed = (id: string, region: string) =>
      ({
        id,
        stream: `order-${id}`,
        version: 1,
        type: 'OrderPlaced',
        schemaVersion: 1,
        recordedAt: '2026-01-01T00:00:00.000Z',
        metadata: { commandId: 'c', correlationId: 'c', causationId: 'c', actor: 'anonymous' },
        data: {
          customerId: region,
          customerName: 'Ada',
          customerSegment: region,
          region,
          lines: [
            {
              sku: 'S',
              productId: 'p',
              productVersion: 1,
              name: 'Map',
              category: region,
              quantity: 1,
              unitPrice: { amount: 1, currency: 'EUR' },
            },
          ],
          total: { amount: 1, currency: 'EUR' },
          itemCount: 1,
        },
      }) as unknown as RecordedEvent;
    const [analytics, lookup] = [inMemoryReadModel(orderAnalytics), inMemoryReadModel(orderLookup)];
    for (const [index, region] of SAO_PAULO.entries())
      for (const model of [analytics, lookup]) model.apply([placed(String(index), region)] as never);
    expect(analytics.tables().counters['daily']).toHaveLength(4);
    expect(analytics.tables().counters['daily']).toMatchObject(Array.from({ length: 4 }, () => ({ orders: 4 })));
    expect(lookup.tables().rows).toMatchObject(
      Array.from({ length: 4 }, () => ({
        customerId: 'São Paulo',
        resource: { customerId: 'São Paulo', region: 'São Paulo', customerSegment: 'São Paulo' },
      })),
    );
  });
});

describe('a name of any Unicode characters', () => {
  it('is refused, or its order is placed and found by each of its words', async () => {
    const { sku, answer } = await createProduct();
    const token = withToken(answer);
    const name = fc.string({
      unit: fc.oneof(
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
        fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
        fc.constantFrom(' ', '\u00AD', '"', "'", '¦', '\u0301', '\u094D'),
      ),
      maxLength: 40,
    });
    let placed = 0;
    await fc.assert(
      fc.asyncProperty(name, async (customerName) => {
        const order = await post('/orders', { customerId: 'c', customerName, items: [{ sku, quantity: 1 }] }, token);
        expect([201, 400]).toContain(order.status);
        if (order.status === 400) return;
        placed += 1;
        const { orderId } = await json(order);
        for (const typed of [customerName, ...customerName.split(/[\s"“”„‟«»＂]+/u)]) {
          if (!/[\p{L}\p{N}]/u.test(typed)) continue;
          const answered = await get(`/orders/search?limit=100&q=${encodeURIComponent(typed)}`, withToken(order));
          expect(answered.status).toBe(200);
          // Some letters look like apostrophes, and separate.
          const { items } = await json(answered);
          if (/^[^\p{L}\p{N}]*[\p{Lm}\uA788-\uA78C]+[^\p{L}\p{N}]*$/u.test(typed) && items.length === 0) continue;
          const ids = items.map((hit: { orderId: string }) => hit.orderId);
          expect(items.length === 100 || ids.includes(orderId), typed).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
    expect(placed).toBeGreaterThan(10);
  }, 60_000);
});
