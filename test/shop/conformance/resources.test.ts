import { describe, expect, it } from 'vitest';

import { get, json, post, request, withToken } from '../../support/api.ts';
import { createProduct, eur, orderStep, placeOrder } from '../api.ts';
import { expectProblem } from '../../support/problem.ts';

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const NAMES = ['ETag', 'X-Version', 'X-Read-From'];

const headersOf = (answer: Response) => NAMES.map((name) => answer.headers.get(name));

/** An order that the read model does not have: no token, and the consumer never runs. */
async function unseenOrder() {
  const { orderId, answer } = await placeOrder();
  await orderStep(orderId, 'shipment');
  return { path: `/orders/${orderId}`, token: withToken(answer) };
}

/** An order at version 2. The read model has version 1. */
async function halfSeenOrder() {
  const { orderId } = await placeOrder({}, { Prefer: 'wait=5' });
  await orderStep(orderId, 'shipment');
  return `/orders/${orderId}`;
}

describe('GET of one resource', () => {
  it('shows a product whole', async () => {
    const { productId, sku, answer } = await createProduct();
    const read = await get(`/products/${productId}`, withToken(answer));
    expect(headersOf(read)).toEqual(['"1"', '1', 'read-model']);
    const product = await json(read);
    expect(product).toEqual({
      productId,
      sku,
      name: 'Tide table',
      category: 'almanacs',
      price: eur(1999),
      createdAt: expect.stringMatching(TIME),
      updatedAt: product.createdAt,
      version: 1,
    });
  });

  it('shows an order whole', async () => {
    const { sku } = await createProduct({ name: 'Lamp', category: 'lamps' });
    const { orderId, answer } = await placeOrder({
      items: [{ sku, quantity: 2 }],
      customerSegment: 'retail',
      region: 'EU',
    });
    const read = await get(`/orders/${orderId}`, withToken(answer));
    expect(headersOf(read)).toEqual(['"1"', '1', 'read-model']);
    const order = await json(read);
    expect(order).toEqual({
      orderId,
      customerId: 'c-1',
      customerName: 'Ada Lovelace',
      customerSegment: 'retail',
      region: 'EU',
      status: 'placed',
      currency: 'EUR',
      total: eur(3998),
      itemCount: 2,
      items: [{ sku, name: 'Lamp', category: 'lamps', quantity: 2, unitPrice: eur(1999), returned: 0 }],
      tracking: null,
      carrier: null,
      placedAt: expect.stringMatching(TIME),
      updatedAt: order.placedAt,
      version: 1,
    });
  });

  it('that does not exist is 404, also with a token of other streams', async () => {
    const { answer } = await createProduct();
    for (const kind of ['products', 'orders']) {
      await expectProblem(get(`/${kind}/${crypto.randomUUID()}`), 404, 'not-found');
      await expectProblem(get(`/${kind}/${crypto.randomUUID()}`, withToken(answer)), 404, 'not-found');
    }
  });

  it('returns text as sent, except for the kind of its spaces and those around it', async () => {
    const name = 'Ἀφροδίτη 東京 🐚 <b>"quoted"</b> \\ / é';
    const { productId, answer } = await createProduct({ name: `  ${name.replace(' é', '\u2028é')}\u00a0` });
    expect(await json(get(`/products/${productId}`, withToken(answer)))).toMatchObject({ name });
  });

  it('as HEAD has the headers and no body', async () => {
    const { orderId, answer } = await placeOrder();
    const head = await request('HEAD', `/orders/${orderId}`, withToken(answer));
    const read = await get(`/orders/${orderId}`, withToken(answer));
    expect(head.status).toBe(200);
    expect(await head.text()).toBe('');
    expect(headersOf(head)).toEqual(headersOf(read));
    expect([...head.headers.keys()]).toEqual(expect.arrayContaining([...read.headers.keys()]));
    expect((await request('HEAD', `/orders/${crypto.randomUUID()}`)).status).toBe(404);
    expect((await request('HEAD', '/orders/1')).status).toBe(400);
  });
});

