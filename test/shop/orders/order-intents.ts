import type { Json } from '../../consistency/history.ts';
import type { Chance, ModuleIntents } from '../../consistency/simulation/domain.ts';
import { knownShop, repriced, type KnownOrder } from '../known-shop.ts';

export const NAMES = ['Ada Lovelace', 'Grace Hopper', 'Mary Shelley', 'Olaf Ost', 'Petra Past'];
const REGIONS = ['EU', 'US', null];

/** What clients want done with orders. What comes of it is known from then on. */
export const orderIntents: ModuleIntents = {
  category: 'order',
  commands(known) {
    const { products, orders } = knownShop(known);
    return [
      {
        name: 'PlaceOrder',
        make(chance) {
          if (products.length === 0 || orders.length >= 12) return undefined;
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
              if (!orders.some((order) => order.orderId === placed.orderId)) orders.push(placed);
            },
          };
        },
      },
      ...(
        [
          ['ShipOrder', 'shipment', () => ({ tracking: 'JD0146', carrier: 'DHL' })],
          ['DeliverOrder', 'delivery', () => ({})],
          ['CancelOrder', 'cancellation', () => ({ reason: 'Ordered by mistake' })],
          [
            'ReturnItems',
            'returns',
            ({ skus: [sku] }: KnownOrder) => ({ items: [{ sku: sku ?? '', quantity: 1 }], reason: 'Water damage' }),
          ],
        ] as const
      ).map(([command, step, bodyOf]) => ({
        name: command,
        make: (chance: Chance) => {
          if (orders.length === 0) return undefined;
          const order = chance.hot(orders);
          const path = `/orders/${order.orderId}/${step}`;
          const stream = `order-${order.orderId}`;
          const body: Json = bodyOf(order);
          return {
            kind: 'command' as const,
            command,
            path,
            scope: `POST ${path}`,
            stream,
            body,
            streamOf: () => stream,
          };
        },
      })),
    ];
  },
};
