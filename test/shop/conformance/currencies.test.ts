import { describe, expect, it } from 'vitest';

import { streamId } from '../../../src/tidemark/domain/stream.ts';
import currencies from '../currencies.json' with { type: 'json' };
import { get, json, post, withToken } from '../../support/api.ts';
import { createProduct, eur, newSku, placeOrder } from '../api.ts';
import { expectInvalidFields } from '../../support/problem.ts';
import { appendAsStored } from '../../support/system.ts';

describe('a new price', () => {
  it.each(currencies)('may be in $code: $accepted ($why)', async ({ code, accepted }) => {
    const price = { amount: 1, currency: code };
    const answer = await post('/products', { name: 'Map', category: 'charts', sku: newSku(), price });
    if (accepted) expect(answer.status).toBe(201);
    else expect(await expectInvalidFields(answer)).toEqual(['/price/currency']);
  });
});

describe('a price in a currency that was withdrawn since', () => {
  const KUNA = { amount: 150, currency: 'HRK' };

  it('can be read, ordered at, counted and changed as any other', async () => {
    const { productId, sku } = await createProduct();
    await appendAsStored(streamId('product', productId), {
      type: 'PriceUpdated',
      schemaVersion: 1,
      data: { from: eur(1999), to: KUNA, reason: 'Season' },
    });
    expect((await json(get(`/products/${productId}`, { 'X-Version': '2' }))).price).toEqual(KUNA);

    const { answer, orderId } = await placeOrder({ items: [{ sku, quantity: 2 }] });
    expect(answer.status).toBe(201);
    const token = withToken(answer);
    const order = await json(get(`/orders/${orderId}`, token));
    expect(order).toMatchObject({ total: { amount: 300, currency: 'HRK' }, items: [{ unitPrice: KUNA }] });
    expect((await json(get('/dashboard', token))).revenue).toContainEqual({ currency: 'HRK', total: 300, today: 300 });
    expect((await json(get('/analytics/orders?groupBy=day', token))).groups).toMatchObject([
      { currency: 'HRK', total: 300 },
    ]);

    const changed = await post(`/products/${productId}/price`, { price: eur(20), reason: 'Euro' });
    const { items } = await json(get(`/products/${productId}/prices`, withToken(changed)));
    expect(items.at(-1)).toMatchObject({ from: KUNA, to: eur(20) });
    const refused = post(`/products/${productId}/price`, { price: KUNA, reason: 'Back' });
    expect(await expectInvalidFields(refused)).toEqual(['/price/currency']);
  });
});
