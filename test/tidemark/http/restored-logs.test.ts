import { afterEach, describe, expect, it } from 'vitest';

import { EMPTY_TOKEN, cutToSize, withVersion, withoutConfirmed } from '../../../src/tidemark/queries/causal-token.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import { takeUp } from '../../../src/tidemark/http/token-header.ts';
import type { Runtime } from '../../../src/tidemark/runtime/runtime.ts';
import { asOperator, eventsOf, get, json, post, withToken } from '../../support/api.ts';
import { createProduct, eur, newSku, orderStep, placeOrder } from '../../shop/api.ts';
import { deliverThrice, forgetDeadLetters } from '../../support/boards.ts';
import { expectProblem } from '../../support/problem.ts';
import { restoreLog } from '../../support/system.ts';
import { workersCodec } from '../../support/tokens.ts';

afterEach(forgetDeadLetters);

/** A product at EUR 2.00, whose log was set back to its creation at EUR 1.00; the read models, if they have that price, have not heard of that. */
async function restoredProduct({ isApplied = true } = {}) {
  const category = newSku();
  const product = await createProduct({ category, price: eur(100) });
  const path = `/products/${product.productId}`;
  const lost = await post(`${path}/price`, { price: eur(200), reason: 'r' }, isApplied ? { Prefer: 'wait=5' } : {});
  await restoreLog(product.stream as StreamId, 1);
  return { ...product, path, list: `/products?category=${category}`, lost };
}

describe('a client that has seen the lost version 2 (I21)', () => {
  it('is told so by commands, before and after there is another version 2', async () => {
    const { path, stream, sku, lost } = await restoredProduct();
    const price = (amount: number, headers = {}) => post(`${path}/price`, { price: eur(amount), reason: 'r' }, headers);
    const seenByClient = withToken(lost, { 'If-Match': lost.headers.get('ETag') ?? '' });
    await expectProblem(price(200, seenByClient), 409, 'causal-token-ahead');
    expect((await price(300)).status).toBe(200);
    const problem = await expectProblem(price(180, seenByClient), 409, 'causal-token-ahead');
    expect(problem).toMatchObject({ wanted: 2, head: 2, detail: expect.stringContaining('another event') as string });
    // Also where the version that was lost is not the latest any more.
    expect((await price(400)).status).toBe(200);
    await expectProblem(price(180, seenByClient), 409, 'causal-token-ahead');
    const order = await placeOrder({ items: [{ sku, quantity: 1 }] }, withToken(lost));
    await expectProblem(order.answer, 409, 'causal-token-ahead');
    expect(await eventsOf(stream)).toHaveLength(3);
  });

  it('is told so by the log', async () => {
    const order = await placeOrder();
    const path = `/orders/${order.orderId}`;
    const lost = await orderStep(order.orderId, 'shipment');
    await restoreLog(order.stream as StreamId, 1);
    await orderStep(order.orderId, 'cancellation');
    const paths = [`${path}/history`, `${path}?asOf=1`, `${path}?asOf=2`, `/streams/${order.stream}/events`];
    for (const each of [...paths, `${path}/history?fromVersion=2`, `/streams/${order.stream}/events?limit=1`])
      await expectProblem(get(each, withToken(lost, asOperator)), 409, 'causal-token-ahead');
  });

  it('is told so by a read model that stands at version 2: resource and list', async () => {
    const { path, list, lost } = await restoredProduct({ isApplied: false });
    const now = await post(`${path}/price`, { price: eur(300), reason: 'r' });
    expect((await get(path, withToken(now))).status).toBe(200);
    for (const each of [path, list]) await expectProblem(get(each, withToken(lost)), 409, 'causal-token-ahead');
  });

  it('is told so with X-Version too, where the log has lost all of its events', async () => {
    const { path, stream, answer } = await restoredProduct({ isApplied: false });
    await restoreLog(stream as StreamId, 0);
    await expectProblem(get(path, { 'X-Version': '1' }), 404, 'not-found');
    await expectProblem(get(path, withToken(answer, { 'X-Version': '2' })), 409, 'causal-token-ahead');
  });

  it('is not told that its command was applied to read models that are of the lost history', async () => {
    const { path } = await restoredProduct();
    const now = await post(`${path}/price`, { price: eur(300), reason: 'r' }, { Prefer: 'wait=1' });
    expect([now.status, now.headers.get('Preference-Applied')]).toEqual([200, null]);
  });

  it('goes on with what it has seen of other streams, and after a refusal knows the present version', async () => {
    const { path, answer } = await restoredProduct();
    const now = await post(`${path}/price`, { price: eur(300), reason: 'r' }, withToken(answer));
    expect(now.status).toBe(200);
    const refused = await post(`${path}/price`, { price: eur(400), reason: 'r' }, { 'If-Match': '"1"' });
    expect(refused.status).toBe(412);
    const again = await post(
      `${path}/price`,
      { price: eur(400), reason: 'r' },
      withToken(refused, { 'If-Match': '"2"' }),
    );
    expect(again.status).toBe(200);
  });
});

