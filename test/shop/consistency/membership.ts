import type { CheckOptions } from '../../consistency/checker.ts';
import { type ListOperation, type SumAnswer, type SumOperation, categoryOf } from '../../consistency/history.ts';
import { type Order, type Product, foldOrder, foldProduct } from './naive-folds.ts';
import { type Logs, type Obstacles, NO_OBSTACLES, appliedTo } from '../../consistency/applied.ts';
import { finds } from './naive-search.ts';
import { type Grouping, compare, groupsOf, plus, revenueOf } from './naive-sums.ts';

/** The last row of a page, by the time and id that the list sorts by. Null: there is no page before, or after. */
type Position = readonly [time: string, id: string] | null;

/** The request of a list, in the form of its operation's `query`. */
export type ListQuery =
  | {
      readonly list: 'orders';
      readonly customerId?: string;
      readonly status?: string;
      readonly after: Position;
      readonly until: Position;
    }
  | {
      readonly list: 'products';
      readonly category?: string;
      readonly sku?: string;
      readonly after: Position;
      readonly until: Position;
    }
  /** `isWhole`: it is the first page and there is no other. */
  | { readonly list: 'search'; readonly q: string; readonly isWhole: boolean };

/** The request of a sum, in the form of its operation's `query`. */
export type SumQuery =
  | { readonly sum: 'analytics'; readonly groupBy: Grouping; readonly from?: string; readonly to?: string }
  /** `days`: the UTC dates that may be meant by today, more than one where midnight passed before the answer. */
  | { readonly sum: 'dashboard'; readonly days: readonly string[] };

interface AnalyticsBody {
  readonly groups: readonly {
    readonly key: string | null;
    readonly currency: string;
    readonly orders: number;
    readonly items: number;
    readonly total: number;
    readonly exactTotal?: string;
    readonly cancelled: number;
  }[];
}

interface DashboardBody {
  readonly ordersByStatus: Readonly<Record<string, number>>;
  readonly revenue: readonly {
    readonly currency: string;
    readonly total: number;
    readonly exactTotal?: string;
    readonly today: number;
    readonly exactToday?: string;
  }[];
}

/** The figures of `GET /analytics/orders`: of each group, and of all groups together, so that a group that is missing shows. */
export function analyticsFigures({ groups }: AnalyticsBody): Pick<SumAnswer, 'figures' | 'growing'> {
  const exact = groups.map(({ key, currency, ...rest }) => {
    const { orders, items, total, exactTotal = total, cancelled } = rest;
    const figures = {
      orders: BigInt(orders),
      items: BigInt(items),
      total: BigInt(exactTotal),
      cancelled: BigInt(cancelled),
    };
    return { key, currency, ...figures };
  });
  return { figures: asText(figuresOfGroups(exact)), growing: ['placed'] };
}

/** The figures of `GET /dashboard`, without its lists. */
export function dashboardFigures({ ordersByStatus, revenue }: DashboardBody): Pick<SumAnswer, 'figures' | 'growing'> {
  const figures: Record<string, bigint> = { placed: 0n };
  for (const [status, orders] of Object.entries(ordersByStatus)) {
    figures[`orders ${status}`] = BigInt(orders);
    figures['placed'] = (figures['placed'] ?? 0n) + BigInt(orders);
  }
  for (const { currency, total, exactTotal = total, today, exactToday = today } of revenue) {
    figures[`revenue in ${currency}`] = BigInt(exactTotal);
    figures[`revenue of today in ${currency}`] = BigInt(exactToday);
  }
  return { figures: asText(figures), growing: ['placed'] };
}

/** What orders, however few, are to the figures of a group, and of all. `placed`: also those that were cancelled. */
function figuresOfGroups(groups: ReturnType<typeof groupsOf>): Record<string, bigint> {
  const figures: Record<string, bigint> = {};
  const add = (name: string, value: bigint) => (figures[name] = (figures[name] ?? 0n) + value);
  const none = { orders: 0n, items: 0n, total: 0n, cancelled: 0n };
  const all = groups.reduce(plus, none);
  add('placed', all.orders + all.cancelled);
  for (const { key, currency, orders, items, total, cancelled } of groups) {
    const group = `${key === null ? 'none' : JSON.stringify(key)} in ${currency}`;
    add(`orders of ${group}`, orders);
    add(`items of ${group}`, items);
    add(`total of ${group}`, total);
    add(`cancelled of ${group}`, cancelled);
    add(`total of all in ${currency}`, total);
  }
  return figures;
}

