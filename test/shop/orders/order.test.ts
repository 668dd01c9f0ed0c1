import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { given } from '#tidemark/testing';
import type { Money } from '../../../src/shop/money.ts';
import {
  ORDER_STATUSES,
  type OrderCommand,
  type OrderEvent,
  type OrderStatus,
  type PlaceOrder,
  type ReturnItems,
  order,
} from '../../../src/shop/orders/order.ts';
import type { Offer } from '../../../src/shop/orders/product-prices.ts';

const eur = (amount: number): Money => ({ amount, currency: 'EUR' });

const tideTable: Offer = {
  sku: 'TIDE-2027',
  productId: 'p-tide',
  productVersion: 3,
  name: 'Tide table 2027',
  category: 'almanacs',
  price: eur(1999),
};
const chart: Offer = {
  sku: 'CHART-7',
  productId: 'p-chart',
  productVersion: 1,
  name: 'Chart 7',
  category: 'charts',
  price: eur(450),
};

function place(overrides: Partial<PlaceOrder['data']> = {}): PlaceOrder {
  const customer = { customerId: 'c-1024', customerName: 'Ada Lovelace', customerSegment: 'retail', region: 'EU' };
  const items = [
    { sku: 'TIDE-2027', quantity: 2 },
    { sku: 'CHART-7', quantity: 3 },
  ];
  return { type: 'PlaceOrder', data: { orderId: 'o-1', ...customer, items, offers: [tideTable, chart], ...overrides } };
}

const ship: OrderCommand = { type: 'ShipOrder', data: { orderId: 'o-1', tracking: 'JD0146', carrier: 'DHL' } };
const deliver: OrderCommand = { type: 'DeliverOrder', data: { orderId: 'o-1' } };
const cancel: OrderCommand = { type: 'CancelOrder', data: { orderId: 'o-1', reason: 'Ordered by mistake' } };
function giveBack(...items: ReturnItems['data']['items']): ReturnItems {
  return { type: 'ReturnItems', data: { orderId: 'o-1', items, reason: 'Water damage' } };
}

const placed: OrderEvent = {
  type: 'OrderPlaced',
  data: {
    customerId: 'c-1024',
    customerName: 'Ada Lovelace',
    customerSegment: 'retail',
    region: 'EU',
    lines: [
      {
        sku: 'TIDE-2027',
        productId: 'p-tide',
        productVersion: 3,
        name: 'Tide table 2027',
        category: 'almanacs',
        quantity: 2,
        unitPrice: eur(1999),
      },
      {
        sku: 'CHART-7',
        productId: 'p-chart',
        productVersion: 1,
        name: 'Chart 7',
        category: 'charts',
        quantity: 3,
        unitPrice: eur(450),
      },
    ],
    total: eur(5348),
    itemCount: 5,
  },
};
const shipped: OrderEvent = { type: 'OrderShipped', data: { tracking: 'JD0146', carrier: 'DHL' } };
const delivered: OrderEvent = { type: 'OrderDelivered', data: {} };
const cancelled: OrderEvent = { type: 'OrderCancelled', data: { reason: 'Ordered by mistake' } };
function returned(...items: ReturnItems['data']['items']): OrderEvent {
  return { type: 'ItemsReturned', data: { items, reason: 'Water damage' } };
}
const everything = [
  { sku: 'TIDE-2027', quantity: 2 },
  { sku: 'CHART-7', quantity: 3 },
];

/** The events that lead to each state of an order. */
const history: Record<OrderStatus, readonly OrderEvent[]> = {
  placed: [placed],
  shipped: [placed, shipped],
  delivered: [placed, shipped, delivered],
  returned: [placed, shipped, delivered, returned(...everything)],
  cancelled: [placed, cancelled],
};

