import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { given } from '#tidemark/testing';
import type { Money } from '../../../src/shop/money.ts';
import { type ProductCommand, type ProductEvent, product, productIdOf } from '../../../src/shop/products/product.ts';
import { normalSku } from '../../../src/shop/sku.ts';

const eur = (amount: number): Money => ({ amount, currency: 'EUR' });

const created: ProductEvent = {
  type: 'ProductCreated',
  data: { sku: 'TIDE-2027', name: 'Tide table 2027', category: 'almanacs', price: eur(1999) },
};

type CreateProduct = Extract<ProductCommand, { type: 'CreateProduct' }>;

function create(overrides: Partial<CreateProduct['data']> = {}): CreateProduct {
  const data = {
    productId: productIdOf('TIDE-2027'),
    sku: 'TIDE-2027',
    name: 'Tide table 2027',
    category: 'almanacs',
    price: eur(1999),
  };
  return { type: 'CreateProduct', data: { ...data, ...overrides } };
}

function updatePrice(price: Money, reason = 'Spring sale'): ProductCommand {
  return { type: 'UpdatePrice', data: { productId: productIdOf('TIDE-2027'), price, reason } };
}

describe('creating a product', () => {
  test('records the product and its price', () => {
    given(product)
      .when(create())
      .then([created])
      .thenState({
        status: 'listed',
        sku: 'TIDE-2027',
        name: 'Tide table 2027',
        category: 'almanacs',
        price: eur(1999),
        createdAt: '2026-01-01T00:00:00.000Z',
        updatedAt: '2026-01-01T00:00:00.000Z',
      });
  });

  test('records the SKU in the form in which it is compared', () => {
    given(product)
      .when(create({ sku: '  tide-2027 ' }))
      .then([created]);
  });

  test('is refused if the SKU is taken', () => {
    given(product, [created])
      .when(create({ name: 'Another' }))
      .thenRejected('sku-taken', { sku: 'TIDE-2027' });
  });

  test('is refused if the SKU is taken, even with other faults', () => {
    given(product, [created])
      .when(create({ price: eur(0) }))
      .thenRejected('sku-taken');
  });

  test.each([0, -1, -9_000_000_000])('is refused at a price of %i', (amount) => {
    given(product)
      .when(create({ price: eur(amount) }))
      .thenRejected('price-not-positive');
  });

  test('accepts the smallest price', () => {
    given(product)
      .when(create({ price: eur(1) }))
      .thenState({ price: eur(1) });
  });
});

describe('changing a price', () => {
  test('records the old price, the new one and the reason', () => {
    given(product, [created])
      .when(updatePrice(eur(1799)))
      .then([{ type: 'PriceUpdated', data: { from: eur(1999), to: eur(1799), reason: 'Spring sale' } }])
      .thenState({ price: eur(1799), createdAt: '2026-01-01T00:00:00.000Z', updatedAt: '2026-01-01T00:00:01.000Z' });
  });

  test('starts from the current price, not from the first', () => {
    given(product, [created, { type: 'PriceUpdated', data: { from: eur(1999), to: eur(1799), reason: 'Spring sale' } }])
      .when(updatePrice(eur(2099), 'Paper has become dear'))
      .then([{ type: 'PriceUpdated', data: { from: eur(1799), to: eur(2099), reason: 'Paper has become dear' } }]);
  });

  test('may change the currency', () => {
    given(product, [created])
      .when(updatePrice({ amount: 300_000, currency: 'JPY' }))
      .thenState({ price: { amount: 300_000, currency: 'JPY' } });
  });

  test.each([0, -1])('is refused at a price of %i', (amount) => {
    given(product, [created])
      .when(updatePrice(eur(amount)))
      .thenRejected('price-not-positive');
  });

  test('is refused for an unknown product, at any price', () => {
    given(product)
      .when(updatePrice(eur(1799)))
      .thenRejected('not-found');
    given(product)
      .when(updatePrice(eur(0)))
      .thenRejected('not-found');
  });
});

describe('a product’s id', () => {
  test('follows from the SKU, in each of its spellings', () => {
    const id = productIdOf('CRÈME-1');
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(productIdOf('  crème-1\t')).toBe(id);
    expect(productIdOf('cre\u0300me-1')).toBe(id);
    expect(productIdOf('CREME-1')).not.toBe(id);
  });

  test('stays the same in later releases, which have to find existing products', () => {
    expect(productIdOf('TIDE-2027')).toBe('241225e1-ecfd-5d03-a00c-9a625cbc40c1');
  });

  test('is the same for a SKU and for its recorded form', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (sku) => {
        expect(normalSku(normalSku(sku))).toBe(normalSku(sku));
        expect(productIdOf(normalSku(sku))).toBe(productIdOf(sku));
      }),
      { numRuns: 100 },
    );
    // Every letter below U+3000: capitals that are longer, or that come decomposed.
    for (let codePoint = 0; codePoint < 0x3000; codePoint += 1) {
      const form = normalSku(String.fromCodePoint(codePoint));
      if (normalSku(form) !== form) expect.unreachable(`U+${codePoint.toString(16)}`);
    }
  });
});

test('after any commands, a product has the price of its last applied change', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -5, max: 5 })), (amounts) => {
      const events: ProductEvent[] = [created];
      for (const amount of amounts) {
        const last = events.at(-1);
        const price = last?.type === 'PriceUpdated' ? last.data.to : eur(1999);
        const when = given(product, events).when(updatePrice(eur(amount)));
        if (amount <= 0) {
          when.thenRejected('price-not-positive');
          continue;
        }
        const changed: ProductEvent = {
          type: 'PriceUpdated',
          data: { from: price, to: eur(amount), reason: 'Spring sale' },
        };
        when.then([changed]).thenState({ price: eur(amount) });
        events.push(changed);
      }
    }),
    { numRuns: 50 },
  );
});
