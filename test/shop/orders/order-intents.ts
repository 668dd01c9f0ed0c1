import { orders } from '../../../src/shop/orders/module.ts';
import { priceList } from '../../../src/shop/products/price-list.ts';
import { intentsOf } from '../../consistency/simulation/intents-of.ts';
import { knownShop, repriced } from '../known-shop.ts';

export const NAMES = ['Ada Lovelace', 'Grace Hopper', 'Mary Shelley', 'Olaf Ost', 'Petra Past'];
const REGIONS = ['EU', 'US', null];

/** The commands that clients send about orders. A run remembers their outcomes. */
export const orderIntents = intentsOf(orders(priceList), {
  PlaceOrder: {
    make: (known) => (chance) => {
      const shop = knownShop(known);
      const { products } = shop;
      if (products.length === 0 || shop.orders.length >= 12) return undefined;
      const changed = repriced(known);
      const one = changed && chance.next() < 0.5 ? changed : chance.hot(products);
      const other = chance.pick(products);
      const lines = one.sku === other.sku || chance.next() < 0.6 ? [one] : [one, other];
      const region = chance.pick(REGIONS);
      const chosen = lines.map(({ sku }) => sku);
      return {
        kind: 'command',
        command: 'PlaceOrder',
        path: '/orders',
        scope: 'POST /orders',
        stream: null,
        body: {
          customerId: `c-${chance.below(3)}`,
          customerName: chance.hot(NAMES),
          ...(region !== null && { region }),
          items: lines.map(({ sku }) => ({ sku, quantity: 1 + chance.below(4) })),
        },
        streamOf: ({ orderId }) => `order-${String(orderId)}`,
        learn({ orderId }) {
          const placed = { orderId: String(orderId), skus: chosen };
          if (shop.orders.some((order) => order.orderId === placed.orderId)) return;
          shop.orders.push(placed);
          known.ids('order').push(placed.orderId);
        },
      };
    },
  },
  ShipOrder: () => ({ tracking: 'JD0146', carrier: 'DHL' }),
  DeliverOrder: () => ({}),
  CancelOrder: () => ({ reason: 'Ordered by mistake' }),
  ReturnItems: {
    make: (known) => (chance) => {
      const shop = knownShop(known);
      if (shop.orders.length === 0) return undefined;
      const { orderId, skus } = chance.hot(shop.orders);
      const path = `/orders/${orderId}/returns`;
      const stream = `order-${orderId}`;
      return {
        kind: 'command',
        command: 'ReturnItems',
        path,
        scope: `POST ${path}`,
        stream,
        body: { items: [{ sku: skus[0] ?? '', quantity: 1 }], reason: 'Water damage' },
        streamOf: () => stream,
      };
    },
  },
});
