import * as z from 'zod/mini';

import {
  type CommandOf,
  type Decision,
  type EventOf,
  type RecordedEvent,
  type Rejection,
  Uuid,
  Version,
  aggregate,
  commands,
  described,
  events,
  named,
  prepared,
  text,
  versioned,
} from '#tidemark';

import type { Money } from '../money.ts';
import { MoneySchema, Sku } from '../schemas.ts';
import { normalSku } from '../sku.ts';
import type { Offer, Offers } from './product-prices.ts';

// Events

/** The ordered quantity of one product, and the product at the time of the order. */
const PlacedLine = named(
  'PlacedLine',
  z.strictObject({
    sku: z.string(),
    productId: Uuid,
    productVersion: described(Version, 'The version of the product that the order saw.'),
    name: z.string(),
    category: z.string(),
    quantity: z.int(),
    unitPrice: MoneySchema,
  }),
);
export type OrderLine = Readonly<z.output<typeof PlacedLine>>;

const ReturnedItem = named('ReturnedItem', z.strictObject({ sku: z.string(), quantity: z.int() }));
export type ReturnedItem = Readonly<z.output<typeof ReturnedItem>>;

const orderEvents = events({
  OrderPlaced: {
    customerId: z.string(),
    customerName: z.string(),
    customerSegment: z.nullable(z.string()),
    region: z.nullable(z.string()),
    lines: z.array(PlacedLine),
    /** The sum over the lines. It never changes. */
    total: MoneySchema,
    itemCount: described(z.int(), 'The sum of the quantities.'),
  },
  OrderShipped: versioned(
    { tracking: z.string(), carrier: z.nullable(z.string()) },
    {
      // Schema version 1 has no carrier.
      steps: [(data) => ({ ...data, carrier: null })],
      stored: { carrier: described(z.optional(z.nullable(z.string())), 'Absent in events of schema version 1.') },
    },
  ),
  OrderDelivered: {},
  OrderCancelled: { reason: z.string() },
  ItemsReturned: { items: z.array(ReturnedItem), reason: z.string() },
});
export type OrderEvent = EventOf<typeof orderEvents>;
export type OrderPlaced = EventOf<typeof orderEvents, 'OrderPlaced'>;
export type OrderShipped = EventOf<typeof orderEvents, 'OrderShipped'>;
export type ItemsReturned = EventOf<typeof orderEvents, 'ItemsReturned'>;

// Commands

const MAX_LINES = 100;
const MAX_QUANTITY = 10_000;

const Items = z
  .array(
    named('OrderItem', z.strictObject({ sku: Sku, quantity: z.int().check(z.minimum(1), z.maximum(MAX_QUANTITY)) })),
  )
  .check(z.minLength(1), z.maxLength(MAX_LINES));

const orderCommands = commands('orderId', {
  PlaceOrder: prepared<Offers>()({
    customerId: text(100),
    customerName: text(200),
    customerSegment: z.optional(text(100)),
    region: z.optional(text(100)),
    items: Items,
  }),
  ShipOrder: { tracking: text(200), carrier: z.optional(text(100)) },
  DeliverOrder: {},
  CancelOrder: { reason: text(500) },
  ReturnItems: { items: Items, reason: text(500) },
});
export type OrderCommand = CommandOf<typeof orderCommands>;
export type PlaceOrder = CommandOf<typeof orderCommands, 'PlaceOrder'>;
export type ReturnItems = CommandOf<typeof orderCommands, 'ReturnItems'>;

export type OrderRefusal = Rejection<
  'not-found' | 'wrong-state' | 'unknown-sku' | 'duplicate-sku' | 'mixed-currencies' | 'nothing-to-return'
>;

// State

export type OrderStatus = 'placed' | 'shipped' | 'delivered' | 'returned' | 'cancelled';
export const ORDER_STATUSES = [
  'placed',
  'shipped',
  'delivered',
  'returned',
  'cancelled',
] as const satisfies readonly OrderStatus[];

/** A line, and its returned quantity. */
export interface HeldLine extends OrderLine {
  readonly returned: number;
}

interface Placed {
  readonly customerId: string;
  readonly customerName: string;
  readonly customerSegment: string | null;
  readonly region: string | null;
  readonly lines: readonly HeldLine[];
  readonly total: Money;
  readonly itemCount: number;
  readonly placedAt: string;
  readonly updatedAt: string;
}

