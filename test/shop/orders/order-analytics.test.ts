import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { project } from '#tidemark/testing';
import { order as orderType } from '../../../src/shop/orders/order.ts';
import { orderAnalytics } from '../../../src/shop/orders/order-analytics.ts';
import { dashboard } from '../../../src/shop/orders/dashboard.ts';
import {
  type History,
  cancelled,
  categoryOf,
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
    { sku: 'B', quantity: 1, amount: 500 },
    { sku: 'C', quantity: 3, amount: 450 },
  ],
  { at: `${DAY}T23:59:59.999Z`, region: 'EU' },
);

function projected(...lives: readonly History[]) {
  return lives.reduce((all, { id, events }) => all.events(orderType, id, events), project(orderAnalytics));
}

type Figures = Record<'orders' | 'items' | 'total' | 'cancelled', number>;

/** The figures, by "grouping day value currency". */
function figures(...lives: readonly History[]): Record<string, Figures> {
  const rows = projected(...lives).counters('daily') as unknown as (Figures & Record<string, string>)[];
  return Object.fromEntries(
    rows.map(({ groupedBy, day, value, currency, orders, items, total, cancelled: gone }) => [
      `${groupedBy} ${day} ${value} ${currency}`,
      { orders, items, total, cancelled: gone },
    ]),
  );
}

function after(...events: History['events']) {
  return figures({ id: 'o-1', events: [order, ...events] });
}

