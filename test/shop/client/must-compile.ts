/*
 * What a program does with a client that was generated from the OpenAPI document. It is compiled, and never run.
 */
import {
  type AnalyzeOrdersData,
  type CloudEvent,
  type GetOrderResponses,
  type GetProductResponses,
  type NotYet,
  type Order,
  type OrderLine,
  type OrderPage,
  type OrderPlaced,
  type OrderReceipt,
  type PlaceOrder,
  type PlaceOrderResponses,
  type Product,
  createProduct,
  getEvents,
  getOrder,
  getOrderHistory,
  getStream,
  listOrders,
  placeOrder,
  shipOrder,
  updatePrice,
} from './client';
import { client } from './client/client.gen';

type Same<One, Other> = (<T>() => T extends One ? 1 : 2) extends <T>() => T extends Other ? 1 : 2 ? true : false;

/** The type of an order includes neither the 202 answer nor a receipt. */
export const answers: [
  Same<GetOrderResponses[200], Order>,
  Same<GetOrderResponses[202], NotYet>,
  Same<GetProductResponses[200], Product>,
  Same<PlaceOrderResponses[201], OrderReceipt | Order>,
] = [true, true, true, true];

export async function buy(body: PlaceOrder): Promise<string> {
  await createProduct({
    body: { name: 'Tide table', category: 'almanacs', sku: 'TIDE-2027', price: { amount: 1999, currency: 'EUR' } },
  });
  const { data, error } = await placeOrder({ body, headers: { 'Idempotency-Key': 'checkout-1' } });
  if (data) {
    // A receipt and the resource have these in common.
    const { orderId, version }: { orderId: string; version: number } = data;
    return 'status' in data ? `${orderId} is ${data.status}` : `${orderId} at ${version}`;
  }
  // The code tells which further members a problem has.
  switch (error?.code) {
    case 'invalid-field':
      return error.errors.map(({ pointer, detail }) => `${pointer}: ${detail}`).join();
    case 'unknown-sku':
    case 'duplicate-sku':
      return error.skus.join();
    case 'mixed-currencies':
      return error.currencies.join();
    default:
      return error?.detail ?? '';
  }
}

export async function sumOf(orderId: string): Promise<number> {
  const { data } = await getOrder({ path: { orderId } });
  if (!data || 'wanted' in data) return 0;
  const order: Order = data;
  const lines: OrderLine[] = order.items;
  return lines.reduce((sum, { unitPrice, quantity, returned }) => sum + unitPrice.amount * (quantity - returned), 0);
}

export async function ship(orderId: string, version: number): Promise<number> {
  const { data, error } = await shipOrder({
    path: { orderId },
    body: { tracking: 'JD0146' },
    headers: { 'If-Match': `"${version}"` },
  });
  if (error?.code === 'version-mismatch') return error.currentVersion;
  return data?.version ?? 0;
}

export async function discount(productId: string): Promise<void> {
  await updatePrice({ path: { productId }, body: { price: { amount: 1, currency: 'EUR' }, reason: 'Sale' } });
}

export async function firstPage(): Promise<OrderPage | undefined> {
  const { data } = await listOrders({ query: { status: 'placed', limit: 10 } });
  return data;
}

/** Another form of an answer than the operation's own: no generator takes `Accept` from an OpenAPI document. */
export async function csv(): Promise<string | undefined> {
  const query: AnalyzeOrdersData['query'] = { groupBy: 'region' };
  const { data } = await client.get<{ 200: string }>({
    url: '/analytics/orders',
    query,
    headers: { Accept: 'text/csv' },
  });
  return data;
}

/** The type of an event tells what its data hold. */
export function textOf(event: CloudEvent): string {
  switch (event.type) {
    case 'OrderPlaced': {
      const data: OrderPlaced = event.data;
      return data.lines.map(({ sku, quantity }) => `${quantity} ${sku}`).join();
    }
    case 'OrderShipped':
      return `${event.data.tracking} ${event.data.carrier ?? ''}`;
    case 'PriceUpdated':
      return `${event.data.from.amount} ${event.data.to.amount}`;
    case 'ProductCreated':
      return event.data.name;
    case 'OrderCancelled':
    case 'ItemsReturned':
      return event.data.reason;
    default:
      return event.subject;
  }
}

export async function follow(after: string, orderId: string): Promise<readonly (string | undefined)[]> {
  const feed = await getEvents({ query: { after } });
  const log = await getStream({ path: { stream: `order-${orderId}` } });
  const history = await getOrderHistory({ path: { orderId } });
  return [
    ...(feed.data?.items ?? []).map(textOf),
    ...(log.data?.items ?? []).map((event) => (event.type === 'OrderShipped' ? event.data.tracking : undefined)),
    ...(history.data?.items ?? []).map((item) => (item.type === 'OrderCancelled' ? item.data.reason : undefined)),
  ];
}
