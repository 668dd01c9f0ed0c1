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

describe('asOf', () => {
  async function shippedLater() {
    const { orderId } = await orderAfter([]);
    const at = async (asOf: string, headers: Headers = {}) =>
      get(`/orders/${orderId}?asOf=${encodeURIComponent(asOf)}`, { ...asOperator, ...headers });
    const placedAt = (await json(at('1'))).placedAt as string;
    // Two events of one millisecond could not be told apart by time.
    await expect.poll(() => Date.now()).toBeGreaterThan(Date.parse(placedAt) + 1);
    await post(`/orders/${orderId}/shipment`, { tracking: 'JD0146' });
    return { orderId, at, placedAt };
  }

  it('a version is the state as it was', async () => {
    const { orderId, at } = await shippedLater();
    const [first, second] = [await at('1'), await at('2')];
    expect([first, second].map((answer) => answer.headers.get('ETag'))).toEqual(['"1"', '"2"']);
    expect(await json(first)).toMatchObject({ status: 'placed', tracking: null, version: 1 });
    expect(await json(second)).toEqual(await json(get(`/orders/${orderId}`, { 'X-Version': '2' })));
  });

  it('a time is the state as it was, and a future time is now', async () => {
    const { at, placedAt } = await shippedLater();
    const version = async (time: string) => (await json(at(time))).version;
    expect(await version(placedAt)).toBe(1);
    expect(await version(placedAt.replace('Z', '+00:00'))).toBe(1);
    expect(await version('2999-01-01T00:00:00Z')).toBe(2);
    const inTokyo = new Date(Date.parse(placedAt) + 9 * 3_600_000).toISOString().replace('Z', '+09:00');
    expect(await version(inTokyo)).toBe(1);
  });

  it('before version 1 is 404, past the head 409 with the current version', async () => {
    const { at, placedAt } = await shippedLater();
    const before = new Date(Date.parse(placedAt) - 1).toISOString();
    for (const asOf of ['0', before, '1970-01-01T00:00:00Z']) await expectProblem(at(asOf), 404, 'not-found');
    for (const asOf of ['3', '999999999999999']) {
      const problem = await expectProblem(at(asOf), 409, 'version-ahead');
      expect(problem['currentVersion']).toBe(2);
    }
    await expectProblem(get(`/orders/${crypto.randomUUID()}?asOf=1`, asOperator), 404, 'not-found');
  });

  it('that is neither is 400, and so is a second one, or an X-Version that is none', async () => {
    const { at, orderId } = await shippedLater();
    for (const asOf of [
      '',
      '-1',
      '1.5',
      '1e3',
      'now',
      'yesterday',
      '2026-11-23',
      '2026-02-30T00:00:00Z',
      '2026-11-23T09:00:00',
      '1 ',
    ]) {
      expect(await expectInvalidFields(at(asOf))).toEqual(['/asOf']);
    }
    expect(await expectInvalidFields(get(`/orders/${orderId}?asOf=1&asOf=2`, asOperator))).toEqual(['/asOf']);
    await expectProblem(at('1', { 'X-Version': 'abc' }), 400, 'invalid-header');
  });

  it('takes If-None-Match', async () => {
    const { at } = await shippedLater();
    expect((await at('1', { 'If-None-Match': '"1"' })).status).toBe(304);
    expect((await at('1', { 'If-None-Match': '"2"' })).status).toBe(200);
  });
});
