import { describe, expect, it } from 'vitest';

import { decoded, seenVersions, workersCodec } from '../../support/tokens.ts';
import { MAX_TOKEN_STREAMS } from '../../../src/tidemark/http/limits.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import { get, json, post, withToken } from '../../support/api.ts';
import { expectProblem } from '../../support/problem.ts';
import { deliverEverything } from '../../support/queue.ts';
import { restoreLog } from '../../support/system.ts';
import { createProduct, eur, placeOrder } from '../api.ts';

/*
 * What a client has seen of products holds for the orders that read them.
 */

const codec = workersCodec();

/** The token of one client who has created as many products as a token holds, oldest first. */
async function fullToken() {
  const products = await Promise.all(Array.from({ length: MAX_TOKEN_STREAMS }, () => createProduct()));
  const streams = seenVersions(Object.fromEntries(products.map(({ stream }) => [stream, 1])));
  const header = { 'X-Causal-Token': await codec.encode({ streams, bookmarks: new Map() }) };
  return { header, oldest: products[0]?.stream };
}

const tokenOf = (answer: Response) => answer.headers.get('X-Causal-Token') ?? '';

/** The tokens of several answers, as one header. */
const withTokens = (...tokens: readonly string[]) => ({ 'X-Causal-Token': tokens.join(', ') });

describe('a seen version of one resource', () => {
  it('holds for the prices that an order reads: they are never older', async () => {
    const product = await createProduct({ price: eur(100) });
    // Another order puts the old price into the isolate's short memory.
    await placeOrder({ items: [{ sku: product.sku, quantity: 1 }] });
    const changed = await post(`/products/${product.productId}/price`, { price: eur(200), reason: 'Rise' });
    const order = await placeOrder({ items: [{ sku: product.sku, quantity: 1 }] }, withToken(changed));
    const placed = await json(get(`/orders/${order.orderId}`, withToken(order.answer)));
    expect(placed.total).toEqual(eur(200));
  });
});

describe('a token that has been shortened', () => {
  it('still makes an order read the price that the client has set, not the remembered one of the isolate', async () => {
    const { header } = await fullToken();
    await deliverEverything();
    const product = await createProduct({ price: eur(100) });
    const changed = await post(`/products/${product.productId}/price`, { price: eur(200), reason: 'Rise' }, header);
    await deliverEverything();
    // The change itself is confirmed everywhere and dropped too, while another order has put the old price into memory.
    const shortened = await post(
      `/products/${product.productId}/price`,
      { price: eur(300), reason: 'Rise' },
      withToken(changed),
    );
    await placeOrder({ items: [{ sku: product.sku, quantity: 1 }] });
    const again = await post(
      `/products/${product.productId}/price`,
      { price: eur(400), reason: 'Rise' },
      withToken(shortened),
    );
    const { streams, ...rest } = await decoded(again);
    const forgetful = {
      ...rest,
      streams: new Map([...streams].filter(([stream]) => stream !== product.stream)),
      shortenedAt: Date.now(),
    };
    const order = await placeOrder(
      { items: [{ sku: product.sku, quantity: 1 }] },
      { 'X-Causal-Token': await codec.encode(forgetful) },
    );
    expect((await json(get(`/orders/${order.orderId}`, withToken(order.answer)))).total).toEqual(eur(400));
  });
});

describe('a client that sends commands side by side', () => {
  it('can merge their tokens, so that an order comes after all of them', async () => {
    const [one, other] = await Promise.all([createProduct({ price: eur(100) }), createProduct({ price: eur(100) })]);
    const items = [one, other].map(({ sku }) => ({ sku, quantity: 1 }));
    // Puts the old prices into the isolate's short memory.
    await placeOrder({ items });
    const answers = await Promise.all(
      [one, other].map(({ productId }) => post(`/products/${productId}/price`, { price: eur(200), reason: 'Rise' })),
    );
    const order = await placeOrder({ items }, withTokens(...answers.map(tokenOf)));
    expect((await json(get(`/orders/${order.orderId}`, withTokens(tokenOf(order.answer))))).total).toEqual(eur(400));
  });
});

describe('a client that has seen a version of a product that a restore lost (I21)', () => {
  it('gets a problem for an order of it', async () => {
    const { productId, sku, stream } = await createProduct({ price: eur(100) });
    const change = (amount: number) => post(`/products/${productId}/price`, { price: eur(amount), reason: 'r' });
    const lost = await change(200);
    await restoreLog(stream as StreamId, 1);
    await change(300);
    await change(400);
    const order = await placeOrder({ items: [{ sku, quantity: 1 }] }, withToken(lost));
    await expectProblem(order.answer, 409, 'causal-token-ahead');
  });
});
