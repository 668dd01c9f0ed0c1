import type { StoredEvent } from '../../../src/eventsourcing/event.ts';
import { domain } from '../../../src/domain.ts';
import { analyticsFigures, dashboardFigures, membershipOf } from '../membership.ts';
import type { Json } from '../history.ts';
import type { Logs as NaiveLogs } from '../naive-folds.ts';
import { oraclesOf } from '../oracles.ts';
import { type DomainRun, type ListIntent, type ShownRow, type SimulatedDomain, canonical } from './domain.ts';
import { formerShop } from './former-shop.ts';

/*
 * Products and orders, as the simulation knows them: what clients want of them. What the answers have to come to is for the oracles and
 * the checker, which fold the logs once more, as naively as possible.
 */

const NAMES = ['Ada Lovelace', 'Grace Hopper', 'Mary Shelley', 'Olaf Ost', 'Petra Past'];
const REGIONS = ['EU', 'US', null];
const CATEGORIES = ['almanacs', 'ropes'];
const GROUPINGS = ['day', 'region', 'segment', 'category'] as const;
const STATUSES = ['placed', 'shipped', 'delivered', 'returned', 'cancelled'];

interface KnownProduct {
  readonly productId: string;
  readonly sku: string;
}

interface KnownOrder {
  readonly orderId: string;
  readonly skus: readonly string[];
}

type Body = Record<string, unknown>;

const items = (body: Body) => body['items'] as readonly Body[];

const productRow = (row: Body): ShownRow => ({
  stream: `product-${String(row['productId'])}`,
  version: row['version'] as number,
  content: canonical(row),
});

function orderRow({ highlights: _highlights, ...row }: Body): ShownRow {
  return { stream: `order-${String(row['orderId'])}`, version: row['version'] as number, content: canonical(row) };
}

const utcDay = (time: number) => new Date(time).toISOString().slice(0, 'YYYY-MM-DD'.length);

/** How many rows a page has: with few, a list is read in many pages. */
const LIMITS = ['1', '2', '100'];

type Position = readonly [time: string, id: string];

interface Paged {
  readonly list: 'orders' | 'products';
  readonly readModel: string;
  readonly categories: readonly string[];
  /** With filter and limit. */
  readonly route: string;
  readonly filter: Readonly<Record<string, string>>;
  readonly rowOf: (row: Body) => ShownRow;
  readonly positionOf: (row: Body) => Position;
}

/** A page of a list, and from its answer the next one. What lies on it goes from the last row of the page before to its own last row. */
function pageOf(paged: Paged, before?: { readonly cursor: string; readonly after: Position }): ListIntent {
  const { list, readModel, categories, route, filter, rowOf, positionOf } = paged;
  const lastOf = (body: Body) => positionOf(items(body).at(-1) as Body);
  return {
    kind: 'list',
    readModel,
    categories,
    path: before ? `${route}&cursor=${encodeURIComponent(before.cursor)}` : route,
    isLaterPage: before !== undefined,
    query: (body) => {
      return {
        list,
        ...filter,
        after: before?.after ?? null,
        until: body['nextCursor'] === null ? null : lastOf(body),
      };
    },
    rowsOf: (body) => items(body).map(rowOf),
    next(body) {
      const cursor = body['nextCursor'] as string | null;
      return cursor === null ? undefined : pageOf(paged, { cursor, after: lastOf(body) });
    },
  };
}