interface Shipment {
  readonly tracking: string;
  readonly carrier: string | null;
}

export type Order =
  | { readonly status: 'absent' }
  | (Placed & { readonly status: 'placed' | 'cancelled' })
  | (Placed & Shipment & { readonly status: 'shipped' | 'delivered' | 'returned' });

export type ExistingOrder = Exclude<Order, { status: 'absent' }>;

function decide(command: OrderCommand, order: Order): Decision<OrderEvent, OrderRefusal> {
  if (command.type === 'PlaceOrder') return place(command, order);
  if (order.status === 'absent') return { code: 'not-found', message: 'There is no such order.' };
  switch (command.type) {
    case 'ShipOrder': {
      const { tracking, carrier } = command.data;
      if (order.status !== 'placed') return wrongState(order, 'shipped', 'placed');
      return [{ type: 'OrderShipped', data: { tracking, carrier: carrier ?? null } }];
    }
    case 'DeliverOrder':
      if (order.status !== 'shipped') return wrongState(order, 'delivered', 'shipped');
      return [{ type: 'OrderDelivered', data: {} }];
    case 'CancelOrder':
      if (order.status !== 'placed') return wrongState(order, 'cancelled', 'placed');
      return [{ type: 'OrderCancelled', data: { reason: command.data.reason } }];
    case 'ReturnItems':
      return takeBack(command, order);
    default:
      return command satisfies never;
  }
}

function place(command: PlaceOrder, order: Order): Decision<OrderPlaced, OrderRefusal> {
  const { customerId, customerName, customerSegment = null, region = null, items, offers, skipped = [] } = command.data;
  if (order.status !== 'absent') return wrongState(order, 'placed again', 'new');
  const twice = repeated(items.map(({ sku }) => normalSku(sku)));
  if (twice.length > 0) return duplicateSku(twice);

  const bySku = new Map(offers.map((offer) => [offer.sku, offer]));
  const missing = items.map(({ sku }) => sku).filter((sku) => !bySku.has(normalSku(sku)));
  if (missing.length > 0) {
    const unknown = missing.filter((sku) => !skipped.includes(normalSku(sku)));
    const rest = unknown.length < missing.length ? ` ${missing.length - unknown.length} more were not checked.` : '';
    return {
      code: 'unknown-sku',
      message: `No product has the SKU ${unknown.join(', ')}.${rest}`,
      details: { skus: unknown },
    };
  }
  const lines = items.map(({ sku, quantity }) => {
    const { price, ...offer } = bySku.get(normalSku(sku)) as Offer;
    return { ...offer, quantity, unitPrice: price };
  });
  const currencies = [...new Set(lines.map(({ unitPrice }) => unitPrice.currency))];
  const [currency = '', ...others] = currencies;
  if (others.length > 0) {
    const message = `An order has one currency, but these products have prices in ${currencies.join(' and ')}.`;
    return { code: 'mixed-currencies', message, details: { currencies } };
  }
  const total = {
    amount: lines.reduce((sum, { unitPrice, quantity }) => sum + unitPrice.amount * quantity, 0),
    currency,
  };
  const itemCount = lines.reduce((sum, { quantity }) => sum + quantity, 0);
  return [
    { type: 'OrderPlaced', data: { customerId, customerName, customerSegment, region, lines, total, itemCount } },
  ];
}

function takeBack({ data }: ReturnItems, order: ExistingOrder): Decision<ItemsReturned, OrderRefusal> {
  if (order.status !== 'delivered') return wrongState(order, 'returned', 'delivered');
  const items = data.items.map(({ sku, quantity }) => ({ sku: normalSku(sku), quantity }));
  const twice = repeated(items.map(({ sku }) => sku));
  if (twice.length > 0) return duplicateSku(twice);
  const unknown = items.map(({ sku }) => sku).filter((sku) => !order.lines.some((line) => line.sku === sku));
  if (unknown.length > 0) {
    return {
      code: 'unknown-sku',
      message: `The order has no line for ${unknown.join(', ')}.`,
      details: { skus: unknown },
    };
  }
  const excess = items.filter(({ sku, quantity }) => {
    const line = order.lines.find((candidate) => candidate.sku === sku);
    return line !== undefined && quantity > line.quantity - line.returned;
  });
  if (excess.length > 0) {
    const skus = excess.map(({ sku }) => sku);
    return {
      code: 'nothing-to-return',
      message: `The return has more of ${skus.join(', ')} than the customer still has.`,
      details: { skus },
    };
  }
  return [{ type: 'ItemsReturned', data: { items, reason: data.reason } }];
}

