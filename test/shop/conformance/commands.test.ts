import { describe, expect, it } from 'vitest';

import { eventsOf, get, json, post, request, withToken } from '../../support/api.ts';
import { createProduct, eur, newSku, orderAfter, orderStep, placeOrder, returnItems } from '../api.ts';
import { expectProblem } from '../../support/problem.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The part that is the same for every command that was applied. */
function expectApplied(answer: Response, status: 200 | 201, version: number): void {
  expect(answer.status).toBe(status);
  expect(answer.headers.get('Content-Type')).toBe('application/json');
  expect(answer.headers.get('X-Version')).toBe(String(version));
  expect(answer.headers.get('ETag')).toBe(`"${version}"`);
  expect(answer.headers.get('X-Causal-Token')).toMatch(/^[A-Za-z0-9_-]+$/);
  expect(answer.headers.has('Idempotency-Replayed')).toBe(false);
  expect(answer.headers.has('Preference-Applied')).toBe(false);
  if (status === 200) expect(answer.headers.has('Location')).toBe(false);
}

describe('POST /products', () => {
  it('creates a product, and answers with its address', async () => {
    const { answer, productId, sku, stream } = await createProduct();
    expectApplied(answer, 201, 1);
    expect(await json(answer)).toEqual({ productId, version: 1 });
    expect(productId).toMatch(UUID);
    expect(answer.headers.get('Location')).toBe(`/products/${productId}`);
    expect(await eventsOf(stream)).toMatchObject([
      { type: 'ProductCreated', data: { sku, name: 'Tide table', category: 'almanacs', price: eur(1999) } },
    ]);
  });

  it('gives one SKU one id, whatever its case, its composition and the spaces around it', async () => {
    const name = newSku();
    const { sku } = await createProduct({ sku: `  ${name.toLowerCase()}-e\u0301 ` });
    const again = { name: 'Other', price: eur(1), category: 'other', sku: `${name}-É` };
    const problem = await expectProblem(post('/products', again), 409, 'sku-taken');
    expect(problem['sku']).toBe(sku.normalize('NFC').trim().toUpperCase());
  });

  it('accepts a SKU in the form of its answers, even with decomposed capitals', async () => {
    const { productId, answer } = await createProduct({ sku: `${newSku()}-\u0390` });
    const { sku } = await json(get(`/products/${productId}`, withToken(answer)));
    await expectProblem(post('/products', { name: 'A', price: eur(1), category: 'b', sku }), 409, 'sku-taken');
    expect((await placeOrder({ items: [{ sku, quantity: 1 }] })).answer.status).toBe(201);
  });

  it('refuses a price of zero and below as not allowed, not as malformed', async () => {
    const product = { name: 'Tide table', category: 'almanacs', sku: newSku() };
    for (const amount of [0, -1, -9_007_199_254_740_991]) {
      const problem = await expectProblem(
        post('/products', { ...product, price: eur(amount) }),
        422,
        'price-not-positive',
      );
      expect(problem.detail).toBe('Price must be positive');
    }
  });
});

describe('POST /products/{productId}/price', () => {
  it('changes the price', async () => {
    const { productId, stream } = await createProduct();
    const answer = await post(`/products/${productId}/price`, { price: eur(1799), reason: 'Spring sale' });
    expectApplied(answer, 200, 2);
    expect(await json(answer)).toEqual({ productId, version: 2 });
    expect((await eventsOf(stream))[1]).toMatchObject({
      type: 'PriceUpdated',
      data: { from: eur(1999), to: eur(1799), reason: 'Spring sale' },
    });
  });

  it('refuses a price of zero and an unknown product', async () => {
    const { productId } = await createProduct();
    const free = { price: eur(0), reason: 'Gift' };
    await expectProblem(post(`/products/${productId}/price`, free), 422, 'price-not-positive');
    await expectProblem(post(`/products/${crypto.randomUUID()}/price`, { ...free, price: eur(1) }), 404, 'not-found');
  });
});