describe('If-None-Match', () => {
  it.each(['"1"', 'W/"1"', '*', '"7", "1"', ' "0" ,W/"1" '])(
    '%s of the current version is 304 with a token',
    async (tag) => {
      const { productId, answer } = await createProduct();
      const read = await get(`/products/${productId}`, withToken(answer, { 'If-None-Match': tag }));
      expect(read.status).toBe(304);
      expect(await read.text()).toBe('');
      expect(headersOf(read)).toEqual(['"1"', '1', 'read-model']);
      const changed = await post(`/products/${productId}/price`, { price: eur(1), reason: 'Sale' }, withToken(read));
      expect((await get(`/products/${productId}`, withToken(changed, { 'If-None-Match': '"1"' }))).status).toBe(200);
    },
  );

  it.each(['"2"', 'W/"2"', '"01"', '1', '', '"', 'nonsense'])('%s of another version is 200', async (tag) => {
    const { productId, answer } = await createProduct();
    expect((await get(`/products/${productId}`, withToken(answer, { 'If-None-Match': tag }))).status).toBe(200);
  });

  it('is never 304 from a stale read model', async () => {
    const path = await halfSeenOrder();
    expect((await get(path)).headers.get('ETag')).toBe('"1"');
    expect((await get(path, { 'If-None-Match': '"1"', 'X-Version': '2' })).status).toBe(200);
    expect((await get(path, { 'If-None-Match': '"2"', 'X-Version': '2' })).status).toBe(304);
  });
});

describe('X-Version on a query', () => {
  it('beyond the read model is answered by the write store, in the same shape', async () => {
    const { path } = await unseenOrder();
    const fromWriteStore = await get(path, { 'X-Version': '1' });
    expect(headersOf(fromWriteStore)).toEqual(['"2"', '2', 'write-store']);
    const fromReadModel = await get(path, withToken(fromWriteStore, { 'X-Version': '2' }));
    expect(headersOf(fromReadModel)).toEqual(['"2"', '2', 'read-model']);
    expect(await json(fromReadModel)).toEqual(await json(fromWriteStore));
  });

  it('within the read model is answered by it', async () => {
    const path = await halfSeenOrder();
    expect(headersOf(await get(path, { 'X-Version': '1' }))).toEqual(['"1"', '1', 'read-model']);
    expect(headersOf(await get(path, { 'X-Version': '2' }))).toEqual(['"2"', '2', 'write-store']);
  });

  it('of a product works alike', async () => {
    const { productId } = await createProduct();
    const read = await get(`/products/${productId}`, { 'X-Version': '1' });
    expect(headersOf(read)).toEqual(['"1"', '1', 'write-store']);
    expect(await json(get(`/products/${productId}`, withToken(read)))).toEqual(await json(read));
  });

  it('with Prefer: respond-async is 202 until the read model has it', async () => {
    const ask = (path: string, version: number) => get(path, { Prefer: 'respond-async', 'X-Version': String(version) });
    const { path } = await unseenOrder();
    const accepted = await ask(path, 2);
    expect(accepted.status).toBe(202);
    expect(accepted.headers.get('Retry-After')).toBe('1');
    expect(accepted.headers.get('Preference-Applied')).toBe('respond-async');
    expect(await json(accepted)).toEqual({ wanted: 2, has: 0 });
    const halfSeen = await halfSeenOrder();
    expect(await json(ask(halfSeen, 2))).toEqual({ wanted: 2, has: 1 });
    const found = await ask(halfSeen, 1);
    expect([found.status, found.headers.get('Preference-Applied')]).toEqual([200, null]);
  });

  it('beyond the head is 409 with the current version, even with respond-async', async () => {
    const { path, token } = await unseenOrder();
    for (const headers of [{}, token, { Prefer: 'respond-async' }]) {
      const problem = await expectProblem(get(path, { 'X-Version': '3', ...headers }), 409, 'version-ahead');
      expect(problem['currentVersion']).toBe(2);
    }
  });

  it('of a stream that does not exist is 404', async () => {
    for (const kind of ['products', 'orders']) {
      const path = `/${kind}/${crypto.randomUUID()}`;
      await expectProblem(get(path, { 'X-Version': '1' }), 404, 'not-found');
      await expectProblem(get(path, { 'X-Version': '1', Prefer: 'respond-async' }), 404, 'not-found');
    }
  });

  it.each(['abc', '0', '-1', '+1', '1.5', '1e3', '01', '0x1', '1, 1', '', '9007199254740993'])(
    'that is not a positive integer is 400: "%s"',
    async (version) => {
      const { path } = await unseenOrder();
      await expectProblem(get(path, { 'X-Version': version }), 400, 'invalid-header');
    },
  );
});
