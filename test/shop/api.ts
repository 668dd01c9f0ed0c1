import { type Headers, post } from '../support/api.ts';

let serial = 0;

/** A SKU that no other test has. */
export function newSku(): string {
  serial += 1;
  return `SKU-${serial}-${crypto.randomUUID().slice(0, 8)}`.toUpperCase();
}

export const eur = (amount: number) => ({ amount, currency: 'EUR' });

/** A product that exists, and the answer that created it. */
export async function createProduct(overrides: Record<string, unknown> = {}, headers: Headers = {}) {
  const sku = newSku();
  const answer = await post(
    '/products',
    { name: 'Tide table', price: eur(1999), category: 'almanacs', sku, ...overrides },
    headers,
  );
  const { productId } = await answer.clone().json<{ productId: string }>();
  return { answer, productId, sku: (overrides['sku'] as string | undefined) ?? sku, stream: `product-${productId}` };
}

/** An order that was placed (for a new product, unless `items` are given), and the answer that placed it. */
export async function placeOrder(overrides: Record<string, unknown> = {}, headers: Headers = {}) {
  const items = overrides['items'] ?? [{ sku: (await createProduct()).sku, quantity: 2 }];
  const answer = await post(
    '/orders',
    { customerId: 'c-1', customerName: 'Ada Lovelace', ...overrides, items },
    headers,
  );
  const { orderId } = await answer.clone().json<{ orderId: string }>();
  return { answer, orderId, items: items as { sku: string; quantity: number }[], stream: `order-${orderId}` };
}

/** The order after these steps, each with the body it needs, and the answer to the last one. */
export async function orderAfter(steps: readonly ('shipment' | 'delivery' | 'cancellation')[], quantity = 2) {
  const order = await placeOrder({ items: [{ sku: (await createProduct()).sku, quantity }] });
  let { answer } = order;
  for (const step of steps) answer = await orderStep(order.orderId, step);
  return { ...order, answer };
}

const STEP_BODIES = {
  shipment: { tracking: 'JD0146', carrier: 'DHL' },
  delivery: {},
  cancellation: { reason: 'Ordered by mistake' },
} as const;

/** One step of an order's life, with a body that is right. */
export function orderStep(orderId: string, step: keyof typeof STEP_BODIES, headers: Headers = {}): Promise<Response> {
  return post(`/orders/${orderId}/${step}`, STEP_BODIES[step], headers);
}

/** Returns items of an order, of its only line unless `items` are given. */
export function returnItems(
  orderId: string,
  items: readonly { readonly sku: string; readonly quantity: number }[],
  headers: Headers = {},
): Promise<Response> {
  return post(`/orders/${orderId}/returns`, { items, reason: 'Water damage' }, headers);
}
