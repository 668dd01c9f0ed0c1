import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';

import { serving } from '../../../src/groups.ts';
import { get, json, post, withToken } from '../../support/api.ts';
import { createProduct, eur, newSku, orderAfter, orderStep, placeOrder, returnItems } from '../api.ts';
import { faultyDatabase } from '../../support/database.ts';
import { ports, production } from '../../support/platform.ts';

const applied = (answer: Response) => answer.headers.get('Preference-Applied');

describe('Prefer: return=representation', () => {
  const prefer = { Prefer: 'return=representation' };

  async function expectSameAsGet(path: string, answer: Response): Promise<void> {
    expect(answer.ok).toBe(true);
    expect(applied(answer)).toBe('return=representation');
    const read = await get(path, withToken(answer));
    expect(read.status).toBe(200);
    expect(await json(answer.clone())).toEqual(await json(read));
    expect(answer.headers.get('ETag')).toBe(read.headers.get('ETag'));
  }

  it('gives the body of the GET, after every command on a product', async () => {
    const { answer, productId } = await createProduct({}, prefer);
    await expectSameAsGet(`/products/${productId}`, answer);
    const changed = await post(`/products/${productId}/price`, { price: eur(1), reason: 'Sale' }, prefer);
    await expectSameAsGet(`/products/${productId}`, changed);
  });

  it('gives the body of the GET, after every command on an order', async () => {
    const { sku } = await createProduct();
    const { answer, orderId } = await placeOrder({ items: [{ sku, quantity: 2 }], customerSegment: 'b2b' }, prefer);
    const path = `/orders/${orderId}`;
    await expectSameAsGet(path, answer);
    await expectSameAsGet(path, await orderStep(orderId, 'shipment', prefer));
    await expectSameAsGet(path, await orderStep(orderId, 'delivery', prefer));
    await expectSameAsGet(path, await returnItems(orderId, [{ sku, quantity: 1 }], prefer));
    await expectSameAsGet(path, await returnItems(orderId, [{ sku, quantity: 1 }], prefer));
    const cancelled = await orderAfter([]);
    await expectSameAsGet(`/orders/${cancelled.orderId}`, await orderStep(cancelled.orderId, 'cancellation', prefer));
  });

  it('is not honoured by a refusal', async () => {
    const answer = await orderStep(crypto.randomUUID(), 'delivery', prefer);
    expect(answer.status).toBe(404);
    expect(applied(answer)).toBeNull();
  });
});

describe('Prefer: wait', () => {
  it('answers after the projections have the event, so that a read without a token finds it', async () => {
    const { answer, orderId } = await placeOrder({}, { Prefer: 'wait=5' });
    expect(applied(answer)).toBe('wait=5');
    expect((await get(`/orders/${orderId}`)).headers.get('X-Read-From')).toBe('read-model');
  });

  it('works beside return=representation, also in quotes, in capitals and among unknown preferences', async () => {
    const prefer = 'foo="a, wait=9; \\" x", WAIT="5" , respond-async, return=representation; bar=1';
    const { answer, productId } = await createProduct({}, { Prefer: prefer });
    expect(applied(answer)).toBe('wait=5, return=representation');
    expect(await json(answer)).toEqual(await json(get(`/products/${productId}`)));
  });

  it.each(['wait=0', 'wait=11', 'wait=-1', 'wait=1.5', 'wait=1e0', 'wait=0x5', 'wait', 'wait=', 'wait=soon'])(
    'leaves "%s" alone and answers at once',
    async (prefer) => {
      const { answer, productId } = await createProduct({}, { Prefer: prefer });
      expect(answer.status).toBe(201);
      expect(applied(answer)).toBeNull();
      expect((await get(`/products/${productId}`)).status).toBe(404);
    },
  );

  it('uses the first if a preference is there twice', async () => {
    const { answer } = await createProduct({}, { Prefer: 'wait=5, wait=0, return=representation, return=minimal' });
    expect(applied(answer)).toBe('wait=5, return=representation');
    expect(applied((await createProduct({}, { Prefer: 'wait=0, wait=5' })).answer)).toBeNull();
  });

  it('is honoured even if the database fails for a moment', async () => {
    const { database, calls } = faultyDatabase(env.SERVING_DB, {
      beforeBatch(number) {
        if (number <= 3) throw new Error('D1_ERROR: Network connection lost.');
      },
    });
    ports.database = (bindings, group) => (group === serving ? database : production.database(bindings, group));
    const { answer } = await createProduct({}, { Prefer: 'wait=5' });
    expect(applied(answer)).toBe('wait=5');
    expect(calls.batches).toBeGreaterThan(3);
  });

  it('that is not met in time keeps the write, and answers as without it', async () => {
    const { sku } = await createProduct();
    const { database } = faultyDatabase(env.SERVING_DB, { beforeBatch: () => new Promise(() => undefined) });
    ports.database = () => database;
    const answer = await post(
      '/orders',
      { customerId: 'c', customerName: 'n', items: [{ sku, quantity: 1 }] },
      { Prefer: 'wait=1, return=representation' },
    );
    expect(answer.status).toBe(201);
    expect(applied(answer)).toBe('return=representation');
    expect(await json(answer)).toMatchObject({ status: 'placed', version: 1 });
  });
});

describe('an unknown value of Prefer', () => {
  it.each([
    'respond-async',
    'handling=lenient',
    'return=minimal',
    '',
    ',,;=',
    'return="representation',
    'return=nothing',
  ])('is ignored: "%s"', async (prefer) => {
    const product = { name: 'Lamp', price: eur(1), category: 'lamps', sku: newSku() };
    const answer = await post('/products', product, { Prefer: prefer });
    expect(answer.status).toBe(201);
    expect(applied(answer)).toBeNull();
    expect(Object.keys(await json(answer))).toEqual(['productId', 'version']);
  });
});
