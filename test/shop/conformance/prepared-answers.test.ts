import { describe, expect, it } from 'vitest';

import { asOperator, get, post, withToken } from '../../support/api.ts';
import { createProduct, orderAfter } from '../api.ts';

/*
 * A read model holds the answer as text. The write side makes the same text from its state.
 */

async function textOf(answer: Promise<Response> | Response, from?: string): Promise<string> {
  const found = await answer;
  expect(found.status).toBe(200);
  if (from !== undefined) expect(found.headers.get('X-Read-From')).toBe(from);
  expect(found.headers.get('Content-Type')).toBe('application/json');
  return found.text();
}

describe('the text of a resource', () => {
  it.each([[[]], [['cancellation']], [['shipment', 'delivery']]] as const)(
    'is the same from the read model and from the write side: an order after %j',
    async (steps) => {
      const { orderId, answer } = await orderAfter(steps);
      const shown = await textOf(get(`/orders/${orderId}`, withToken(answer)), 'read-model');
      const version = steps.length + 1;
      expect(await textOf(get(`/orders/${orderId}?asOf=${version}`, asOperator), 'write-store')).toBe(shown);
      const { customerId } = JSON.parse(shown) as { customerId: string };
      const list = await textOf(get(`/orders?customerId=${customerId}&limit=100`, withToken(answer)));
      expect(list).toContain(shown);
      expect(list).toMatch(/^\{"items":\[\{.*\}\],"nextCursor":(null|"[\w-]+")\}$/);
    },
  );

  it('is the same from the read model and from the write side: a product', async () => {
    const { productId, sku, answer } = await createProduct();
    const shown = await textOf(get(`/products/${productId}`, withToken(answer)), 'read-model');
    expect(await textOf(get(`/products/${productId}?asOf=1`, asOperator), 'write-store')).toBe(shown);
    expect(await textOf(get(`/products?sku=${encodeURIComponent(sku)}`, withToken(answer)))).toBe(
      `{"items":[${shown}],"nextCursor":null}`,
    );
  });

  it('is the same in the answer of a command that asks for the representation', async () => {
    const { orderId, answer } = await orderAfter([]);
    const headers = { ...withToken(answer), Prefer: 'return=representation' };
    const shipped = await post(`/orders/${orderId}/shipment`, { tracking: 'JD0146', carrier: 'DHL' }, headers);
    const text = await textOf(shipped.clone());
    expect(await textOf(get(`/orders/${orderId}`, withToken(shipped)), 'read-model')).toBe(text);
  });
});
