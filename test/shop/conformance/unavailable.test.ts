import { describe, expect, it } from 'vitest';

import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import { type Headers, post } from '../../support/api.ts';
import { createProduct, eur } from '../api.ts';
import { expectRetryLater, expectTooOld, lost, objectsFail, overloaded } from '../../support/failing-objects.ts';
import { appendAsStored } from '../../support/system.ts';

describe('503 overloaded', () => {
  it.each([
    ['turn it away', overloaded],
    ['do not answer', lost],
  ])('answers an order whose products %s', async (_what, state) => {
    const { sku } = await createProduct();
    objectsFail('product', { state });
    const body = { customerId: 'c', customerName: 'n', items: [{ sku, quantity: 1 }] };
    await expectRetryLater(post('/orders', body), 'overloaded');
  });
});

describe('503 code-too-old', () => {
  /** A product whose log has an event of newer code, after a price change with a key. */
  async function ofTomorrow() {
    const product = await createProduct();
    const sale = { price: eur(300), reason: 'Sale' };
    const change = (headers: Headers) => post(`/products/${product.productId}/price`, sale, headers);
    expect((await change({ 'Idempotency-Key': 'sale' })).status).toBe(200);
    await appendAsStored(product.stream as StreamId, { type: 'OfTomorrow', schemaVersion: 1, data: {} });
    return { ...product, change };
  }

  it('answers an order of such a product', async () => {
    const { sku } = await ofTomorrow();
    const body = { customerId: 'c', customerName: 'n', items: [{ sku, quantity: 1 }] };
    await expectTooOld(post('/orders', body));
  });
});