describe('placing an order', () => {
  test('records the lines, their prices, and the versions of the products', () => {
    given(order)
      .when(place())
      .then([placed])
      .thenState({
        status: 'placed',
        customerId: 'c-1024',
        customerName: 'Ada Lovelace',
        total: eur(5348),
        itemCount: 5,
        placedAt: '2026-01-01T00:00:00.000Z',
        updatedAt: '2026-01-01T00:00:00.000Z',
      });
  });

  test('records an absent segment and region as null', () => {
    given(order)
      .when(place({ customerSegment: undefined, region: undefined }))
      .then([{ ...placed, data: { ...placed.data, customerSegment: null, region: null } }]);
  });

  test('finds an offer by any spelling of its SKU, and records the SKU of the product', () => {
    given(order)
      .when(
        place({
          items: [
            { sku: ' tide-2027 ', quantity: 2 },
            { sku: 'chart-7', quantity: 3 },
          ],
        }),
      )
      .then([placed]);
  });

  test('leaves out offers that are not in the order', () => {
    given(order)
      .when(place({ items: [{ sku: 'CHART-7', quantity: 1 }] }))
      .thenState({ total: eur(450), itemCount: 1 });
  });

  test('is neither placed without a SKU that was not looked up, nor refused for it as unknown', () => {
    const items = ['ghost', 'tide-2027', 'chart-7'].map((sku) => ({ sku, quantity: 1 }));
    given(order)
      .when(place({ items, offers: [tideTable], skipped: ['CHART-7'] }))
      .thenRejected('unknown-sku', { skus: ['ghost'] });
    given(order)
      .when(place({ items, offers: [tideTable], skipped: ['GHOST', 'CHART-7'] }))
      .thenRejected('unknown-sku', { skus: [] });
  });

  test('names every unknown SKU, as the client wrote it', () => {
    const items = [
      { sku: 'ghost', quantity: 1 },
      { sku: 'TIDE-2027', quantity: 1 },
      { sku: 'PHANTOM', quantity: 1 },
    ];
    given(order)
      .when(place({ items }))
      .thenRejected('unknown-sku', { skus: ['ghost', 'PHANTOM'] });
    given(order)
      .when(place({ offers: [] }))
      .thenRejected('unknown-sku', { skus: ['TIDE-2027', 'CHART-7'] });
  });

  test('names every SKU that is there twice, in any form, once', () => {
    const items = [
      { sku: 'TIDE-2027', quantity: 1 },
      { sku: 'tide-2027', quantity: 1 },
      { sku: 'CHART-7', quantity: 1 },
      { sku: ' CHART-7', quantity: 1 },
      { sku: 'CHART-7', quantity: 1 },
    ];
    given(order)
      .when(place({ items }))
      .thenRejected('duplicate-sku', { skus: ['TIDE-2027', 'CHART-7'] });
  });

  test('names the currencies if there are several', () => {
    const inYen = { ...chart, price: { amount: 300, currency: 'JPY' } };
    given(order)
      .when(place({ offers: [tideTable, inYen] }))
      .thenRejected('mixed-currencies', { currencies: ['EUR', 'JPY'] });
  });

  test('accepts any one currency', () => {
    const inYen = { ...chart, price: { amount: 300, currency: 'JPY' } };
    given(order)
      .when(place({ items: [{ sku: 'CHART-7', quantity: 2 }], offers: [inYen] }))
      .thenState({ total: { amount: 600, currency: 'JPY' } });
  });

  test('sums the largest possible order to the last cent', () => {
    const offers = Array.from({ length: 100 }, (_, index) => ({
      ...chart,
      sku: `SKU-${index}`,
      price: eur(9_000_000_000),
    }));
    const items = offers.map(({ sku }) => ({ sku, quantity: 10_000 }));
    given(order)
      .when(place({ items, offers }))
      .thenState({ total: eur(9_000_000_000_000_000), itemCount: 1_000_000 });
    expect(Number.isSafeInteger(9_000_000_000_000_000)).toBe(true);
  });

  test('totals price times quantity over up to 100 lines, to the last cent', () => {
    const line = fc.record({
      amount: fc.integer({ min: 1, max: 9_000_000_000 }),
      quantity: fc.integer({ min: 1, max: 10_000 }),
    });
    fc.assert(
      // Without `size` there are hardly ever more than ten lines, and sums that have no more digits than a rounded number.
      fc.property(fc.array(line, { minLength: 1, maxLength: 100, size: 'max' }), (lines) => {
        const offers = lines.map(({ amount }, index) => ({ ...chart, sku: `SKU-${index}`, price: eur(amount) }));
        const items = lines.map(({ quantity }, index) => ({ sku: `SKU-${index}`, quantity }));
        const total = lines.reduce((sum, { amount, quantity }) => sum + BigInt(amount) * BigInt(quantity), 0n);
        given(order)
          .when(place({ items, offers }))
          .thenState({ total: eur(Number(total)), itemCount: lines.reduce((sum, { quantity }) => sum + quantity, 0) });
      }),
    );
  });
});

