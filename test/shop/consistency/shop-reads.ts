import { analyticsFigures, dashboardFigures } from './membership.ts';
import { GROUPINGS } from './naive-sums.ts';
import { type Generator, type ListIntent, type ShownRow, canonical } from '../../consistency/simulation/domain.ts';
import type { KnownShop } from '../known-shop.ts';
import { NAMES } from '../orders/order-intents.ts';
import { CATEGORIES } from '../products/product-intents.ts';

const STATUSES = ['placed', 'shipped', 'delivered', 'returned', 'cancelled'];

export type Body = Record<string, unknown>;

export const items = (body: Body) => body['items'] as readonly Body[];

const productRow = (row: Body): ShownRow => ({
  stream: `product-${String(row['productId'])}`,
  version: row['version'] as number,
  content: canonical(row),
});

function orderRow({ highlights: _highlights, ...row }: Body): ShownRow {
  return { stream: `order-${String(row['orderId'])}`, version: row['version'] as number, content: canonical(row) };
}

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

/** A page of hits. The page of a hit depends on its rank, which is not promised. */
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

/** What clients want to see of the shop. */
export function shopReads({ products, orders }: KnownShop): readonly Generator[] {
  return [
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
  ];
}

/** The UTC date of a time in ms. */
export function utcDay(time: number): string {
  return new Date(time).toISOString().slice(0, 'YYYY-MM-DD'.length);
}