describe('POST /orders', () => {
  it('places an order at the current prices, and records them with their versions', async () => {
    const [lamp, chart] = await Promise.all([createProduct({ name: 'Lamp' }), createProduct({ name: 'Chart' })]);
    await post(`/products/${chart.productId}/price`, { price: eur(500), reason: 'Sale' });
    const items = [
      { sku: lamp.sku.toLowerCase(), quantity: 3 },
      { sku: chart.sku, quantity: 2 },
    ];
    const { answer, orderId, stream } = await placeOrder({ items, customerSegment: 'retail', region: 'EU' });
    expectApplied(answer, 201, 1);
    expect(await json(answer)).toEqual({ orderId, version: 1 });
    expect(orderId).toMatch(UUID);
    expect(answer.headers.get('Location')).toBe(`/orders/${orderId}`);
    const [placed] = await eventsOf(stream);
    expect(placed).toMatchObject({
      type: 'OrderPlaced',
      data: {
        customerId: 'c-1',
        customerName: 'Ada Lovelace',
        customerSegment: 'retail',
        region: 'EU',
        itemCount: 5,
        total: eur(3 * 1999 + 2 * 500),
        lines: [
          {
            sku: lamp.sku,
            productId: lamp.productId,
            productVersion: 1,
            name: 'Lamp',
            quantity: 3,
            unitPrice: eur(1999),
          },
          {
            sku: chart.sku,
            productId: chart.productId,
            productVersion: 2,
            name: 'Chart',
            quantity: 2,
            unitPrice: eur(500),
          },
        ],
      },
    });
  });

  it('names every unknown SKU', async () => {
    const { sku } = await createProduct();
    const unknown = [newSku(), newSku()];
    const items = [sku, ...unknown].map((name) => ({ sku: name, quantity: 1 }));
    const problem = await expectProblem(
      post('/orders', { customerId: 'c', customerName: 'n', items }),
      422,
      'unknown-sku',
    );
    expect(problem['skus']).toEqual(unknown);
    for (const name of unknown) expect(problem.detail).toContain(name);
  });

  it('accepts one currency, and each SKU once', async () => {
    const [euro, yen] = await Promise.all([createProduct(), createProduct({ price: { amount: 1, currency: 'JPY' } })]);
    const order = (...skus: string[]) =>
      post('/orders', { customerId: 'c', customerName: 'n', items: skus.map((sku) => ({ sku, quantity: 1 })) });
    await expectProblem(order(euro.sku, yen.sku), 422, 'mixed-currencies');
    await expectProblem(order(euro.sku, ` ${euro.sku.toLowerCase()} `), 422, 'duplicate-sku');
    expect((await order(yen.sku)).status).toBe(201);
  });

  it('accepts the largest possible order, and sums it exactly', async () => {
    const { sku } = await createProduct({ price: eur(9_000_000_000) });
    const { answer, orderId } = await placeOrder({ items: [{ sku, quantity: 10_000 }] });
    const order = await json(get(`/orders/${orderId}`, withToken(answer)));
    expect(order).toMatchObject({ total: eur(90_000_000_000_000), itemCount: 10_000 });
  });
});

describe('a step of an order', () => {
  it.each([
    ['shipment', [], 'OrderShipped', { tracking: 'JD0146', carrier: 'DHL' }],
    ['delivery', ['shipment'], 'OrderDelivered', {}],
    ['cancellation', [], 'OrderCancelled', { reason: 'Ordered by mistake' }],
  ] as const)('POST /orders/{orderId}/%s is 200 and one event', async (step, before, type, data) => {
    const { orderId, stream } = await orderAfter(before);
    const answer = await orderStep(orderId, step);
    const version = before.length + 2;
    expectApplied(answer, 200, version);
    expect(await json(answer)).toEqual({ orderId, version });
    expect((await eventsOf(stream)).at(-1)).toMatchObject({ type, data });
  });

  it('POST /orders/{orderId}/returns is 200 and one event', async () => {
    const { orderId, stream, items } = await orderAfter(['shipment', 'delivery']);
    const answer = await returnItems(orderId, items);
    expectApplied(answer, 200, 4);
    expect(await json(answer)).toEqual({ orderId, version: 4 });
    expect((await eventsOf(stream)).at(-1)).toMatchObject({
      type: 'ItemsReturned',
      data: { items, reason: 'Water damage' },
    });
  });

  it('accepts a delivery without a body, with an empty one and with an empty object, and no other', async () => {
    const deliver = async (headers: Record<string, string>, body?: string) => {
      const { orderId } = await orderAfter(['shipment']);
      return request('POST', `/orders/${orderId}/delivery`, headers, body);
    };
    const isJson = { 'Content-Type': 'application/json' };
    expect((await deliver({})).status).toBe(200);
    expect((await deliver(isJson)).status).toBe(200);
    expect((await deliver(isJson, '')).status).toBe(200);
    expect((await deliver(isJson, '{}')).status).toBe(200);
    await expectProblem(deliver(isJson, '{"at":"noon"}'), 400, 'invalid-field');
    await expectProblem(deliver(isJson, '[]'), 400, 'invalid-field');
    await expectProblem(deliver({ 'Content-Type': 'text/plain' }, '{}'), 415, 'not-json');
  });

  it('of an order that does not exist is 404', async () => {
    const orderId = crypto.randomUUID();
    for (const step of ['shipment', 'delivery', 'cancellation'] as const) {
      await expectProblem(orderStep(orderId, step), 404, 'not-found');
    }
    await expectProblem(returnItems(orderId, [{ sku: 'A', quantity: 1 }]), 404, 'not-found');
  });
});
