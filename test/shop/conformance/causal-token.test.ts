import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';

import type { CausalToken } from '../../../src/tidemark/queries/causal-token.ts';
import { tokenCodec } from '../../../src/tidemark/queries/token-codec.ts';
import { productIdOf } from '../../../src/shop/products/product.ts';
import { type Headers, asOperator, eventsOf, get, json, post, request, withToken } from '../../support/api.ts';
import { createProduct, eur, newSku, orderStep, placeOrder } from '../api.ts';
import { expectProblem } from '../../support/problem.ts';
import { secretOf, seenVersions, workersCodec } from '../../support/tokens.ts';

const current = workersCodec();
const previous = tokenCodec([env.CAUSAL_TOKEN_PREVIOUS_KEY ?? '']);

const tokenOf = (answer: Response) => answer.headers.get('X-Causal-Token');

/** A token that has seen these versions, signed as the server signs. */
async function seen(versions: Readonly<Record<string, number>>, codec = current): Promise<Headers> {
  const token: CausalToken = { streams: seenVersions(versions), bookmarks: new Map() };
  return { 'X-Causal-Token': await codec.encode(token) };
}

/** One request for every causal route and every kind of answer that it gives. */
async function oneOfEach(
  headers: Headers = {},
): Promise<readonly (readonly [what: string, answer: () => Promise<Response>])[]> {
  const { productId, sku } = await createProduct();
  const { orderId, stream } = await placeOrder({ items: [{ sku, quantity: 1 }] });
  const unread = await placeOrder();
  const unknown = crypto.randomUUID();
  const order = { customerId: 'c', customerName: 'n', items: [{ sku, quantity: 1 }] };
  const product = { name: 'A', price: eur(1), category: 'b', sku: newSku() };
  const operator = { ...headers, ...asOperator };
  return [
    ['POST /products 201', () => post('/products', product, headers)],
    ['POST /products 409', () => post('/products', { ...product, sku }, headers)],
    ['POST /products 415', () => request('POST', '/products', headers, 'x')],
    ['POST /price 200', () => post(`/products/${productId}/price`, { price: eur(1), reason: 'r' }, headers)],
    ['POST /price 422', () => post(`/products/${productId}/price`, { price: eur(0), reason: 'r' }, headers)],
    ['POST /orders 201', () => post('/orders', order, headers)],
    ['POST /orders 400', () => post('/orders', {}, headers)],
    ['POST /orders 413', () => post('/orders', { ...order, customerName: 'x'.repeat(70_000) }, headers)],
    ['POST /orders 422', () => post('/orders', { ...order, items: [{ sku: newSku(), quantity: 1 }] }, headers)],
    ['POST /delivery 409', () => orderStep(orderId, 'delivery', headers)],
    ['POST /shipment 412', () => orderStep(orderId, 'shipment', { ...headers, 'If-Match': '"9"' })],
    ['POST /shipment 200', () => orderStep(orderId, 'shipment', headers)],
    ['POST /cancellation 404', () => orderStep(unknown, 'cancellation', headers)],
    ['POST /returns 400', () => post('/orders/1/returns', {}, headers)],
    ['GET /products 200', () => get('/products', headers)],
    ['GET /products 400', () => get('/products?limit=0', headers)],
    [
      'GET /products/{productId} 304',
      () => get(`/products/${productId}`, { ...headers, 'X-Version': '1', 'If-None-Match': '*' }),
    ],
    ['GET /products/{productId} 404', () => get(`/products/${unknown}`, headers)],
    ['GET /orders 200', () => get('/orders', headers)],
    ['GET /orders 400', () => get('/orders?cursor=x', headers)],
    ['GET /orders/{orderId} 200', () => get(`/orders/${orderId}`, { ...headers, 'X-Version': '1' })],
    [
      'GET /orders/{orderId} 202',
      () => get(`/orders/${unread.orderId}`, { ...headers, 'X-Version': '1', Prefer: 'respond-async' }),
    ],
    ['GET /orders/{orderId} 400', () => get(`/orders/${orderId}`, { ...headers, 'X-Version': 'x' })],
    ['GET /orders/{orderId} 409', () => get(`/orders/${orderId}`, { ...headers, 'X-Version': '9' })],
    ['GET /orders/{orderId}?asOf 200', () => get(`/orders/${orderId}?asOf=1`, operator)],
    ['GET /history 200', () => get(`/orders/${orderId}/history`, operator)],
    ['GET /streams 200', () => get(`/streams/${stream}/events`, operator)],
    ['GET /streams 404', () => get(`/streams/order-${unknown}/events`, operator)],
  ];
}