describe('shipping an order', () => {
  test('records tracking and carrier', () => {
    given(order, history.placed).when(ship).then([shipped]).thenState({
      status: 'shipped',
      tracking: 'JD0146',
      carrier: 'DHL',
      placedAt: '2026-01-01T00:00:00.000Z',
      updatedAt: '2026-01-01T00:00:01.000Z',
    });
  });

  test('records an absent carrier as null', () => {
    given(order, history.placed)
      .when({ type: 'ShipOrder', data: { orderId: 'o-1', tracking: 'JD0146' } })
      .then([{ type: 'OrderShipped', data: { tracking: 'JD0146', carrier: null } }]);
  });

  test('of an order in the version without a carrier leaves it without one', () => {
    given(order, [placed, { type: 'OrderShipped', schemaVersion: 1, data: { tracking: 'JD0146' } }]).thenState({
      status: 'shipped',
      tracking: 'JD0146',
      carrier: null,
    });
  });
});

describe('a command on an order', () => {
  const commands = {
    PlaceOrder: place(),
    ShipOrder: ship,
    DeliverOrder: deliver,
    CancelOrder: cancel,
    ReturnItems: giveBack({ sku: 'TIDE-2027', quantity: 1 }),
  } satisfies Partial<Record<OrderCommand['type'], OrderCommand>>;

  test.each<[OrderStatus, keyof typeof commands, OrderEvent, OrderStatus]>([
    ['placed', 'ShipOrder', shipped, 'shipped'],
    ['placed', 'CancelOrder', cancelled, 'cancelled'],
    ['shipped', 'DeliverOrder', delivered, 'delivered'],
    ['delivered', 'ReturnItems', returned({ sku: 'TIDE-2027', quantity: 1 }), 'delivered'],
  ])('while it is %s: %s carries it on', (status, type, event, next) => {
    given(order, history[status])
      .when(commands[type])
      .then([event])
      .thenState({ status: next, total: eur(5348), itemCount: 5 });
  });

  const allowed = new Set(['placed ShipOrder', 'placed CancelOrder', 'shipped DeliverOrder', 'delivered ReturnItems']);
  const forbidden = ORDER_STATUSES.flatMap((status) =>
    Object.values(commands).map((command) => [status, command] as const),
  ).filter(([status, { type }]) => !allowed.has(`${status} ${type}`));
  test('is one of 25 pairs of state and command, 4 of them allowed', () => {
    expect(forbidden).toHaveLength(21);
  });

  test.each(forbidden.map(([status, command]) => [status, command.type, command] as const))(
    'while it is %s: %s is refused, and names the status',
    (status, _type, command) => {
      given(order, history[status]).thenState({ status });
      given(order, history[status]).when(command).thenRejected('wrong-state', { currentStatus: status });
    },
  );

  test.each([ship, deliver, cancel, giveBack({ sku: 'TIDE-2027', quantity: 1 })])(
    'before it is placed: $type finds no order',
    (command) => {
      given(order).when(command).thenRejected('not-found');
    },
  );

  test('never changes its total, its lines’ prices or when it was placed', () => {
    for (const status of ORDER_STATUSES) {
      given(order, history[status]).thenState({
        total: eur(5348),
        itemCount: 5,
        placedAt: '2026-01-01T00:00:00.000Z',
      });
    }
  });
});

