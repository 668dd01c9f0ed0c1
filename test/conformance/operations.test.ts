import { describe, expect, it } from 'vitest';

import {
  type Headers,
  asOperator,
  createProduct,
  eur,
  get,
  json,
  orderAfter,
  placeOrder,
  post,
  request,
} from '../support/api.ts';
import { expectInvalidFields, expectProblem } from '../support/problem.ts';

const KEY = 'an-operations-key-for-tests';

describe('what only the operator may see', () => {
  it.each<Headers>([
    {},
    { Authorization: '' },
    { Authorization: 'Bearer' },
    { Authorization: 'Bearer ' },
    { Authorization: 'Bearer wrong' },
    { Authorization: KEY },
    { Authorization: `Basic ${btoa(`operator:${KEY}`)}` },
    { Authorization: `Bearer ${KEY}x` },
    { Authorization: `Bearer ${KEY.slice(0, -1)}` },
    { Authorization: `Bearer ${KEY.toUpperCase()}` },
    { Authorization: `Bearer ${KEY}, Bearer ${KEY}` },
    { Authorization: `Bearer ${'x'.repeat(8000)}` },
  ])('is 401 with %j, whether it exists or not', async (headers) => {
    const { orderId, stream } = await placeOrder();
    for (const id of [orderId, crypto.randomUUID()]) {
      for (const path of [`/orders/${id}/history`, `/streams/order-${id}/events`, `/orders/${id}?asOf=1`]) {
        const answer = await get(path, headers);
        expect(answer.headers.get('WWW-Authenticate')).toBe('Bearer');
        await expectProblem(answer, 401, 'unauthorized');
      }
    }
    await expectProblem(request('GET', `/streams/${stream}/nonsense`, headers), 404, 'not-found');
  });

  it('is there with the key, whatever the case of the scheme', async () => {
    const { orderId, stream } = await placeOrder();
    for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
      for (const path of [`/orders/${orderId}/history`, `/streams/${stream}/events`, `/orders/${orderId}?asOf=1`]) {
        expect((await get(path, { Authorization: `${scheme} ${KEY}` })).status).toBe(200);
      }
    }
  });
});

describe('GET /orders/{orderId}/history', () => {
  it('tells what happened, in order, from the log itself', async () => {
    const { orderId } = await orderAfter(['shipment', 'delivery']);
    const { items, nextCursor } = await json(get(`/orders/${orderId}/history`, asOperator));
    expect(nextCursor).toBeNull();
    expect(items.map(({ version, type }: { version: number; type: string }) => [version, type])).toEqual([
      [1, 'OrderPlaced'],
      [2, 'OrderShipped'],
      [3, 'OrderDelivered'],
    ]);
    expect(Object.keys(items[1]).toSorted()).toEqual([
      'actor',
      'correlationId',
      'data',
      'recordedAt',
      'type',
      'version',
    ]);
    expect(items[1]).toMatchObject({ actor: 'anonymous', data: { tracking: 'JD0146', carrier: 'DHL' } });
  });

  it('of an order that does not exist is 404, and of what is no id 400', async () => {
    await expectProblem(get(`/orders/${crypto.randomUUID()}/history`, asOperator), 404, 'not-found');
    const problem = await expectProblem(get('/orders/1/history', asOperator), 400, 'invalid-id');
    expect(problem['parameters']).toEqual(['orderId']);
  });
});

describe('GET /streams/{stream}/events', () => {
  it('gives the events as they are stored', async () => {
    const { productId, stream } = await createProduct({}, { 'Idempotency-Key': 'k', 'X-Correlation-Id': 'c-1' });
    await post(`/products/${productId}/price`, { price: eur(1), reason: 'Sale' });
    const answer = await get(`/streams/${stream}/events`, asOperator);
    expect(answer.headers.get('X-Version')).toBe('2');
    const { items } = await json(answer);
    expect(items).toMatchObject([
      { stream, version: 1, type: 'ProductCreated', schemaVersion: 1, metadata: { correlationId: 'c-1' } },
      { stream, version: 2, type: 'PriceUpdated', schemaVersion: 1 },
    ]);
    expect(items[1].recordedAt >= items[0].recordedAt).toBe(true);
    expect(items[0].id).not.toBe(items[1].id);
  });

  it('is paged, from any version on, without a double or a gap while events are appended', async () => {
    const { productId, stream } = await createProduct();
    const change = (amount: number) => post(`/products/${productId}/price`, { price: eur(amount), reason: 'Sale' });
    for (const amount of [1, 2, 3, 4]) await change(amount);
    const seen: number[] = [];
    let appended = 0;
    for (let cursor: string | null = ''; cursor !== null;) {
      const more: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const page = await json(get(`/streams/${stream}/events?limit=2&fromVersion=2${more}`, asOperator));
      expect(page.items.length).toBeLessThanOrEqual(2);
      seen.push(...page.items.map(({ version }: { version: number }) => version));
      if (appended < 2) await change((appended += 1));
      cursor = page.nextCursor;
    }
    expect(seen).toEqual([2, 3, 4, 5, 6, 7]);
  });

  it('beyond the head is an empty page', async () => {
    const { stream } = await createProduct();
    for (const version of [2, 9_007_199_254_740_991]) {
      const page = await json(get(`/streams/${stream}/events?fromVersion=${version}`, asOperator));
      expect(page).toEqual({ items: [], nextCursor: null });
    }
  });

  it('refuses parameters that are none, and the cursor of another stream', async () => {
    const [one, other] = [await orderAfter(['shipment']), await orderAfter(['shipment'])];
    const path = (stream: string, query: string) => get(`/streams/${stream}/events?${query}`, asOperator);
    for (const value of ['0', '-1', 'x', '1.5', '', '9007199254740993']) {
      expect(await expectInvalidFields(path(one.stream, `fromVersion=${value}`))).toEqual(['/fromVersion']);
    }
    for (const value of ['0', '101', 'abc']) {
      expect(await expectInvalidFields(path(one.stream, `limit=${value}`))).toEqual(['/limit']);
    }
    expect(await expectInvalidFields(path(one.stream, 'from=1'))).toEqual(['/from']);
    const { nextCursor } = await json(path(one.stream, 'limit=1'));
    expect((await path(one.stream, `cursor=${nextCursor}`)).status).toBe(200);
    await expectProblem(path(other.stream, `cursor=${nextCursor}`), 400, 'invalid-cursor');
    await expectProblem(path(one.stream, 'cursor=x'), 400, 'invalid-cursor');
  });

  it.each([
    'order',
    'order-',
    '-1',
    'Order-1',
    'order_1',
    'order-%2F',
    'order-%00',
    'order-é',
    `order-${'x'.repeat(201)}`,
    '%20',
  ])('of what is no stream id is 400: %s', async (stream) => {
    await expectProblem(get(`/streams/${stream}/events`, asOperator), 400, 'invalid-id');
  });

  it('of a stream or a category that does not exist is 404', async () => {
    for (const stream of [
      `order-${crypto.randomUUID()}`,
      'order-1',
      `nothing-${crypto.randomUUID()}`,
      'constructor-1',
    ]) {
      await expectProblem(get(`/streams/${stream}/events`, asOperator), 404, 'not-found');
    }
  });
});