/** A page of hits. On which of several pages a hit lies is a question of rank, of which nothing is promised. */
function searchFor(q: string, limit: string, cursor?: string): ListIntent {
  return {
    kind: 'search',
    readModel: 'order-search',
    categories: ['order'],
    path: `/orders/search?limit=${limit}&q=${q}${cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
    isLaterPage: cursor !== undefined,
    query: (body) => ({ list: 'search', q, isWhole: cursor === undefined && body['nextCursor'] === null }),
    rowsOf: (body) => items(body).map(orderRow),
    next(body) {
      const following = body['nextCursor'] as string | null;
      return following === null ? undefined : searchFor(q, limit, following);
    },
  };
}

/** The shop: products and orders as they are deployed. */
export const shop: SimulatedDomain = {
  name: 'shop',
  modules: domain,
  formerModules: formerShop,
  begin({ seed }): DomainRun {
    const products: KnownProduct[] = [];
    const orders: KnownOrder[] = [];
    let skus = 0;
    /** Whose price has just changed: what an order of it costs is what tells whether the change was seen. */
    let repriced: KnownProduct | undefined;
    return {
      generators: [
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
          make: (chance: Parameters<DomainRun['generators'][number]['make']>[0]) => {
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
        {
          name: 'getProduct',
          make(chance) {
            if (products.length === 0) return undefined;
            const { productId } = chance.hot(products);
            const stream = `product-${productId}`;
            return { kind: 'read', readModel: 'product-catalog', path: `/products/${productId}`, stream };
          },
        },
        {
          name: 'getOrder',
          make(chance) {
            if (orders.length === 0) return undefined;
            const { orderId } = chance.hot(orders);
            return { kind: 'read', readModel: 'order-lookup', path: `/orders/${orderId}`, stream: `order-${orderId}` };
          },
        },
        {
          name: 'listProducts',
          make(chance) {
            if (products.length === 0 && chance.next() < 0.8) return undefined;
            const category = chance.next() < 0.5 ? chance.pick(CATEGORIES) : null;
            return pageOf({
              list: 'products',
              readModel: 'product-catalog',
              categories: ['product'],
              route: `/products?limit=${chance.pick(LIMITS)}${category === null ? '' : `&category=${category}`}`,
              filter: category === null ? {} : { category },
              rowOf: productRow,
              positionOf: ({ createdAt, productId }) => [String(createdAt), String(productId)],
            });
          },
        },
        {
          name: 'listOrders',
          make(chance) {
            if (orders.length === 0 && chance.next() < 0.8) return undefined;
            const status = chance.next() < 0.3 ? chance.pick(STATUSES) : null;
            const customerId = chance.next() < 0.3 ? `c-${chance.below(3)}` : null;
            const filter = { ...(status !== null && { status }), ...(customerId !== null && { customerId }) };
            return pageOf({
              list: 'orders',
              readModel: 'order-lookup',
              categories: ['order'],
              route: `/orders?${new URLSearchParams({ limit: chance.pick(LIMITS), ...filter }).toString()}`,
              filter,
              rowOf: orderRow,
              positionOf: ({ placedAt, orderId }) => [String(placedAt), String(orderId)],
            });
          },
        },
        {
          name: 'searchOrders',
          make(chance) {
            if (orders.length === 0 && chance.next() < 0.8) return undefined;
            const word = chance.next() < 0.7 ? chance.hot(NAMES).split(' ')[0] : 'Thing';
            return searchFor(word as string, chance.pick(LIMITS));
          },
        },
        {
          name: 'getDashboard',
          make: () => ({
            kind: 'sum',
            readModel: 'dashboard',
            categories: ['order'],
            path: '/dashboard',
            // The clock that answers may pass midnight meanwhile, in either direction.
            query: (times) => ({ sum: 'dashboard', days: [...new Set(times.map(utcDay))] }),
            figuresOf: (body) => dashboardFigures(body as never),
          }),
        },
        {
          name: 'analyzeOrders',
          make(chance) {
            if (orders.length === 0 && chance.next() < 0.8) return undefined;
            const groupBy = chance.pick(GROUPINGS);
            return {
              kind: 'sum',
              readModel: 'order-analytics',
              categories: ['order'],
              path: `/analytics/orders?groupBy=${groupBy}`,
              query: () => ({ sum: 'analytics', groupBy }),
              figuresOf: (body) => analyticsFigures(body as never),
            };
          },
        },
      ],

      saw({ type, data }) {
        if (type !== 'OrderPlaced') return {};
        const lines = data['lines'] as unknown as readonly { productId: string; productVersion: number }[];
        return Object.fromEntries(
          lines.map(({ productId, productVersion }) => [`product-${productId}`, productVersion]),
        );
      },

      membership: (logs, skipped) => membershipOf(logs as unknown as NaiveLogs, { skipped, held: [] }),

      async judgeAtRest({ logs, skipped, get, now }) {
        const oracles = oraclesOf(logs as unknown as NaiveLogs, { skipped, held: [] });
        const all = async (path: string) => items((await get(path)) as Body);
        const listed = await all('/orders?limit=100');
        const figures = await get('/dashboard');
        const analytics = await Promise.all(
          GROUPINGS.map(async (groupBy) => ({ groupBy, body: await get(`/analytics/orders?groupBy=${groupBy}`) })),
        );
        const found = [
          Object.entries(logs).flatMap(([stream, events]) => decidedOnTheOld(stream, events)),
          oracles.orders(listed),
          oracles.products(await all('/products?limit=100')),
          ...(await Promise.all(
            products.map(async ({ productId }) =>
              oracles.prices(productId, await all(`/products/${productId}/prices?limit=100`)),
            ),
          )),
          ...(await Promise.all(
            oracles
              .searches()
              .slice(0, 6)
              .map(async (q) => oracles.search(q, await all(`/orders/search?limit=100&q=${encodeURIComponent(q)}`))),
          )),
          ...analytics.map(({ groupBy, body }) => oracles.analytics({ groupBy }, body)),
          oracles.archive(await all('/events?limit=100')),
          oracles.dashboard(utcDay(now), figures),
          oracles.money({ orders: listed, analytics: analytics.map(({ body }) => body), dashboard: figures }),
        ];
        return found.flat();
      },
    };
  },
};

/** What each step of an order has to come after. */
const AFTER: Readonly<Record<string, readonly string[]>> = {
  OrderShipped: ['OrderPlaced'],
  OrderCancelled: ['OrderPlaced'],
  OrderDelivered: ['OrderShipped'],
  ItemsReturned: ['OrderDelivered', 'ItemsReturned'],
};

/** Events that nobody who knew those before them could have decided upon (I1): a price changed from what it was not, a step out of turn. */
function decidedOnTheOld(stream: string, events: readonly StoredEvent[]): readonly string[] {
  return events.slice(1).flatMap((event, index) => {
    const before = events[index] as StoredEvent;
    const isOutOfTurn = event.type in AFTER && !AFTER[event.type]?.includes(before.type);
    const isFromAnother =
      event.type === 'PriceUpdated' &&
      canonical(event.data['from']) !== canonical(before.data[before.type === 'PriceUpdated' ? 'to' : 'price']);
    return isOutOfTurn || isFromAnother
      ? [`decided on the old (I1): ${stream}@${event.version} is ${event.type} right after ${canonical(before.data)}`]
      : [];
  });
}
