/**
 * The expected resource, from the events of its stream. Written from the HTTP contract alone, without the code under test.
 */

export interface LoggedEvent {
  readonly id: string;
  readonly stream: string;
  readonly version: number;
  readonly type: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- as it stands in the log
  readonly data: any;
  readonly recordedAt: string;
}

export type Resource = Readonly<Record<string, unknown>>;

/** A line of an order, as its resource shows it. */
interface Item {
  readonly sku: string;
  readonly quantity: number;
  readonly returned: number;
}

/** The product or order that the events of one stream make. */
export function foldLog(stream: string, events: readonly LoggedEvent[]): Resource {
  const [category, id] = [stream.slice(0, stream.indexOf('-')), stream.slice(stream.indexOf('-') + 1)];
  const step = category === 'product' ? product : order;
  let resource: Resource = category === 'product' ? { productId: id } : { orderId: id };
  for (const event of events) {
    resource = Object.assign({}, resource, step(resource, event), {
      updatedAt: event.recordedAt,
      version: event.version,
    });
  }
  return resource;
}

function product(_: Resource, { type, data, recordedAt }: LoggedEvent): Resource {
  switch (type) {
    case 'ProductCreated':
      return { name: data.name, sku: data.sku, category: data.category, price: data.price, createdAt: recordedAt };
    case 'PriceUpdated':
      return { price: data.to };
    default:
      throw new Error(`A product has no event ${type}`);
  }
}

function order(resource: Resource, { type, data, recordedAt }: LoggedEvent): Resource {
  switch (type) {
    case 'OrderPlaced': {
      const items = data.lines.map(({ sku, name, category, quantity, unitPrice }: Record<string, unknown>) => {
        return { sku, name, category, quantity, unitPrice, returned: 0 };
      });
      const { currency } = data.lines[0].unitPrice;
      const amount = data.lines.reduce(
        (sum: number, line: typeof data) => sum + line.unitPrice.amount * line.quantity,
        0,
      );
      return {
        customerId: data.customerId,
        customerName: data.customerName,
        customerSegment: data.customerSegment,
        region: data.region,
        status: 'placed',
        currency,
        total: { amount, currency },
        itemCount: items.reduce((sum: number, { quantity }: Item) => sum + quantity, 0),
        items,
        tracking: null,
        carrier: null,
        placedAt: recordedAt,
      };
    }
    case 'OrderShipped':
      return { status: 'shipped', tracking: data.tracking, carrier: data.carrier };
    case 'OrderDelivered':
      return { status: 'delivered' };
    case 'OrderCancelled':
      return { status: 'cancelled' };
    case 'ItemsReturned': {
      const backOf = (sku: string): number => data.items.find((item: Item) => item.sku === sku)?.quantity ?? 0;
      const items = (resource['items'] as Item[]).map((item) => ({
        ...item,
        returned: item.returned + backOf(item.sku),
      }));
      return {
        items,
        status: items.every(({ quantity, returned }) => quantity === returned) ? 'returned' : 'delivered',
      };
    }
    default:
      throw new Error(`An order has no event ${type}`);
  }
}
