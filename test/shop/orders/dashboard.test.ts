import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { project } from '#tidemark/testing';
import { dashboard } from '../../../src/shop/orders/dashboard.ts';
import { ORDER_STATUSES, order as orderType } from '../../../src/shop/orders/order.ts';
import {
  type History,
  cancelled,
  delivered,
  histories,
  outcomeOf,
  placed,
  returned,
  shipped,
  sumOf,
} from './order-histories.ts';

const DAY = '2026-01-31';
const order = placed(
  [
    { sku: 'A', quantity: 2, amount: 1999 },
    { sku: 'C', quantity: 3, amount: 450 },
  ],
  { at: `${DAY}T23:59:59.999Z` },
);

function projected(...lives: readonly History[]) {
  return lives.reduce((all, { id, events }) => all.events(orderType, id, events), project(dashboard));
}

/** The counters: orders by status, revenue by "day currency" (no day: all of them), quantities by SKU and name. */
function counters(...lives: readonly History[]) {
  const model = projected(...lives);
  const table = (name: string, key: readonly string[], count: string) =>
    Object.fromEntries(model.counters(name).map((row) => [key.map((column) => row[column]).join(' '), row[count]]));
  return {
    statuses: table('statuses', ['status'], 'orders'),
    revenue: table('revenue', ['day', 'currency'], 'total'),
    sellers: table('sellers', ['sku', 'name'], 'quantity'),
  };
}

function after(...events: History['events']) {
  return counters({ id: 'o-1', events: [order, ...events] });
}

describe('dashboard', () => {
  const sold = {
    revenue: { ' EUR': 5348, [`${DAY} EUR`]: 5348 },
    sellers: { 'A Product A': 2, 'C Product C': 3 },
  };

  test('OrderPlaced counts its status, its revenue in total and on its day, and the sold items', () => {
    expect(after()).toEqual({ statuses: { placed: 1 }, ...sold });
  });

  test('OrderPlaced keeps one row of the order', () => {
    expect(projected({ id: 'o-1', events: [order] }).row(orderType, 'o-1')).toEqual({
      orderId: 'o-1',
      version: 1,
      customerName: 'Ada Lovelace',
      status: 'placed',
      currency: 'EUR',
      total: 5348,
      lines: [
        { sku: 'A', name: 'Product A', quantity: 2, unitAmount: 1999, returned: 0 },
        { sku: 'C', name: 'Product C', quantity: 3, unitAmount: 450, returned: 0 },
      ],
      placedAt: `${DAY}T23:59:59.999Z`,
    });
  });

  test('sums of more than 64 bits are exact', () => {
    const largest = placed([{ sku: 'A', quantity: 1_000_000, amount: 9_000_000_000 }], { at: `${DAY}T12:00:00.000Z` });
    const lives = Array.from({ length: 1500 }, (_, index) => ({ id: `o-${index}`, events: [largest] }));
    const sum = String(1500n * 9_000_000_000_000_000n);
    expect(counters(...lives).revenue).toEqual({ ' EUR': sum, [`${DAY} EUR`]: sum });
  });

  test('OrderShipped and OrderDelivered change the status of the order, and nothing else', () => {
    expect(after(shipped)).toEqual({ statuses: { shipped: 1 }, ...sold });
    expect(after(shipped, delivered)).toEqual({ statuses: { delivered: 1 }, ...sold });
  });

  test('OrderCancelled subtracts all of the order, and counts its status', () => {
    expect(after(cancelled)).toEqual({ statuses: { cancelled: 1 }, revenue: {}, sellers: {} });
  });

  test('ItemsReturned subtracts the returned items, on the day of placement; the order stays delivered', () => {
    expect(after(shipped, delivered, returned({ sku: 'C', quantity: 1 }))).toEqual({
      statuses: { delivered: 1 },
      revenue: { ' EUR': 4898, [`${DAY} EUR`]: 4898 },
      sellers: { 'A Product A': 2, 'C Product C': 2 },
    });
  });

  test('ItemsReturned of the last item makes the order returned; the row keeps its total', () => {
    const events = [shipped, delivered, returned({ sku: 'C', quantity: 3 }), returned({ sku: 'A', quantity: 2 })];
    expect(after(...events)).toEqual({ statuses: { returned: 1 }, revenue: {}, sellers: {} });
    expect(projected({ id: 'o-1', events: [order, ...events] }).row(orderType, 'o-1')).toMatchObject({
      version: 5,
      status: 'returned',
      total: 5348,
    });
  });

  test('equals the fold of its events after any history, in any interleaving', () => {
    const reached = new Set<string>();
    fc.assert(
      fc.property(histories, fc.nat(), (lives, seed) => {
        for (const { status } of lives.map(outcomeOf)) reached.add(status);
        expect(counters(...lives)).toEqual(expectedCounters(lives));
        projected(...lives).checkInterleavings({ runs: 2, seed });
      }),
      { numRuns: 150 },
    );
    // Histories that never come to an end would prove little.
    expect([...reached].toSorted()).toEqual([...ORDER_STATUSES].toSorted());
  });
});

/** The same counters, order by order from what each comes to in the end. */
function expectedCounters(lives: readonly History[]) {
  const statuses: Record<string, number> = {};
  const revenue: Record<string, number> = {};
  const sellers: Record<string, number> = {};
  const add = (counter: Record<string, number>, key: string, by: number) => {
    counter[key] = (counter[key] ?? 0) + by;
  };
  for (const { status, day, currency, kept } of lives.map(outcomeOf)) {
    const { total } = sumOf(kept);
    add(statuses, status, 1);
    add(revenue, ` ${currency}`, total);
    add(revenue, `${day} ${currency}`, total);
    for (const { sku, quantity } of kept) add(sellers, `${sku} Product ${sku}`, quantity);
  }
  const withoutZeros = (counter: Record<string, number>) =>
    Object.fromEntries(Object.entries(counter).filter(([, count]) => count !== 0));
  return { statuses, revenue: withoutZeros(revenue), sellers: withoutZeros(sellers) };
}