describe('order-analytics', () => {
  const asPlaced = {
    [`day ${DAY}  EUR`]: { orders: 1, items: 6, total: 5848, cancelled: 0 },
    [`region ${DAY} EU EUR`]: { orders: 1, items: 6, total: 5848, cancelled: 0 },
    [`segment ${DAY}  EUR`]: { orders: 1, items: 6, total: 5848, cancelled: 0 },
    [`category ${DAY} almanacs EUR`]: { orders: 1, items: 3, total: 4498, cancelled: 0 },
    [`category ${DAY} charts EUR`]: { orders: 1, items: 3, total: 1350, cancelled: 0 },
  };

  test('OrderPlaced counts in every grouping, once in a category with several lines', () => {
    expect(after()).toEqual(asPlaced);
  });

  test('OrderPlaced keeps one fact of the order', () => {
    expect(projected({ id: 'o-1', events: [order] }).row(orderType, 'o-1')).toEqual({
      orderId: 'o-1',
      version: 1,
      placedOn: DAY,
      status: 'placed',
      customerSegment: null,
      region: 'EU',
      currency: 'EUR',
      lines: [
        { sku: 'A', category: 'almanacs', quantity: 2, unitAmount: 1999, returned: 0 },
        { sku: 'B', category: 'almanacs', quantity: 1, unitAmount: 500, returned: 0 },
        { sku: 'C', category: 'charts', quantity: 3, unitAmount: 450, returned: 0 },
      ],
    });
  });

  test('OrderShipped and OrderDelivered change no figure', () => {
    expect(after(shipped)).toEqual(asPlaced);
    expect(after(shipped, delivered)).toEqual(asPlaced);
  });

  test('OrderCancelled subtracts the order, on the day of placement, and counts it as cancelled', () => {
    const gone = { orders: 0, items: 0, total: 0, cancelled: 1 };
    expect(after(cancelled)).toEqual(Object.fromEntries(Object.keys(asPlaced).map((key) => [key, gone])));
  });

  test('ItemsReturned subtracts the returned items, on the day of placement; the order still counts', () => {
    expect(after(shipped, delivered, returned({ sku: 'A', quantity: 1 }, { sku: 'C', quantity: 3 }))).toEqual({
      [`day ${DAY}  EUR`]: { orders: 1, items: 2, total: 2499, cancelled: 0 },
      [`region ${DAY} EU EUR`]: { orders: 1, items: 2, total: 2499, cancelled: 0 },
      [`segment ${DAY}  EUR`]: { orders: 1, items: 2, total: 2499, cancelled: 0 },
      [`category ${DAY} almanacs EUR`]: { orders: 1, items: 2, total: 2499, cancelled: 0 },
      [`category ${DAY} charts EUR`]: { orders: 1, items: 0, total: 0, cancelled: 0 },
    });
  });

  test('ItemsReturned of all items makes the fact returned, and leaves an order without items', () => {
    const all = [
      shipped,
      delivered,
      returned({ sku: 'A', quantity: 2 }),
      returned({ sku: 'B', quantity: 1 }, { sku: 'C', quantity: 3 }),
    ];
    expect(after(...all)[`day ${DAY}  EUR`]).toEqual({ orders: 1, items: 0, total: 0, cancelled: 0 });
    expect(projected({ id: 'o-1', events: [order, ...all] }).row(orderType, 'o-1')?.status).toBe('returned');
  });

  test('orders of the same day add up, by currency', () => {
    const line = [{ sku: 'A', quantity: 1, amount: 100 }];
    const at = `${DAY}T00:00:00.000Z`;
    const sums = figures(
      { id: 'o-1', events: [placed(line, { at, segment: 'b2b' })] },
      { id: 'o-2', events: [placed(line, { at })] },
      { id: 'o-3', events: [placed(line, { at, currency: 'JPY' })] },
    );
    expect(sums[`day ${DAY}  EUR`]).toEqual({ orders: 2, items: 2, total: 200, cancelled: 0 });
    expect(sums[`day ${DAY}  JPY`]).toEqual({ orders: 1, items: 1, total: 100, cancelled: 0 });
    expect(sums[`segment ${DAY} b2b EUR`]).toEqual({ orders: 1, items: 1, total: 100, cancelled: 0 });
    expect(sums[`segment ${DAY}  EUR`]).toEqual({ orders: 1, items: 1, total: 100, cancelled: 0 });
  });

  test('equals the fold of its events after any history, in any interleaving', () => {
    fc.assert(
      fc.property(histories, fc.nat(), (lives, seed) => {
        expect(figures(...lives)).toEqual(expectedFigures(lives));
        projected(...lives).checkInterleavings({ runs: 2, seed });
      }),
      { numRuns: 150 },
    );
  });

  test('has the same total in every grouping, and the same as the dashboard', () => {
    fc.assert(
      fc.property(histories, (lives) => {
        const front = lives.reduce((all, { id, events }) => all.events(orderType, id, events), project(dashboard));
        const revenue = front.counters('revenue').filter(({ day }) => day === '');
        for (const currency of ['EUR', 'JPY']) {
          const shown = Number(revenue.find((row) => row['currency'] === currency)?.['total'] ?? 0);
          for (const grouping of ['day', 'region', 'segment', 'category']) {
            const sums = projected(...lives)
              .counters('daily')
              .filter((row) => row['groupedBy'] === grouping && row['currency'] === currency);
            expect(sums.reduce((sum, row) => sum + Number(row['total']), 0)).toBe(shown);
          }
        }
      }),
      { numRuns: 50 },
    );
  });
});

/** The same figures, order by order from what each comes to in the end. */
function expectedFigures(lives: readonly History[]): Record<string, Figures> {
  const all: Record<string, Figures> = {};
  for (const { status, day, currency, region, segment, kept } of lives.map(outcomeOf)) {
    const parts = [
      ['day', '', kept] as const,
      ['region', region ?? '', kept] as const,
      ['segment', segment ?? '', kept] as const,
      ...['almanacs', 'charts']
        .map((category) => ['category', category, kept.filter(({ sku }) => categoryOf(sku) === category)] as const)
        .filter(([, , lines]) => lines.length > 0),
    ];
    for (const [grouping, value, lines] of parts) {
      const { items, total } = sumOf(lines);
      const sum = (all[`${grouping} ${day} ${value} ${currency}`] ??= { orders: 0, items: 0, total: 0, cancelled: 0 });
      if (status === 'cancelled') sum.cancelled += 1;
      else sum.orders += 1;
      sum.items += items;
      sum.total += total;
    }
  }
  return all;
}