describe('every answer of every causal route', () => {
  it('carries a valid token: good answers and problems', async () => {
    for (const [what, ask] of await oneOfEach()) {
      const answer = await ask();
      expect(`${what}: ${answer.status}`).toBe(`${what}: ${what.split(' ').at(-1)}`);
      expect(tokenOf(answer), what).toMatch(/^[A-Za-z0-9_-]{1,4096}$/);
      expect((await get('/orders?limit=1', withToken(answer))).status, what).toBe(200);
    }
  });

  it('refuses an invalid token before anything else, and has a new one', async () => {
    for (const [what, ask] of await oneOfEach({ 'X-Causal-Token': 'garbage' })) {
      const answer = await ask();
      await expectProblem(answer, 400, 'invalid-causal-token');
      expect((await get('/orders?limit=1', withToken(answer))).status, what).toBe(200);
    }
  });

  it('keeps the content of the token, if it refuses a command', async () => {
    const { productId, answer } = await createProduct();
    const refused = await orderStep(crypto.randomUUID(), 'shipment', withToken(answer));
    expect((await get(`/products/${productId}`, withToken(refused))).status).toBe(200);
  });
});

describe('a token', () => {
  it('that was forged, cut or stretched is 400, and the command is not applied', async () => {
    const { answer } = await createProduct();
    const token = tokenOf(answer) as string;
    const flip = (at: number) => token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
    const bad = [
      ...[0, 1, 5, 6, 12, Math.floor(token.length / 2), token.length - 3].map(flip),
      token.slice(0, -1),
      token.slice(4),
      token.slice(0, token.length / 2),
      `${token}A`,
      `${token}=`,
      '',
      'A',
      'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
      'null',
      '../../etc/passwd',
      'é',
      'A'.repeat(4097),
      'A'.repeat(30_000),
    ];
    const { orderId, stream } = await placeOrder();
    for (const each of bad) {
      await expectProblem(orderStep(orderId, 'shipment', { 'X-Causal-Token': each }), 400, 'invalid-causal-token');
    }
    expect(await eventsOf(stream)).toHaveLength(1);
  });

  it('signed with a key that is no longer accepted is 400', async () => {
    const foreign = await seen({}, tokenCodec([secretOf('a-key-from-long-ago')]));
    await expectProblem(get('/orders', foreign), 400, 'invalid-causal-token');
  });

  it('signed with the previous key is accepted, and answered with one of the current key', async () => {
    const { productId, stream } = await createProduct();
    const answer = await get(`/products/${productId}`, await seen({ [stream]: 1 }, previous));
    expect(answer.status).toBe(200);
    expect(await current.decode(tokenOf(answer) as string)).toMatchObject({
      streams: new Map([[stream, { version: 1 }]]),
    });
  });

  it('larger than 4 KiB is 400, even if it is signed', async () => {
    const many = Object.fromEntries(Array.from({ length: 200 }, () => [`order-${crypto.randomUUID()}`, 1]));
    const token = await seen(many);
    expect(token['X-Causal-Token']?.length).toBeGreaterThan(4096);
    await expectProblem(get('/products', token), 400, 'invalid-causal-token');
  });

  it('with more streams than an answer can carry drops the oldest, and the answer says so', async () => {
    const streams = Array.from({ length: 120 }, () => `order-${crypto.randomUUID()}`);
    const answer = await get('/products?limit=1', await seen(Object.fromEntries(streams.map((stream) => [stream, 1]))));
    expect([answer.status, answer.headers.get('X-Causal-Scope')]).toEqual([200, 'partial']);
    const kept = [...((await current.decode(tokenOf(answer) as string))?.streams.keys() ?? [])];
    expect(kept).toEqual(streams.slice(-kept.length));
    expect(kept.length).toBeGreaterThanOrEqual(90);
  });
});