function asText(figures: Readonly<Record<string, bigint>>): Record<string, string> {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, String(value)]));
}

/** The checker's knowledge of the shop, for queries of the forms `ListQuery` and `SumQuery`: computed from the logs, naively. */
export function membershipOf(logs: Logs, obstacles: Obstacles = NO_OBSTACLES): Required<CheckOptions> {
  const folds = new Map<string, readonly (Order | Product | undefined)[]>();

  /** A stream as a read model has it at each version, from 0. */
  function statesOf(readModel: string, stream: string): readonly (Order | Product | undefined)[] {
    const name = `${readModel}/${stream}`;
    const known = folds.get(name);
    if (known) return known;
    const category = categoryOf(stream);
    const head = logs[stream]?.length ?? 0;
    const events =
      appliedTo(readModel, category, { [stream]: logs[stream] ?? [] }, { ...obstacles, held: [] }).get(stream) ?? [];
    const states = Array.from({ length: head + 1 }, (_, version) => {
      const until = events.filter((event) => event.version <= version);
      return category === 'order' ? foldOrder(until) : category === 'product' ? foldProduct(until) : undefined;
    });
    folds.set(name, states);
    return states;
  }

  return {
    belongs({ query, readModel }: ListOperation, stream, version) {
      const state = statesOf(readModel, stream)[version];
      if (state === undefined) return false;
      return isAskedFor(query as unknown as ListQuery, state);
    },
    adds({ query, readModel }: SumOperation, stream, version) {
      const state = statesOf(readModel, stream)[version];
      if (state === undefined || !('orderId' in state)) return [{}];
      const asked = query as unknown as SumQuery;
      if (asked.sum === 'analytics') return [figuresOfGroups(groupsOf([state], asked.groupBy, asked))];
      const figures: Record<string, bigint> = { placed: 1n, [`orders ${state.status}`]: 1n };
      for (const [currency, total] of revenueOf([state])) figures[`revenue in ${currency}`] = total;
      return asked.days.map((day) => {
        const ofToday = [...revenueOf([state], day)].map(
          ([currency, total]) => [`revenue of today in ${currency}`, total] as const,
        );
        return { ...figures, ...Object.fromEntries(ofToday) };
      });
    },
  };
}

function isAskedFor(query: ListQuery, state: Order | Product): boolean | undefined {
  switch (query.list) {
    case 'orders': {
      if (!('orderId' in state)) return false;
      const { customerId = state.customerId, status = state.status, after, until } = query;
      const isMatch = state.customerId === customerId && state.status === status;
      const here = [state.placedAt, state.orderId] as const;
      // Newest first; the row at which the page before ended is on that one.
      return isMatch && (after === null || ordered(here, after) < 0) && (until === null || ordered(here, until) >= 0);
    }
    case 'products': {
      if (!('productId' in state)) return false;
      const { category = state.category, sku = state.sku, after, until } = query;
      const isMatch =
        state.category === category && state.sku === sku.normalize('NFC').trim().toUpperCase().normalize('NFC');
      const here = [state.createdAt, state.productId] as const;
      return isMatch && (after === null || ordered(here, after) > 0) && (until === null || ordered(here, until) <= 0);
    }
    case 'search': {
      if (!('orderId' in state)) return false;
      const isFound = finds(query.q, state);
      // The page of a hit depends on its rank, which is not promised.
      return isFound === true && !query.isWhole ? undefined : isFound;
    }
    default:
      return query satisfies never;
  }
}

function ordered(one: readonly [string, string], other: readonly [string, string]): number {
  return compare(one[0], other[0]) || compare(one[1], other[1]);
}
