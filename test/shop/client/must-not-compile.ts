/*
 * Mistakes that a client generated from the OpenAPI document has to catch: each line below a comment `Mistake` is refused, and no other.
 */
import type { CloudEvent, GetOrderResponses, Order, OrderHistoryItem } from './client';
import { getOrder, listOrders, placeOrder, shipOrder, updatePrice } from './client';

const items = [{ sku: 'TIDE-2027', quantity: 2 }];

// Mistake: a number is no text.
placeOrder({ body: { customerId: 1, customerName: 'Ada', items } });
// Mistake: a required field is missing.
placeOrder({ body: { customerId: 'c-1', items } });
// Mistake: an unknown field.
placeOrder({ body: { customerId: 'c-1', customerName: 'Ada', items, discount: 1 } });
// Mistake: a line of another form.
placeOrder({ body: { customerId: 'c-1', customerName: 'Ada', items: [{ sku: 1, quantity: 2 }] } });
// Mistake: there is no body.
placeOrder({});
// Mistake: a text is no tracking number of this type.
shipOrder({ path: { orderId: 'x' }, body: { tracking: 1 } });
// Mistake: a price is an amount and a currency.
updatePrice({ path: { productId: 'x' }, body: { price: 1, reason: 'Sale' } });
// Mistake: no such status.
listOrders({ query: { status: 'lost' } });
// Mistake: an id is missing.
getOrder({ path: {} });

export async function read(): Promise<void> {
  const { data, error } = await getOrder({ path: { orderId: 'x' } });
  // Mistake: with 202 there is no order yet.
  console.log(data?.total);
  // Mistake: which members a problem has depends on its code.
  console.log(error?.currentVersion);
  // Mistake: no such code.
  console.log(error?.code === 'sku-taken');
}

export function look(order: GetOrderResponses[200], event: CloudEvent, item: OrderHistoryItem): void {
  // Mistake: an order has no such field.
  console.log(order.price);
  // Mistake: not every event has it.
  console.log(event.data.tracking);
  // Mistake: a product's event is not in the history of an order.
  console.log(item.type === 'PriceUpdated');
  // Mistake: a version is a number.
  const { version }: { version: string } = order;
  console.log(version);
}

// Mistake: a receipt is no order.
export const order: Order = { orderId: 'x', version: 1 };