describe('a product whose log was restored, once a dead letter says so', () => {
  async function stoppedProduct() {
    const product = await restoredProduct();
    await deliverThrice({ stream: product.stream as StreamId, fromVersion: 3, toVersion: 3 });
    return product;
  }

  it('is 503 for everybody, with a token and without', async () => {
    const { path, answer, lost } = await stoppedProduct();
    for (const headers of [{}, withToken(answer), withToken(lost)]) {
      const problem = await expectProblem(get(path, headers), 503, 'projection-dead-letter');
      expect(problem).toMatchObject({ projection: 'product-catalog', has: 2 });
    }
    await expectProblem(get(`${path}/prices`), 503, 'projection-dead-letter');
  });

  it('is shown by the write store to those who ask for a version', async () => {
    const { path } = await stoppedProduct();
    const read = await get(path, { 'X-Version': '1' });
    expect(read.headers.get('X-Read-From')).toBe('write-store');
    expect(await json(read)).toMatchObject({ version: 1, price: eur(100) });
  });

  it('is not shown by the write store to those who have seen what was lost', async () => {
    const { path, lost } = await stoppedProduct();
    await expectProblem(get(path, withToken(lost, { 'X-Version': '1' })), 409, 'causal-token-ahead');
    await post(`${path}/price`, { price: eur(300), reason: 'r' });
    await post(`${path}/price`, { price: eur(400), reason: 'r' });
    for (const version of ['2', '3'])
      await expectProblem(get(path, withToken(lost, { 'X-Version': version })), 409, 'causal-token-ahead');
  });

  it('is named by a list to those whose token has it', async () => {
    const { list, answer, stream } = await stoppedProduct();
    expect((await get(list, withToken(answer))).headers.get('X-Causal-Incomplete')).toBe(stream);
    expect((await get(list)).headers.get('X-Causal-Incomplete')).toBeNull();
  });
});

describe('a token that left a stream out on day 10, before a restore on day 12', () => {
  const DAY_MS = 24 * 60 * 60 * 1000;
  const stream = 'product-1' as StreamId;
  const seen = withVersion(EMPTY_TOKEN, stream, 5);

  const takenUp = async (token: typeof seen, day: number, restoreEpoch: number) => {
    const codec = workersCodec();
    const runtime = { restoreEpoch, clock: { now: () => day * DAY_MS }, tokens: () => codec } as unknown as Runtime;
    return takeUp(runtime, await codec.encode(token));
  };

  it.each([
    ['had every read model reach it', withoutConfirmed(seen, [stream], 10 * DAY_MS)],
    ['had to forget it', cutToSize(seen, 0, 10 * DAY_MS)],
  ])('is refused for good where it %s (I21)', async (_, token) => {
    for (const day of [12, 41, 400])
      await expect(takenUp(token, day, 1)).rejects.toMatchObject({ code: 'causal-token-ahead' });
    // Without the restore it is complete again, once no database can be set back to before that.
    expect(await takenUp(token, 41, 0)).toMatchObject({ streams: new Map() });
    expect((await takenUp(token, 41, 0)).shortenedAt).toBeUndefined();
  });
});