describe('with the token, while the consumer never runs', () => {
  it('a client reads its latest write, in the resource and in the list', async () => {
    const category = newSku();
    const { productId, sku, answer } = await createProduct({ category });
    expect((await get(`/products/${productId}`)).status).toBe(404);
    expect((await get(`/products/${productId}`, withToken(answer))).status).toBe(200);
    const changed = await post(`/products/${productId}/price`, { price: eur(5), reason: 'r' });
    const { items } = await json(get(`/products?category=${category}`, withToken(changed)));
    expect(items).toMatchObject([{ sku, price: eur(5), version: 2 }]);
  });

  it('a third client with the tokens of two reads the writes of both', async () => {
    const category = newSku();
    const first = await createProduct({ category });
    const second = await createProduct({ category }, withToken(first.answer));
    const { items } = await json(get(`/products?category=${category}`, withToken(second.answer)));
    expect(items.map(({ productId }: { productId: string }) => productId)).toEqual([first.productId, second.productId]);
  });

  it('a client never sees an older state of a resource, neither in the resource nor in a list', async () => {
    const category = newSku();
    const { productId } = await createProduct({ category });
    const fromWriteStore = await get(`/products/${productId}`, { 'X-Version': '1' });
    expect((await json(get(`/products?category=${category}`, withToken(fromWriteStore)))).items).toHaveLength(1);
    const { orderId } = await placeOrder();
    const history = await get(`/orders/${orderId}/history`, asOperator);
    expect((await get(`/orders/${orderId}`, withToken(history))).status).toBe(200);
    const other = await placeOrder();
    const past = await get(`/orders/${other.orderId}?asOf=1`, asOperator);
    expect((await get(`/orders/${other.orderId}`, withToken(past))).status).toBe(200);
  });

  it('an order takes the price that its client has seen', async () => {
    const { productId, sku } = await createProduct();
    await placeOrder({ items: [{ sku, quantity: 1 }] });
    const changed = await post(`/products/${productId}/price`, { price: eur(7), reason: 'r' });
    const { answer } = await placeOrder(
      { items: [{ sku, quantity: 1 }] },
      withToken(changed, { Prefer: 'return=representation' }),
    );
    expect(await json(answer)).toMatchObject({ total: eur(7) });
  });
});

describe('a token beyond the head of its stream', () => {
  it('is 409 at once: one resource, list, history and past', async () => {
    const { orderId, stream } = await placeOrder();
    const gone = crypto.randomUUID();
    const headers = { ...asOperator, ...(await seen({ [stream]: 5 })) };
    const goneHeaders = { ...asOperator, ...(await seen({ [`order-${gone}`]: 2 })) };
    const paths = (id: string) =>
      ['', '/history', '?asOf=1', '?asOf=2099-01-01T00:00:00Z'].map((rest) => `/orders/${id}${rest}`);
    const startedAt = Date.now();
    for (const path of [...paths(orderId), '/orders', `/streams/${stream}/events`]) {
      const problem = await expectProblem(get(path, headers), 409, 'causal-token-ahead');
      expect(problem).toMatchObject({ stream, wanted: 5, head: 1 });
    }
    for (const path of [...paths(gone), '/orders', `/streams/order-${gone}/events`]) {
      const problem = await expectProblem(get(path, goneHeaders), 409, 'causal-token-ahead');
      expect(problem).toMatchObject({ wanted: 2, head: 0 });
    }
    // Eleven answers in less than the time that a single wait may take.
    expect(Date.now() - startedAt).toBeLessThan(1_000);
  });

  it('is 409 for an order of a product of which it has seen more, and places none', async () => {
    const { sku, stream } = await createProduct();
    const customerId = crypto.randomUUID();
    const items = [{ sku, quantity: 1 }];
    // Whether or not the price has just been read.
    for (const _ of [1, 2]) {
      const { answer } = await placeOrder({ customerId, items }, await seen({ [stream]: 5 }));
      expect(await expectProblem(answer, 409, 'causal-token-ahead')).toMatchObject({ stream, wanted: 5, head: 1 });
      await placeOrder({ items });
    }
    const gone = newSku();
    const goneStream = `product-${productIdOf(gone)}`;
    const { answer } = await placeOrder(
      { customerId, items: [{ sku: gone, quantity: 1 }] },
      await seen({ [goneStream]: 1 }),
    );
    expect(await expectProblem(answer, 409, 'causal-token-ahead')).toMatchObject({
      stream: goneStream,
      wanted: 1,
      head: 0,
    });
    const { answer: other } = await placeOrder();
    expect((await json(get(`/orders?customerId=${customerId}`, withToken(other)))).items).toEqual([]);
  });

  it('does not affect reads of another stream', async () => {
    const { stream } = await placeOrder();
    const other = await placeOrder();
    const headers = await seen({ [stream]: 5, [other.stream]: 1 });
    expect((await get(`/orders/${other.orderId}`, headers)).status).toBe(200);
    expect((await get('/products', headers)).status).toBe(200);
    expect((await orderStep(other.orderId, 'shipment', headers)).status).toBe(200);
    expect((await placeOrder({}, headers)).answer.status).toBe(201);
  });
});