function wrongState(order: ExistingOrder, participle: string, required: string): OrderRefusal {
  const message = `The order is ${order.status}. Only an order that is ${required} can be ${participle}.`;
  return { code: 'wrong-state', message, details: { currentStatus: order.status } };
}

function duplicateSku(skus: readonly string[]): OrderRefusal {
  const message = `Name each SKU once and add up its quantities: ${skus.join(', ')} occurs more than once.`;
  return { code: 'duplicate-sku', message, details: { skus } };
}

function repeated(values: readonly string[]): string[] {
  return [...new Set(values.filter((value, index) => values.indexOf(value) !== index))];
}

/** The lines after a return. */
export function afterReturn<Line extends { readonly sku: string; readonly returned: number }>(
  lines: readonly Line[],
  items: readonly ReturnedItem[],
): readonly Line[] {
  return lines.map((line) => {
    const item = items.find(({ sku }) => sku === line.sku);
    return item ? { ...line, returned: line.returned + item.quantity } : line;
  });
}

/** Whether every line is returned completely. */
export function isAllReturned(lines: readonly { readonly quantity: number; readonly returned: number }[]): boolean {
  return lines.every(({ quantity, returned }) => returned === quantity);
}

function evolve(order: Order, event: RecordedEvent<OrderEvent>): Order {
  const updatedAt = event.recordedAt;
  if (event.type === 'OrderPlaced') {
    const lines = event.data.lines.map((line) => ({ ...line, returned: 0 }));
    return { ...event.data, lines, status: 'placed', placedAt: updatedAt, updatedAt };
  }
  if (order.status === 'absent') return order;
  switch (event.type) {
    case 'OrderShipped':
      return { ...order, ...event.data, status: 'shipped', updatedAt };
    case 'OrderDelivered':
      return 'tracking' in order ? { ...order, status: 'delivered', updatedAt } : order;
    case 'OrderCancelled':
      return { ...order, status: 'cancelled', updatedAt };
    case 'ItemsReturned': {
      if (!('tracking' in order)) return order;
      const lines = afterReturn(order.lines, event.data.items);
      return { ...order, lines, status: isAllReturned(lines) ? 'returned' : 'delivered', updatedAt };
    }
    default:
      return event satisfies never;
  }
}

/** The members of a refusal about lines of an order. */
const skus = {
  shape: { skus: described(z.array(z.string()), 'The refused SKUs.') },
  example: { skus: ['TIDE-2027'] },
};

export const order = aggregate({
  category: 'order',
  events: orderEvents,
  commands: orderCommands,
  decider: { initialState: { status: 'absent' }, decide, evolve },
  stateVersion: 1,
  owner: ({ customerId }) => customerId,
  refusals: {
    'wrong-state': { of: ['PlaceOrder', 'ShipOrder', 'DeliverOrder', 'CancelOrder', 'ReturnItems'] },
    'unknown-sku': {
      status: 422,
      title: 'Unknown SKU',
      advice: 'Correct or remove the SKUs in `skus`.',
      members: skus,
      of: ['PlaceOrder', 'ReturnItems'],
    },
    'duplicate-sku': {
      status: 422,
      title: 'Duplicate SKU',
      advice: 'Name each SKU once, with the sum of its quantities.',
      members: skus,
      of: ['PlaceOrder', 'ReturnItems'],
    },
    'mixed-currencies': {
      status: 422,
      title: 'Mixed currencies',
      advice: 'Place one order for each currency.',
      members: { shape: { currencies: z.array(z.string()) }, example: { currencies: ['EUR', 'USD'] } },
      of: ['PlaceOrder'],
    },
    'nothing-to-return': {
      status: 422,
      title: 'Nothing to return',
      advice: 'Return at most the ordered quantity minus the quantity already returned.',
      members: skus,
      of: ['ReturnItems'],
    },
  },
});
