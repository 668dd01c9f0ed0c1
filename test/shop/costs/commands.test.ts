import { runInDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';

import { streamId } from '../../../src/tidemark/domain/stream.ts';
import { reporting, serving } from '../../../src/groups.ts';
import { get, post } from '../../support/api.ts';
import { createProduct, eur, placeOrder } from '../api.ts';
import { meter } from '../../support/billing.ts';
import { deliver, hintsOf, sentHints, takeHints } from '../../support/queue.ts';
import { alarmOf, settle } from '../../support/settle.ts';
import { add, newTally, objectOf } from '../../support/system.ts';

/*
 * What a command costs, counted at the object's storage and at the queue. These are budgets: if you raise one, say why in the commit.
 */

/** A product whose creation is over and done with. */
async function settledProduct() {
  const product = await createProduct();
  const stream = streamId('product', product.productId);
  await sentHints(1, stream);
  await settle(stream);
  return { ...product, stream };
}

const changePrice = (productId: string, headers = {}) =>
  post(`/products/${productId}/price`, { price: eur(1799), reason: 'Sale' }, headers);

describe('a price change, alone', () => {
  it('writes the event and the alarm, then no row in one alarm run for all groups, and sends one message to each', async () => {
    const { productId, stream } = await settledProduct();
    const bill = await meter(stream);
    expect((await changePrice(productId)).status).toBe(200);
    expect(bill.rowsWritten).toBe(2);

    await sentHints(1, stream);
    expect([hintsOf(stream, serving).length, hintsOf(stream, reporting).length]).toEqual([1, 0]);
    await deliver(takeHints(stream));
    expect([hintsOf(stream, serving).length, hintsOf(stream, reporting).length]).toEqual([0, 1]);
    await settle(stream);
    expect(bill.rowsWritten).toBe(2);
    expect(bill.alarmRuns).toBe(1);
  });

  it('writes no row more with an idempotency key, and none when it is replayed', async () => {
    const { productId, stream } = await settledProduct();
    const bill = await meter(stream);
    await changePrice(productId, { 'Idempotency-Key': 'sale' });
    expect(bill.rowsWritten).toBe(2);
    await changePrice(productId, { 'Idempotency-Key': 'sale' });
    expect(bill.rowsWritten).toBe(2);
  });

  it('reads at most five rows of a warm object, its message included', async () => {
    const { productId, stream } = await settledProduct();
    await changePrice(productId);
    await sentHints(1, stream);
    const bill = await meter(stream);
    await changePrice(productId);
    // Only once it has sent its message has the relay read what is in it.
    await sentHints(2, stream);
    // On a slow machine an alarm may run meanwhile, and read as well.
    expect(bill.rowsRead).toBeLessThanOrEqual(5 + 5 * bill.alarmRuns);
  });
});

describe('a burst', () => {
  it('of a hundred commands on one stream writes at most 1.1 rows a command and sends at most ten messages', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    await sentHints(1, stream);
    await settle(stream);
    const bill = await meter(stream);
    takeHints(stream);
    await Promise.all(Array.from({ length: 100 }, () => add(tallyId, 1)));
    await expect.poll(() => Math.max(...hintsOf(stream).map(({ toVersion }) => toVersion))).toBe(101);
    expect(hintsOf(stream).length).toBeLessThanOrEqual(10);
    await settle(stream);
    expect(bill.rowsWritten).toBeLessThanOrEqual(110);
  });
});

describe('a request that changes nothing', () => {
  it('writes nothing: a refusal, a read of the write side, a read of an unknown stream', async () => {
    const { productId, stream } = await settledProduct();
    const bill = await meter(stream);
    expect((await post(`/products/${productId}/price`, { price: eur(0), reason: 'Gift' })).status).toBe(422);
    expect((await get(`/products/${productId}`, { 'X-Version': '1' })).status).toBe(200);
    expect(bill.rowsWritten).toBe(0);

    const nobody = streamId('order', crypto.randomUUID());
    const none = await meter(nobody);
    expect((await get(`/orders/${nobody.slice('order-'.length)}`, { 'X-Version': '1' })).status).toBe(404);
    expect((await post(`/orders/${nobody.slice('order-'.length)}/cancellation`, { reason: 'x' })).status).toBe(404);
    expect(none.rowsWritten).toBe(0);
    expect(await alarmOf(nobody)).toBeNull();
  });
});

describe('creating', () => {
  it('an order creates one table, for its events, and writes one row into it', async () => {
    const { sku } = await createProduct();
    const first = await placeOrder({ items: [{ sku, quantity: 1 }] }, { 'Idempotency-Key': crypto.randomUUID() });
    const stored = await runInDurableObject(objectOf(streamId('order', first.orderId)), (_, { storage: { sql } }) => ({
      tables: sql
        .exec(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'`)
        .toArray(),
      events: sql.exec(`SELECT count(*) AS n FROM event`).one()['n'],
    }));
    expect(stored).toEqual({ tables: [{ name: 'event' }], events: 1 });
  });
});
