/** Sums over orders, by the contract alone. In bigint, since a sum may exceed a number. */
import { type Order, type Status, dayOf, soldOf } from './naive-folds.ts';

export const GROUPINGS = ['day', 'region', 'segment', 'category'] as const;
export type Grouping = (typeof GROUPINGS)[number];

export interface Figures {
  readonly orders: bigint;
  readonly items: bigint;
  readonly total: bigint;
  readonly cancelled: bigint;
}

/** A group of `GET /analytics/orders`. */
export interface Group extends Figures {
  readonly key: string | null;
  readonly currency: string;
}

/** Orders that were placed within a span of UTC dates, `to` exclusive. */
export interface Span {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

export function groupsOf(orders: readonly Order[], groupBy: Grouping, { from, to }: Span = {}): readonly Group[] {
  const groups = new Map<string, Group>();
  for (const order of orders) {
    const day = dayOf(order);
    if ((from !== undefined && day < from) || (to !== undefined && day >= to)) continue;
    for (const group of shareOf(order, groupBy)) {
      const name = JSON.stringify([group.key, group.currency]);
      const sum = groups.get(name);
      groups.set(name, sum ? { ...sum, ...plus(sum, group) } : group);
    }
  }
  return [...groups.values()];
}

/** What one order is to its groups: to one, or to each category that it has a line of. */
function shareOf(order: Order, groupBy: Grouping): readonly Group[] {
  const isCancelled = order.status === 'cancelled';
  const [orders, cancelled] = isCancelled ? [0n, 1n] : [1n, 0n];
  const keys =
    groupBy === 'category'
      ? [...new Set(order.items.map(({ category }) => category))]
      : [{ day: dayOf(order), region: order.region, segment: order.customerSegment }[groupBy]];
  return keys.map((key) => {
    const sold = soldOf(order).filter(({ item }) => groupBy !== 'category' || item.category === key);
    return {
      key,
      currency: order.currency,
      orders,
      items: sumOf(sold.map(({ quantity }) => quantity)),
      total: sumOf(sold.map(({ total }) => total)),
      cancelled,
    };
  });
}

export function plus(one: Figures, other: Figures): Figures {
  return {
    orders: one.orders + other.orders,
    items: one.items + other.items,
    total: one.total + other.total,
    cancelled: one.cancelled + other.cancelled,
  };
}

export function sumOf(values: readonly bigint[]): bigint {
  return values.reduce((one, other) => one + other, 0n);
}

/** By currency; of one day of placement, or of all. */
export function revenueOf(orders: readonly Order[], day?: string): ReadonlyMap<string, bigint> {
  const revenue = new Map<string, bigint>();
  for (const order of orders) {
    if (day !== undefined && dayOf(order) !== day) continue;
    const total = sumOf(soldOf(order).map((sold) => sold.total));
    revenue.set(order.currency, (revenue.get(order.currency) ?? 0n) + total);
  }
  return revenue;
}

/** A sum as an answer has it: a number that every client reads exactly, and where that is not the sum, all digits of it in a second member. */
export function shownSum(name: 'total' | 'today', sum: bigint): Readonly<Record<string, number | string>> {
  const largest = BigInt(Number.MAX_SAFE_INTEGER);
  if (sum <= largest) return { [name]: Number(sum) };
  return { [name]: Number.MAX_SAFE_INTEGER, [name === 'total' ? 'exactTotal' : 'exactToday']: String(sum) };
}

export function countOf(orders: readonly Order[], status: Status): number {
  return orders.filter((order) => order.status === status).length;
}

export interface Seller {
  readonly sku: string;
  readonly name: string;
  readonly quantity: bigint;
}

/** Best first: by quantity, then SKU. */
export function sellersOf(orders: readonly Order[]): readonly Seller[] {
  const sellers = new Map<string, Seller>();
  for (const { item, quantity } of orders.flatMap(soldOf)) {
    const name = JSON.stringify([item.sku, item.name]);
    const sum = (sellers.get(name)?.quantity ?? 0n) + quantity;
    sellers.set(name, { sku: item.sku, name: item.name, quantity: sum });
  }
  return [...sellers.values()]
    .filter(({ quantity }) => quantity > 0n)
    .toSorted(
      (one, other) =>
        Number(other.quantity - one.quantity) || compare(one.sku, other.sku) || compare(one.name, other.name),
    );
}

/** In the order of code points, which is that of UTF-8 too. */
export function compare(one: string, other: string): number {
  const [left, right] = [Array.from(one), Array.from(other)];
  for (let index = 0; index < Math.min(left.length, right.length); index += 1) {
    const difference = (left[index]?.codePointAt(0) ?? 0) - (right[index]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
