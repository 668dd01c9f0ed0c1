import { describe, expect, it } from 'vitest';

import { eventsOf, get, json, post, withToken } from '../../support/api.ts';
import { createProduct, eur, orderAfter, orderStep, placeOrder } from '../api.ts';
import { expectProblem } from '../../support/problem.ts';

async function productAtVersion2() {
  const product = await createProduct();
  const change = (headers: Record<string, string>) =>
    post(`/products/${product.productId}/price`, { price: eur(1), reason: 'Sale' }, headers);
  await change({});
  return { ...product, change };
}

describe('an expected version', () => {
  it.each<Record<string, string>>([
    { 'If-Match': '"2"' },
    { 'If-Match': 'W/"2"' },
    { 'If-Match': 'W/"2"', 'X-Version': '2' },
    { 'If-Match': '*' },
    { 'X-Version': '2' },
    { 'If-Match': '"2"', 'X-Version': '2' },
    { 'If-Match': '*', 'X-Version': '2' },
  ])('that is the current one is met: %j', async (headers) => {
    const { change } = await productAtVersion2();
    const answer = await change(headers);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('X-Version')).toBe('3');
  });

  it.each<Record<string, string>>([
    { 'If-Match': '"1"' },
    { 'If-Match': 'W/"1"' },
    { 'If-Match': '"3"' },
    { 'X-Version': '1' },
    { 'X-Version': '9007199254740991' },
    { 'If-Match': '*', 'X-Version': '1' },
  ])('that is another is 412 with the current version, and appends nothing: %j', async (headers) => {
    const { change, stream } = await productAtVersion2();
    const problem = await expectProblem(change(headers), 412, 'version-mismatch');
    expect(problem['currentVersion']).toBe(2);
    expect(await eventsOf(stream)).toHaveLength(2);
  });

  it.each<Record<string, string>>([
    { 'If-Match': 'w/"2"' },
    { 'If-Match': 'W/2' },
    { 'If-Match': 'W/"1", W/"2"' },
    { 'If-Match': 'W/"1"', 'X-Version': '2' },
    { 'If-Match': '"1", "2"' },
    { 'If-Match': '"2", *' },
    { 'If-Match': '2' },
    { 'If-Match': '"two"' },
    { 'If-Match': '"2' },
    { 'If-Match': '"0"' },
    { 'If-Match': '"02"' },
    { 'If-Match': '""' },
    { 'If-Match': '"1"', 'X-Version': '2' },
    { 'If-Match': '"2"', 'X-Version': '1' },
    { 'X-Version': 'abc' },
    { 'X-Version': '0' },
    { 'X-Version': '-1' },
    { 'X-Version': '+1' },
    { 'X-Version': '1.5' },
    { 'X-Version': '2.0' },
    { 'X-Version': '1e3' },
    { 'X-Version': '0x2' },
    { 'X-Version': '02' },
    { 'X-Version': '2, 2' },
    { 'X-Version': '' },
    { 'X-Version': '9007199254740993' },
    { 'X-Version': '"2"' },
  ])('that is none is 400, and appends nothing: %j', async (headers) => {
    const { change, stream } = await productAtVersion2();
    await expectProblem(change(headers), 400, 'invalid-header');
    expect(await eventsOf(stream)).toHaveLength(2);
  });

  it('holds for every command on an existing aggregate', async () => {
    const stale = { 'If-Match': '"9"' };
    const placed = await placeOrder();
    const shipped = await orderAfter(['shipment']);
    const delivered = await orderAfter(['shipment', 'delivery']);
    const returned = { items: delivered.items, reason: 'Water damage' };
    for (const answer of [
      orderStep(placed.orderId, 'shipment', stale),
      orderStep(placed.orderId, 'cancellation', stale),
      orderStep(shipped.orderId, 'delivery', stale),
      post(`/orders/${delivered.orderId}/returns`, returned, stale),
    ]) {
      await expectProblem(answer, 412, 'version-mismatch');
    }
    expect(await eventsOf(delivered.stream)).toHaveLength(3);
  });

  it('of an aggregate that does not exist is 404, not 412', async () => {
    await expectProblem(orderStep(crypto.randomUUID(), 'shipment', { 'If-Match': '"1"' }), 404, 'not-found');
    await expectProblem(orderStep(crypto.randomUUID(), 'shipment', { 'If-Match': '*' }), 404, 'not-found');
  });

  it('may be the ETag of any answer about the resource', async () => {
    const { orderId, answer } = await placeOrder();
    const read = await get(`/orders/${orderId}`, withToken(answer));
    expect(read.headers.get('ETag')).toBe(answer.headers.get('ETag'));
    const shipped = await orderStep(orderId, 'shipment', { 'If-Match': read.headers.get('ETag') as string });
    expect(shipped.headers.get('ETag')).toBe('"2"');
  });

  it('lets exactly one of many writers through', async () => {
    const { change, stream } = await productAtVersion2();
    const answers = await Promise.all(Array.from({ length: 8 }, () => change({ 'If-Match': '"2"' })));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 412)).toHaveLength(7);
    expect(await eventsOf(stream)).toHaveLength(3);
  });

  it('that did not match lets the client read at least the version in the problem', async () => {
    const { productId, change } = await productAtVersion2();
    const refused = await change({ 'If-Match': '"1"' });
    expect(await json(get(`/products/${productId}`, withToken(refused)))).toMatchObject({ version: 2, price: eur(1) });
  });
});
