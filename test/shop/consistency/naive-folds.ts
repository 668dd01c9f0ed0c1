/** Folds one stream's events to an order or a product. Written from the HTTP contract, without the code under test. */
import { type StoredEvent, idOf } from '../../consistency/applied.ts';

export interface Money {
  readonly amount: number;
  readonly currency: string;
}

export interface Item {
  readonly sku: string;
  readonly name: string;
  readonly category: string;
  readonly quantity: number;
  readonly unitPrice: Money;
  readonly returned: number;
}

export const STATUSES = ['placed', 'shipped', 'delivered', 'returned', 'cancelled'] as const;
export type Status = (typeof STATUSES)[number];

/** The body of `GET /orders/{orderId}`. */
export interface Order {
  readonly orderId: string;
  readonly customerId: string;
  readonly customerName: string;
  readonly customerSegment: string | null;
  readonly region: string | null;
  readonly status: Status;
  readonly currency: string;
  readonly total: Money;
  readonly itemCount: number;
  readonly items: readonly Item[];
  readonly tracking: string | null;
  readonly carrier: string | null;
  readonly placedAt: string;
  readonly updatedAt: string;
  readonly version: number;
}

/** The body of `GET /products/{productId}`. */
export interface Product {
  readonly productId: string;
  readonly name: string;
  readonly sku: string;
  readonly category: string;
  readonly price: Money;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly version: number;
}

/** An item of `GET /products/{productId}/prices`. */
export interface PriceChange {
  readonly version: number;
  readonly from: Money | null;
  readonly to: Money;
  readonly reason: string | null;
  readonly actor: { readonly kind: string; readonly id: string };
  readonly changedAt: string;
}

/** Undefined when there is nothing of it. An event of a type that is not named here changes `updatedAt` alone. */
export function foldOrder(events: readonly StoredEvent[]): Order | undefined {
  let order: Order | undefined;
  for (const event of events) {
    const { type, data, version, recordedAt } = event;
    if (type === 'OrderPlaced') order = placed(event);
    if (!order) continue;
    order = { ...order, updatedAt: recordedAt, version };
    if (type === 'OrderShipped') {
      // Its first schema version had no carrier.
      order = { ...order, status: 'shipped', tracking: data.tracking, carrier: data.carrier ?? null };
    } else if (type === 'OrderDelivered') {
      order = { ...order, status: 'delivered' };
    } else if (type === 'OrderCancelled') {
      order = { ...order, status: 'cancelled' };
    } else if (type === 'ItemsReturned') {
      const back = new Map((data.items as Item[]).map(({ sku, quantity }) => [sku, quantity]));
      const items = order.items.map((item) => ({ ...item, returned: item.returned + (back.get(item.sku) ?? 0) }));
      const isNothingLeft = items.every(({ quantity, returned }) => quantity === returned);
      order = { ...order, items, status: isNothingLeft ? 'returned' : order.status };
    }
  }
  return order;
}

function placed({ stream, data, version, recordedAt }: StoredEvent): Order {
  const items = (data.lines as Item[]).map(({ sku, name, category, quantity, unitPrice }) => {
    return { sku, name, category, quantity, unitPrice, returned: 0 };
  });
  const currency = items[0]?.unitPrice.currency ?? '';
  let [amount, itemCount] = [0n, 0];
  for (const { quantity, unitPrice } of items) {
    amount += BigInt(quantity) * BigInt(unitPrice.amount);
    itemCount += quantity;
  }
  return {
    orderId: idOf(stream),
    customerId: data.customerId,
    customerName: data.customerName,
    customerSegment: data.customerSegment ?? null,
    region: data.region ?? null,
    status: 'placed',
    currency,
    total: { amount: Number(amount), currency },
    itemCount,
    items,
    tracking: null,
    carrier: null,
    placedAt: recordedAt,
    updatedAt: recordedAt,
    version,
  };
}

/** Undefined when there is nothing of it. An event of a type that is not named here changes `updatedAt` alone. */
export function foldProduct(events: readonly StoredEvent[]): Product | undefined {
  let product: Product | undefined;
  for (const { stream, type, data, version, recordedAt } of events) {
    if (type === 'ProductCreated') {
      const { name, sku, category, price } = data;
      product = {
        productId: idOf(stream),
        name,
        sku,
        category,
        price,
        createdAt: recordedAt,
        updatedAt: recordedAt,
        version,
      };
    } else if (product) {
      product = { ...product, updatedAt: recordedAt, version };
      if (type === 'PriceUpdated') product = { ...product, price: data.to };
    }
  }
  return product;
}

/** Who caused an event, whether the event is as the log stores it (`user:ada`) or as the API shows it. */
export function actorOf({ actor }: StoredEvent['metadata']): PriceChange['actor'] {
  if (typeof actor !== 'string') return actor as PriceChange['actor'];
  const [, kind, id] = /^(user|key|process|operator):(.*)$/s.exec(actor) ?? [];
  return kind === undefined || id === undefined ? { kind: 'anonymous', id: actor } : { kind, id };
}

export function pricesIn(events: readonly StoredEvent[]): readonly PriceChange[] {
  const changes = events.filter(({ type }) => type === 'ProductCreated' || type === 'PriceUpdated');
  return changes.map(({ type, data, version, metadata, recordedAt }) => {
    const isFirst = type === 'ProductCreated';
    const [from, to, reason] = isFirst ? [null, data.price, null] : [data.from, data.to, data.reason];
    return { version, from, to, reason, actor: actorOf(metadata), changedAt: recordedAt };
  });
}

/** The items that the customer keeps: none of a cancelled order, and no returned items. */
export function soldOf({
  status,
  items,
}: Order): readonly { readonly item: Item; readonly quantity: bigint; readonly total: bigint }[] {
  if (status === 'cancelled') return [];
  return items.map((item) => {
    const quantity = BigInt(item.quantity - item.returned);
    return { item, quantity, total: quantity * BigInt(item.unitPrice.amount) };
  });
}

/** The UTC day of placement, on which everything of an order counts. */
export function dayOf({ placedAt }: Order): string {
  return placedAt.slice(0, 'YYYY-MM-DD'.length);
}
