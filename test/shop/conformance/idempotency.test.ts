import { describe, expect, it } from 'vitest';

import { eventsOf, get, json, post, request, withToken } from '../../support/api.ts';
import { createProduct, eur, newSku, orderAfter, orderStep, placeOrder } from '../api.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import { ports, production } from '../../support/platform.ts';
import { expectProblem } from '../../support/problem.ts';
import { restoreLog } from '../../support/system.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

const withKey = (key: string = crypto.randomUUID()) => ({ 'Idempotency-Key': key });

const replayed = (answer: Response) => answer.headers.get('Idempotency-Replayed');

/** What a client goes by: an answer and its replay have to agree in it. */
async function outcome(answer: Response) {
  const [version, etag, location] = ['X-Version', 'ETag', 'Location'].map((name) => answer.headers.get(name));
  return { status: answer.status, version, etag, location, body: await json(answer.clone()) };
}

async function expectReplay(again: Response, first: Response): Promise<void> {
  expect(replayed(first)).toBeNull();
  expect(replayed(again)).toBe('true');
  expect(await outcome(again)).toEqual(await outcome(first));
}

async function orderBody() {
  const product = await createProduct();
  return { body: { customerId: 'c', customerName: 'n', items: [{ sku: product.sku, quantity: 1 }] }, product };
}

const priceBody = (amount: number) => ({ price: eur(amount), reason: 'Sale' });

