import type { Json } from '../../consistency/history.ts';
import type { Chance, Generator } from '../../consistency/simulation/domain.ts';

export const NAMES = ['Ada Lovelace', 'Grace Hopper', 'Mary Shelley', 'Olaf Ost', 'Petra Past'];
export const CATEGORIES = ['almanacs', 'ropes'];
const REGIONS = ['EU', 'US', null];

/** What the clients have heard of so far, all together. */
export interface KnownShop {
  readonly products: KnownProduct[];
  readonly orders: KnownOrder[];
}

interface KnownProduct {
  readonly productId: string;
  readonly sku: string;
}

interface KnownOrder {
  readonly orderId: string;
  readonly skus: readonly string[];
}

/** What clients want done in the shop. What comes of it is known from then on. */
export function shopCommands({ products, orders }: KnownShop, seed: number): readonly Generator[] {
  let skus = 0;
  /** Whose price has just changed: what an order of it costs is what tells whether the change was seen. */
  let repriced: KnownProduct | undefined;
  return [
    {
      name: 'CreateProduct',
      make(chance) {
        // Now and then a SKU that is taken.
        const isTaken = products.length > 0 && chance.next() < 0.15;
        if (!isTaken && products.length >= 6) return undefined;
        if (!isTaken) skus += 1;
        const sku = isTaken ? chance.pick(products).sku : `S${seed}-${skus}`;
        return {
          kind: 'command',
          command: 'CreateProduct',
          path: '/products',
          scope: `POST /products ${sku}`,
          stream: null,
          body: {
            name: `Thing ${skus}`,
            sku,
            category: chance.pick(CATEGORIES),
            price: { amount: 100 + chance.below(1_000), currency: chance.next() < 0.9 ? 'EUR' : 'USD' },
          },
          streamOf: ({ productId }) => `product-${String(productId)}`,
          learn({ productId }) {
            const known = { productId: String(productId), sku };
            if (!products.some((product) => product.productId === known.productId)) products.push(known);
          },
        };
      },
    },
    {
      name: 'UpdatePrice',
      make(chance) {
        if (products.length === 0) return undefined;
        const product = chance.hot(products);
        const { productId } = product;
        return {
          kind: 'command',
          command: 'UpdatePrice',
          path: `/products/${productId}/price`,
          scope: `POST /products/${productId}/price`,
          stream: `product-${productId}`,
          // Zero is refused.
          body: { price: { amount: chance.below(20) * 100, currency: 'EUR' }, reason: 'Tide' },
          streamOf: () => `product-${productId}`,
          learn: () => (repriced = product),
        };
      },
    },
    {
      name: 'PlaceOrder',
      make(chance) {
        if (products.length === 0 || orders.length >= 12) return undefined;
        const one = repriced && chance.next() < 0.5 ? repriced : chance.hot(products);
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
            const known = { orderId: String(orderId), skus: chosen };
            if (!orders.some((order) => order.orderId === known.orderId)) orders.push(known);
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
}
