import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import type { WrittenStream } from '../../golden/written-stream.ts';
import { post } from '../../support/api.ts';
import { createProduct, eur, orderStep, returnItems } from '../api.ts';

/**
 * Has today's code write every type of event, in every form that its data may have: what may be null, once with and once without. Whoever
 * adds an event type adds the command that writes it.
 */
export async function writtenToday(): Promise<readonly WrittenStream[]> {
  const products = [await createProduct(), await createProduct()];
  const items = products.map(({ sku }) => ({ sku, quantity: 2 }));
  const [first] = products;
  await post(`/products/${first?.productId}/price`, { price: eur(2499), reason: 'Paper' });
  await post(`/products/${first?.productId}/price`, { price: eur(1799), reason: 'Spring sale' });

  const back = await place({ customerId: 'c-1', customerName: 'Ada Lovelace', items });
  await post(`/orders/${back.orderId}/shipment`, { tracking: 'JD0146' });
  await orderStep(back.orderId, 'delivery');
  await returnItems(back.orderId, [{ sku: items[0]?.sku ?? '', quantity: 1 }]);
  await returnItems(back.orderId, [
    { sku: items[0]?.sku ?? '', quantity: 1 },
    { sku: items[1]?.sku ?? '', quantity: 2 },
  ]);

  const person = { customerId: 'c-2', customerName: 'Grace Hopper', customerSegment: 'retail', region: 'EU' };
  const shipped = await place({ ...person, items: items.slice(0, 1) });
  await post(`/orders/${shipped.orderId}/shipment`, { tracking: 'JD0147', carrier: 'DHL' });

  const withoutCarrier = await place({ ...person, items });
  await post(`/orders/${withoutCarrier.orderId}/shipment`, { tracking: 'JD0148' });

  const cancelled = await place({ ...person, items });
  await orderStep(cancelled.orderId, 'cancellation');
  return [{ stream: first?.stream as StreamId }, back, shipped, withoutCarrier, cancelled];
}

async function place(body: object): Promise<WrittenStream & { readonly orderId: string }> {
  const created = { path: '/orders', key: `golden-${crypto.randomUUID()}`, body };
  const answer = await post(created.path, body, { 'Idempotency-Key': created.key });
  const { orderId } = await answer.json<{ orderId: string }>();
  return { orderId, stream: `order-${orderId}` as StreamId, created };
}
