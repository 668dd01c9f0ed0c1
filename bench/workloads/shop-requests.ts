import type { Server } from '../harness/server.ts';
import { loadAll } from '../harness/load.ts';
import type { RequestTemplate } from '../load/load-protocol.ts';
import { productIdOf } from '../../src/shop/products/product.ts';
import { CREDENTIAL } from '../harness/credential.ts';

/** The n-th product of a contender. */
export const CREATE_PRODUCT: RequestTemplate = {
  method: 'POST',
  path: '/products',
  status: 201,
  body: '{"name":"Tide table {{n}}","price":{"amount":1999,"currency":"EUR"},"category":"almanacs","sku":"BENCH-{{n}}"}',
};

export const CHANGE_PRICE: RequestTemplate = {
  method: 'POST',
  path: '/products/{{id}}/price',
  status: 200,
  body: '{"price":{"amount":1{{n}},"currency":"EUR"},"reason":"Spring sale"}',
};

/** The same with a key of its own each time. */
export const CHANGE_PRICE_ONCE: RequestTemplate = { ...CHANGE_PRICE, headers: { 'idempotency-key': 'change-{{n}}' } };

/** Ten times three products, of {{id}} each. */
export const PLACE_ORDER: RequestTemplate = {
  method: 'POST',
  path: '/orders',
  status: 201,
  body: JSON.stringify({
    customerId: 'c-{{n}}',
    customerName: 'Ada Lovelace',
    customerSegment: 'retail',
    region: 'EU',
    items: ['BENCH-{{id}}', 'BENCH-1{{id}}', 'BENCH-2{{id}}'].map((sku, line) => ({ sku, quantity: 1 + line })),
  }),
};
/** What stands for `{{id}}` in it. */
export const ORDER_IDS: readonly string[] = Array.from({ length: 10 }, (_, digit) => String(digit));

/** Creates products, and returns their ids. */
export async function createProducts(server: Server, count: number): Promise<readonly string[]> {
  await loadAll({ url: server.url, connections: 16, pace: { type: 'closed', count }, request: CREATE_PRODUCT });
  return Array.from({ length: count }, (_, n) => productIdOf(`BENCH-${n}`));
}

/** One change by itself: how long it took, and which version it made. */
export async function changePrice(server: Server, id: string): Promise<{ tookMs: number; version: number }> {
  const startedAt = performance.now();
  const answer = await fetch(`${server.url}/products/${id}/price`, {
    method: 'POST',
    headers: { ...CREDENTIAL, 'content-type': 'application/json' },
    body: '{"price":{"amount":2099,"currency":"EUR"},"reason":"Spring sale"}',
  });
  await answer.arrayBuffer();
  const tookMs = performance.now() - startedAt;
  if (!answer.ok) throw new Error(`a price change was answered with ${answer.status}`);
  return { tookMs, version: Number(answer.headers.get('x-version')) };
}