describe('a command that is sent again with its key', () => {
  it('answers the same, says that it was replayed, and appends nothing: a step', async () => {
    const { orderId, stream } = await placeOrder();
    const key = withKey();
    const first = await orderStep(orderId, 'shipment', key);
    await expectReplay(await orderStep(orderId, 'shipment', key), first);
    expect(await eventsOf(stream)).toHaveLength(2);
  });

  it('answers the same, says that it was replayed, and appends nothing: a create', async () => {
    const { body } = await orderBody();
    const key = withKey();
    const first = await post('/orders', body, key);
    const again = await post('/orders', body, key);
    await expectReplay(again, first);
    expect(await eventsOf(`order-${(await json(again)).orderId}`)).toHaveLength(1);
  });

  it('answers with its first outcome, although the state has changed since', async () => {
    const { productId, stream } = await createProduct();
    const key = withKey();
    const path = `/products/${productId}/price`;
    const first = await post(path, priceBody(1799), { ...key, Prefer: 'return=representation' });
    await post(path, priceBody(999));
    const again = await post(path, priceBody(1799), { ...key, Prefer: 'return=representation' });
    await expectReplay(again, first);
    expect(await json(again)).toMatchObject({ version: 2, price: eur(1799) });
    expect(await eventsOf(stream)).toHaveLength(3);
  });

  it('answers with its first outcome, although the expected version has passed', async () => {
    const { productId } = await createProduct();
    const headers = { ...withKey(), 'If-Match': '"1"' };
    const first = await post(`/products/${productId}/price`, priceBody(1799), headers);
    await expectReplay(await post(`/products/${productId}/price`, priceBody(1799), headers), first);
  });

  it('answers a create with its first outcome, although the order was cancelled since', async () => {
    const { body } = await orderBody();
    const key = withKey();
    const first = await post('/orders', body, key);
    await orderStep((await json(first.clone())).orderId, 'cancellation');
    await expectReplay(await post('/orders', body, key), first);
  });

  it('has a token with which a read shows the outcome', async () => {
    const { body } = await orderBody();
    const key = withKey();
    await post('/orders', body, key);
    const again = await post('/orders', body, key);
    const { orderId } = await json(again.clone());
    expect((await get(`/orders/${orderId}`, withToken(again))).status).toBe(200);
  });

  it('is one order for eight clients at once, and eight equal answers', async () => {
    const { body } = await orderBody();
    const key = withKey();
    const answers = await Promise.all(Array.from({ length: 8 }, () => post('/orders', body, key)));
    const outcomes = await Promise.all(answers.map(outcome));
    for (const each of outcomes) expect(each).toEqual(outcomes[0]);
    expect(answers.filter((answer) => replayed(answer) === null)).toHaveLength(1);
    expect(await eventsOf(`order-${outcomes[0]?.body.orderId}`)).toHaveLength(1);
  });

  it('reads no price again: neither a new one nor an unknown product changes the outcome', async () => {
    const { body, product } = await orderBody();
    const headers = { ...withKey(), Prefer: 'return=representation' };
    const first = await post('/orders', body, headers);
    await post(`/products/${product.productId}/price`, priceBody(1));
    ports.clockOffsetMs += 60_000;
    await expectReplay(await post('/orders', body, headers), first);
    ports.aggregateStub = (env, stream) => {
      const stub = production.aggregateStub(env, stream);
      if (!stream.startsWith('product-')) return stub;
      return { ...stub, state: async () => undefined };
    };
    ports.clockOffsetMs += 60_000;
    await expectProblem(post('/orders', body), 422, 'unknown-sku');
    await expectReplay(await post('/orders', body, headers), first);
  });

  it('reads no product: it answers although no product can be reached', async () => {
    const { body } = await orderBody();
    const headers = { ...withKey(), Prefer: 'return=representation' };
    const first = await post('/orders', body, headers);
    ports.clockOffsetMs += 60_000;
    ports.aggregateStub = (env, stream) => {
      if (stream.startsWith('product-')) throw Object.assign(new Error('overloaded'), { overloaded: true });
      return production.aggregateStub(env, stream);
    };
    await expectProblem(post('/orders', body, withKey()), 503, 'overloaded');
    await expectReplay(await post('/orders', body, headers), first);
    await expectProblem(post('/orders', { ...body, customerId: 'c-2' }, headers), 422, 'key-reused');
  });

  it('reads no product: it answers although the token has seen more of one than its log holds', async () => {
    const { body, product } = await orderBody();
    const key = withKey();
    const first = await post('/orders', body, key);
    const changed = await post(`/products/${product.productId}/price`, priceBody(1));
    await restoreLog(`product-${product.productId}` as StreamId, 1);
    ports.clockOffsetMs += 60_000;
    await expectProblem(post('/orders', body, withToken(changed, withKey())), 409, 'causal-token-ahead');
    await expectReplay(await post('/orders', body, withToken(changed, key)), first);
  });

  it('is found by an object with the code of a former Worker as well', async () => {
    const { body } = await orderBody();
    const key = withKey();
    const first = await post('/orders', body, key);
    ports.aggregateStub = (env, stream) => {
      const stub = production.aggregateStub(env, stream);
      const unknown = new TypeError('The RPC receiver does not implement "replay".');
      return {
        execute: (command) => stub.execute(command),
        replay: () => Promise.reject(Object.assign(unknown, { remote: true })),
        load: (fromVersion, limit) => stub.load(fromVersion, limit),
        currentVersion: () => stub.currentVersion(),
        state: (id, asOf) => stub.state(id, asOf),
      };
    };
    await expectReplay(await post('/orders', body, key), first);
  });
});