describe('giving items back', () => {
  const returnable = given(order, history.delivered);

  test('records which, and why; a part of them leaves the order delivered', () => {
    returnable
      .when(giveBack({ sku: 'CHART-7', quantity: 2 }))
      .then([returned({ sku: 'CHART-7', quantity: 2 })])
      .thenState({ status: 'delivered', updatedAt: '2026-01-01T00:00:03.000Z' });
  });

  test('makes the order returned once no item is left, in one or several steps', () => {
    returnable.when(giveBack(...everything)).thenState({ status: 'returned' });
    given(order, [
      ...history.delivered,
      returned({ sku: 'TIDE-2027', quantity: 2 }),
      returned({ sku: 'CHART-7', quantity: 2 }),
    ])
      .when(giveBack({ sku: 'CHART-7', quantity: 1 }))
      .thenState({ status: 'returned' });
  });

  test('takes back all items of one line and leaves another', () => {
    returnable.when(giveBack({ sku: 'TIDE-2027', quantity: 2 })).thenState({ status: 'delivered' });
  });

  test('finds a line by any spelling of its SKU', () => {
    returnable.when(giveBack({ sku: ' chart-7', quantity: 1 })).then([returned({ sku: 'CHART-7', quantity: 1 })]);
  });

  test('is refused for more items than were bought', () => {
    returnable
      .when(giveBack({ sku: 'TIDE-2027', quantity: 3 }, { sku: 'CHART-7', quantity: 3 }))
      .thenRejected('nothing-to-return', { skus: ['TIDE-2027'] });
  });

  test('is refused for more items than are left, and names every such SKU', () => {
    given(order, [...history.delivered, returned({ sku: 'TIDE-2027', quantity: 1 }, { sku: 'CHART-7', quantity: 3 })])
      .when(giveBack({ sku: 'CHART-7', quantity: 1 }, { sku: 'TIDE-2027', quantity: 2 }))
      .thenRejected('nothing-to-return', { skus: ['CHART-7', 'TIDE-2027'] });
  });

  test('is refused for SKUs that the order does not have, and names every such SKU', () => {
    returnable
      .when(giveBack({ sku: 'ghost', quantity: 1 }, { sku: 'TIDE-2027', quantity: 1 }, { sku: 'PHANTOM', quantity: 1 }))
      .thenRejected('unknown-sku', { skus: ['GHOST', 'PHANTOM'] });
  });

  test('is refused if a SKU is there twice, in any form', () => {
    returnable
      .when(giveBack({ sku: 'CHART-7', quantity: 1 }, { sku: 'chart-7', quantity: 1 }))
      .thenRejected('duplicate-sku', { skus: ['CHART-7'] });
  });

  test('never takes back more items of a line than were bought, in any sequence', () => {
    const attempt = fc.record({
      sku: fc.constantFrom('TIDE-2027', 'CHART-7'),
      quantity: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(fc.array(attempt, { maxLength: 12 }), (attempts) => {
        const events = [...history.delivered];
        const left = new Map(everything.map(({ sku, quantity }) => [sku, quantity]));
        for (const item of attempts) {
          const when = given(order, events).when(giveBack(item));
          const has = left.get(item.sku) ?? 0;
          if ([...left.values()].every((quantity) => quantity === 0)) {
            when.thenRejected('wrong-state', { currentStatus: 'returned' });
          } else if (item.quantity > has) {
            when.thenRejected('nothing-to-return', { skus: [item.sku] });
          } else {
            when.then([returned(item)]);
            events.push(returned(item));
            left.set(item.sku, has - item.quantity);
          }
        }
        const isAllBack = [...left.values()].every((quantity) => quantity === 0);
        given(order, events).thenState({ status: isAllBack ? 'returned' : 'delivered' });
      }),
    );
  });
});

test('an impossible event changes nothing: evolve never fails', () => {
  given(order, [shipped, delivered, cancelled, returned(...everything)]).thenState({ status: 'absent' });
  given(order, [placed, delivered]).thenState({ status: 'placed' });
  given(order, [placed, returned(...everything)]).thenState({ status: 'placed' });
});
