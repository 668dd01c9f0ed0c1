import { env } from 'cloudflare:workers';
import { expect } from 'vitest';

import { type StreamId, streamId } from '../../../src/tidemark/domain/stream.ts';
import { type Headers, json, post, withToken } from '../../support/api.ts';
import { eur } from '../api.ts';
import type { Keyed } from './release.ts';

/*
 * The traffic of a release before its upgrade: one client, which sends its latest token each time.
 */

/** The commit that a release is written of. */
export const commit = env.UPGRADE_COMMIT ?? '';

/** Ids follow from SKUs and keys: those of two releases must not be the same. */
const skuOf = (name: string) => `${name}-${commit}`.toUpperCase();

/** The client's data: its token, the streams that it wrote to, and its commands with a key. */
export const client = { token: {} as Headers, streams: new Set<StreamId>(), keyed: [] as Keyed[] };

interface Written {
  readonly id: string;
  readonly stream: StreamId;
}

async function command(path: string, body: object, keyName?: string): Promise<Written> {
  const key = keyName && `${keyName}-${commit}`;
  const answer = await post(path, body, { ...client.token, ...(key !== undefined && { 'Idempotency-Key': key }) });
  const written = await json(answer);
  expect(answer.status, JSON.stringify(written)).toBeLessThan(300);
  client.token = withToken(answer);
  if (key !== undefined) client.keyed.push({ path, key, body, status: answer.status, answer: written });
  const [category, id] = 'orderId' in written ? ['order', written.orderId] : ['product', written.productId];
  const stream = streamId(category, id);
  client.streams.add(stream);
  return { id, stream };
}

function createProduct(sku: string, amount: number, category: string, key?: string): Promise<Written> {
  return command('/products', { name: `${category} ${sku}`, price: eur(amount), category, sku }, key);
}

export function changePrice(productId: string, amount: number, key?: string): Promise<Written> {
  return command(`/products/${productId}/price`, { price: eur(amount), reason: 'Spring sale' }, key);
}

/** An order of some almanacs and a chart, unless something else is asked for. */
export function placeOrder(customerId: string, sku?: string, quantity = 1, key?: string): Promise<Written> {
  const usual = [
    { sku: skuOf('ALM'), quantity: 3 },
    { sku: skuOf('CHART'), quantity: 1 },
  ];
  const segment = customerId === 'c-1' && { region: 'EU', customerSegment: 'retail' };
  const items = sku === undefined ? usual : [{ sku: skuOf(sku), quantity }];
  return command('/orders', { customerId, customerName: `Ada ${customerId}`, ...segment, items }, key);
}

export function ship(orderId: string, key?: string): Promise<Written> {
  return command(`/orders/${orderId}/shipment`, { tracking: `JD-${orderId.slice(-4)}` }, key);
}

function giveBack(orderId: string, sku: string, quantity: number): Promise<Written> {
  return command(`/orders/${orderId}/returns`, { items: [{ sku: skuOf(sku), quantity }], reason: 'Water damage' });
}

/** Products with and without other prices, and an order in each of its states. */
export async function trade() {
  const almanac = await createProduct(skuOf('ALM'), 1999, 'almanacs', 'create-product');
  const chart = await createProduct(skuOf('CHART'), 450, 'charts');
  await createProduct(skuOf('ATLAS'), 9_000_000_000, 'charts');
  const flag = await createProduct(skuOf('FLAG'), 100, 'flags');
  await changePrice(almanac.id, 1799, 'change-price');
  await changePrice(almanac.id, 1899);

  await placeOrder('c-1', undefined, 1, 'place-order');
  const shipped = await placeOrder('c-1');
  await ship(shipped.id, 'ship-order');
  const delivered = await placeOrder('c-2');
  const returned = await placeOrder('c-2', 'CHART', 2);
  for (const { id } of [delivered, returned]) {
    await ship(id);
    await command(`/orders/${id}/delivery`, {});
  }
  await giveBack(delivered.id, 'ALM', 1);
  for (const quantity of [1, 1]) await giveBack(returned.id, 'CHART', quantity);
  const cancelled = await placeOrder('c-1');
  await command(`/orders/${cancelled.id}/cancellation`, { reason: 'Ordered by mistake' });
  await placeOrder('c-2', 'ATLAS', 10_000);
  return { almanac, chart, flag, delivered };
}
