import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { inMemorySystem } from '#tidemark/testing';
import { project } from '#tidemark/testing';
import { products } from '../../../src/shop/products/module.ts';
import { type ProductEvent, product, productIdOf } from '../../../src/shop/products/product.ts';
import { productCatalog } from '../../../src/shop/products/product-catalog.ts';

const id = productIdOf('TIDE-2027');
const eur = (amount: number) => ({ amount, currency: 'EUR' });

const created: ProductEvent = {
  type: 'ProductCreated',
  data: { sku: 'TIDE-2027', name: 'Tide table 2027', category: 'almanacs', price: eur(1999) },
};

const priced = (from: number, to: number): ProductEvent => ({
  type: 'PriceUpdated',
  data: { from: eur(from), to: eur(to), reason: 'Spring sale' },
});

describe('product-catalog', () => {
  test('ProductCreated gives this row', () => {
    expect(project(productCatalog).events(product, id, [created]).rows()).toEqual([
      {
        productId: id,
        version: 1,
        name: 'Tide table 2027',
        sku: 'TIDE-2027',
        category: 'almanacs',
        price: eur(1999),
        createdAt: '2026-01-01T00:00:00.000Z',
        updatedAt: '2026-01-01T00:00:00.000Z',
      },
    ]);
  });

  test('ProductCreated, then PriceUpdated, gives the new price and keeps the rest', () => {
    const before = project(productCatalog).events(product, id, [created]);
    expect(before.events(product, id, [priced(1999, 1799)]).row(product, id)).toEqual({
      ...before.row(product, id),
      version: 2,
      price: eur(1799),
      updatedAt: '2026-01-01T00:00:01.000Z',
    });
  });

  test('PriceUpdated in another currency gives the price in that currency', () => {
    const inYen: ProductEvent = {
      type: 'PriceUpdated',
      data: { from: eur(1999), to: { amount: 300, currency: 'JPY' }, reason: 'Export' },
    };
    expect(project(productCatalog).events(product, id, [created, inYen]).row(product, id)).toMatchObject({
      price: { amount: 300, currency: 'JPY' },
    });
  });

  test('ProductCreated appends the first price, from none, and every PriceUpdated the next', () => {
    const sold = {
      ...priced(1999, 1799),
      metadata: { actor: 'ada' },
    };
    expect(project(productCatalog).events(product, id, [created, sold]).appended('prices')).toEqual([
      {
        productId: id,
        version: 1,
        fromAmount: null,
        fromCurrency: null,
        toAmount: 1999,
        toCurrency: 'EUR',
        reason: null,
        actor: 'anonymous',
        changedAt: '2026-01-01T00:00:00.000Z',
      },
      {
        productId: id,
        version: 2,
        fromAmount: 1999,
        fromCurrency: 'EUR',
        toAmount: 1799,
        toCurrency: 'EUR',
        reason: 'Spring sale',
        actor: 'ada',
        changedAt: '2026-01-01T00:00:01.000Z',
      },
    ]);
  });

  test('ignores every event before ProductCreated', () => {
    expect(() =>
      project(productCatalog)
        .events(product, id, [priced(1999, 1799)])
        .rows(),
    ).toThrow('the stream has no row yet');
  });

  test('is equal in any interleaving of products and in batches of any size', () => {
    const prices = [1999, 1799, 2099, 1, 5, 1999];
    const changes = prices.slice(1).map((to, index) => priced(prices[index] ?? 0, to));
    ['a', 'b', 'c', 'd']
      .reduce(
        (all, sku, index) => all.events(product, sku, [created, ...changes.slice(index)]),
        project(productCatalog),
      )
      .checkInterleavings({ runs: 50 });
  });

  test('equals the state of the write side for every product, after any commands', async () => {
    const step = fc.record({
      sku: fc.constantFrom('A', 'B', 'C'),
      amount: fc.integer({ min: -1, max: 9_000_000_000 }),
      creates: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const memory = inMemorySystem([products]);
        for (const { sku, amount, creates } of steps) {
          const productId = productIdOf(sku);
          const command = creates
            ? {
                type: 'CreateProduct',
                data: { productId, sku, name: `Product ${sku}`, category: 'almanacs', price: eur(amount) },
              }
            : { type: 'UpdatePrice', data: { productId, price: eur(amount), reason: 'Weather' } };
          memory.clock.advance(1_000);
          await memory.bus.dispatch(command, memory.context());
        }
        const rows = project(productCatalog).stored(memory.events).rows();
        expect(new Set(rows.map(({ productId }) => productId))).toEqual(
          new Set(memory.events.map(({ stream }) => stream.slice(8))),
        );
        for (const { productId, version, ...shown } of rows) {
          const current = await memory.aggregates.state(product.streamOf(productId));
          expect(current).toEqual({
            version,
            eventId: expect.any(String) as string,
            state: { status: 'listed', ...shown },
          });
        }
      }),
      { numRuns: 50 },
    );
  });
});
