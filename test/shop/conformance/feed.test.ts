import { describe, expect, it } from 'vitest';

import { asOperator, get, post, withToken } from '../../support/api.ts';
import { type CloudEvent, endOfFeed, page, readFrom } from '../../support/feed.ts';
import { expectProblem } from '../../support/problem.ts';
import { createProduct, eur, orderStep, placeOrder } from '../api.ts';

const kinds = (events: readonly CloudEvent[]) =>
  events.map(({ source, streamversion, type }) => `${source} ${streamversion} ${type}`);

describe('GET /events', () => {
  it('filters by type and by category, with a cursor that advances over the other events', async () => {
    const from = await endOfFeed();
    const product = await createProduct();
    const prices = [1, 2, 3, 4, 5, 6];
    for (const amount of prices) {
      await post(`/products/${product.productId}/price`, { price: eur(amount), reason: 'Sale' });
    }
    const { answer, orderId, stream } = await placeOrder({ items: [{ sku: product.sku, quantity: 1 }] });
    const shipped = await orderStep(orderId, 'shipment', withToken(answer));
    await page(`after=${from}`, withToken(shipped));
    // The product is not in that token: its own event has to be brought up as well.
    const changed = await get(`/products/${product.productId}`, { 'X-Version': String(prices.length + 1) });
    await page(`after=${from}`, withToken(changed));

    const placed = await readFrom(from, 'limit=2&type=OrderPlaced');
    expect(kinds(placed)).toEqual([`/streams/${stream} 1 OrderPlaced`]);
    expect(kinds(await readFrom(from, 'limit=1&category=order'))).toEqual([
      `/streams/${stream} 1 OrderPlaced`,
      `/streams/${stream} 2 OrderShipped`,
    ]);
    const updates = await readFrom(from, 'limit=4&category=product&type=PriceUpdated');
    expect(updates.map(({ streamversion }) => streamversion)).toEqual([2, 3, 4, 5, 6, 7]);

    for (const nothing of ['category=order&type=ItemsReturned', 'type=ItemsReturned']) {
      const empty = await page(`${nothing}&after=${from}`);
      expect(empty.items).toEqual([]);
      expect(empty.nextCursor).not.toBe(from);
      // The place is the same one that an unfiltered reader gets to.
      expect(await page(`after=${empty.nextCursor}`)).toEqual({ items: [], nextCursor: empty.nextCursor });
    }
  });

  it('refuses an unknown type or category, and names the known ones', async () => {
    const detailsOf = async (query: string) => {
      const { errors } = await expectProblem(get(`/events?${query}`, asOperator), 400, 'invalid-field');
      return errors?.map(({ pointer, detail }) => `${pointer}: ${detail}`).join('\n');
    };
    for (const type of ['Nope', 'orderPlaced', "'%20OR%201=1", 'constructor'])
      expect(await detailsOf(`type=${type}`)).toMatch(/^\/type: .*"PriceUpdated".*"OrderPlaced"/);
    for (const category of ['orders', 'Order', '__proto__', 'archive'])
      expect(await detailsOf(`category=${category}`)).toMatch(/^\/category: .*"order"/);
    expect(await detailsOf('type=OrderPlaced&category=product')).toBe('/type: No event of `category` has this type.');
  });
});