describe('a key', () => {
  it('of a create never expires', async () => {
    const { body } = await orderBody();
    const product = { name: 'Lamp', price: eur(1), category: 'lamps', sku: newSku() };
    const key = withKey();
    const first = { order: await post('/orders', body, key), product: await post('/products', product, key) };
    ports.clockOffsetMs += 4_000 * DAY_MS;
    await expectReplay(await post('/orders', body, key), first.order);
    await expectReplay(await post('/products', product, key), first.product);
    await expectProblem(post('/orders', { ...body, customerName: 'Other' }, key), 422, 'key-reused');
  });

  it('of any other command is kept for seven days', async () => {
    const { productId } = await createProduct();
    const key = withKey();
    const change = () => post(`/products/${productId}/price`, priceBody(1), key);
    const first = await change();
    ports.clockOffsetMs += 7 * DAY_MS - 60_000;
    await expectReplay(await change(), first);
    ports.clockOffsetMs += 120_000;
    expect((await change()).headers.get('X-Version')).toBe('3');
  });

  it('with another body is refused, and nothing is appended; even if only spaces differ, or the first body was optional', async () => {
    const { productId, stream } = await createProduct();
    const path = `/products/${productId}/price`;
    const key = withKey();
    const headers = { 'Content-Type': 'application/json', ...key };
    await post(path, priceBody(1), key);
    await expectProblem(post(path, priceBody(2), key), 422, 'key-reused');
    await expectProblem(request('POST', path, headers, JSON.stringify(priceBody(1), undefined, 1)), 422, 'key-reused');
    expect(await eventsOf(stream)).toHaveLength(2);
    const { orderId } = await orderAfter(['shipment']);
    expect((await request('POST', `/orders/${orderId}/delivery`, key)).status).toBe(200);
    await expectProblem(orderStep(orderId, 'delivery', key), 422, 'key-reused');
  });

  it('with another body on a create is refused, whatever the body would have come to', async () => {
    const { body } = await orderBody();
    const key = withKey();
    await post('/orders', body, key);
    await expectProblem(post('/orders', { ...body, customerId: 'c-2' }, key), 422, 'key-reused');
  });

  it('is not used up by a refusal', async () => {
    const { orderId } = await placeOrder();
    const key = withKey();
    await expectProblem(orderStep(orderId, 'delivery', key), 409, 'wrong-state');
    await expectProblem(orderStep(orderId, 'delivery', { ...key, 'If-Match': '"7"' }), 412, 'version-mismatch');
    await orderStep(orderId, 'shipment');
    const delivered = await orderStep(orderId, 'delivery', key);
    expect([delivered.status, replayed(delivered)]).toEqual([200, null]);
    const { body } = await orderBody();
    const unknown = { ...body, items: [{ sku: newSku(), quantity: 1 }] };
    await expectProblem(post('/orders', unknown, key), 422, 'unknown-sku');
    expect((await post('/orders', body, key)).status).toBe(201);
  });

  it('counts for its route and ids only', async () => {
    const key = withKey();
    const [one, other] = [await placeOrder({}, key), await placeOrder({}, withKey())];
    expect(one.orderId).not.toBe(other.orderId);
    for (const { orderId } of [one, other]) {
      for (const step of ['shipment', 'delivery'] as const) {
        const answer = await orderStep(orderId, step, key);
        expect([answer.status, replayed(answer)]).toEqual([200, null]);
      }
    }
  });

  it('on POST /products counts for its SKU only, in whatever form', async () => {
    const key = withKey();
    const product = { name: 'Lamp', price: eur(1), category: 'lamps', sku: newSku() };
    const answers = [
      await post('/products', product, key),
      await post('/products', { ...product, sku: newSku() }, key),
    ];
    expect(answers.map((answer) => [answer.status, replayed(answer)])).toEqual([
      [201, null],
      [201, null],
    ]);
    await expectProblem(
      post('/products', { ...product, sku: ` ${product.sku.toLowerCase()}` }, key),
      422,
      'key-reused',
    );
    await expectProblem(post('/products', product, withKey()), 409, 'sku-taken');
  });

  it.each(['', 'a b', 'a,\tb', 'é', 'x'.repeat(256)])('that is no key is 400: "%s"', async (key) => {
    const { orderId, stream } = await placeOrder();
    await expectProblem(orderStep(orderId, 'shipment', withKey(key)), 400, 'invalid-header');
    expect(await eventsOf(stream)).toHaveLength(1);
  });

  it.each(['x', '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~', 'x'.repeat(255)])(
    'may be any visible ASCII: "%s"',
    async (key) => {
      const { orderId } = await placeOrder();
      const first = await orderStep(orderId, 'shipment', withKey(key));
      await expectReplay(await orderStep(orderId, 'shipment', withKey(key)), first);
    },
  );
});
