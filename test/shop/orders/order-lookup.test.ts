import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { idOf } from '../../../src/tidemark/domain/stream.ts';
import { inMemorySystem } from '#tidemark/testing';
import { project } from '#tidemark/testing';
import type { CommandContext } from '../../../src/tidemark/write/command-bus.ts';
import { orders } from '../../../src/shop/orders/module.ts';
import { type ExistingOrder, ORDER_STATUSES, type OrderEvent, order } from '../../../src/shop/orders/order.ts';
import { orderLookup } from '../../../src/shop/orders/order-lookup.ts';
import type { Offer } from '../../../src/shop/orders/product-prices.ts';
import { products } from '../../../src/shop/products/module.ts';
import { productIdOf } from '../../../src/shop/products/product.ts';
import { priceList } from '../../../src/shop/products/price-list.ts';
import { normalText } from '../../../src/tidemark/http/text.ts';

const eur = (amount: number) => ({ amount, currency: 'EUR' });

const placed: OrderEvent = {
  type: 'OrderPlaced',
  data: {
    customerId: 'c-1024',
    customerName: 'Ada Lovelace',
    customerSegment: null,
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
function returned(...items: readonly { sku: string; quantity: number }[]): OrderEvent {
  return { type: 'ItemsReturned', data: { items, reason: 'Water damage' } };
}

const placedRow = {
  orderId: 'o-1',
  version: 1,
  customerId: 'c-1024',
  customerName: 'Ada Lovelace',
  customerSegment: null,
  region: 'EU',
  status: 'placed',
  currency: 'EUR',
  total: eur(5348),
  itemCount: 5,
  items: [
    { sku: 'TIDE-2027', name: 'Tide table 2027', category: 'almanacs', quantity: 2, unitPrice: eur(1999), returned: 0 },
    { sku: 'CHART-7', name: 'Chart 7', category: 'charts', quantity: 3, unitPrice: eur(450), returned: 0 },
  ],
  tracking: null,
  carrier: null,
  placedAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
};

function rowAfter(...events: readonly OrderEvent[]) {
  return project(orderLookup).events(order, 'o-1', events).row(order, 'o-1');
}

describe('order-lookup', () => {
  test('OrderPlaced gives this row', () => {
    expect(rowAfter(placed)).toEqual(placedRow);
  });

  test('OrderPlaced, then OrderShipped with tracking, gives this row', () => {
    expect(rowAfter(placed, shipped)).toEqual({
      ...placedRow,
      version: 2,
      status: 'shipped',
      tracking: 'JD0146',
      carrier: 'DHL',
      updatedAt: '2026-01-01T00:00:01.000Z',
    });
  });

  test('OrderDelivered keeps tracking and carrier', () => {
    expect(rowAfter(placed, shipped, delivered)).toEqual({
      ...placedRow,
      version: 3,
      status: 'delivered',
      tracking: 'JD0146',
      carrier: 'DHL',
      updatedAt: '2026-01-01T00:00:02.000Z',
    });
  });

  test('OrderCancelled keeps the lines and the total', () => {
    expect(rowAfter(placed, cancelled)).toEqual({
      ...placedRow,
      version: 2,
      status: 'cancelled',
      updatedAt: '2026-01-01T00:00:01.000Z',
    });
  });

  test('ItemsReturned adds the returned quantity to each line; the order stays delivered', () => {
    const row = rowAfter(
      placed,
      shipped,
      delivered,
      returned({ sku: 'CHART-7', quantity: 1 }),
      returned({ sku: 'CHART-7', quantity: 1 }),
    );
    expect(row).toMatchObject({ version: 5, status: 'delivered', total: eur(5348), itemCount: 5 });
    expect(row?.items.map((item) => [item.sku, item.quantity, item.returned])).toEqual([
      ['TIDE-2027', 2, 0],
      ['CHART-7', 3, 2],
    ]);
  });

  test('ItemsReturned makes the order returned once no item is left', () => {
    const some = returned({ sku: 'TIDE-2027', quantity: 2 });
    const rest = returned({ sku: 'CHART-7', quantity: 3 });
    expect(rowAfter(placed, shipped, delivered, some)).toMatchObject({ status: 'delivered' });
    expect(rowAfter(placed, shipped, delivered, some, rest)).toMatchObject({ status: 'returned', total: eur(5348) });
  });

  test('OrderShipped in the version without a carrier gives a row without one', () => {
    const withoutCarrier = { type: 'OrderShipped', schemaVersion: 1, data: { tracking: 'JD0146' } } as const;
    const projected = project(orderLookup).events(order, 'o-1', [placed, withoutCarrier]);
    expect(projected.row(order, 'o-1')).toMatchObject({ status: 'shipped', tracking: 'JD0146', carrier: null });
  });

  test('is equal in any interleaving of orders and in batches of any size', () => {
    project(orderLookup)
      .events(order, 'o-1', [placed, shipped, delivered, returned({ sku: 'CHART-7', quantity: 1 })])
      .events(order, 'o-2', [placed, cancelled])
      .events(order, 'o-3', [placed, { type: 'OrderShipped', schemaVersion: 1, data: { tracking: 'JD0147' } }])
      .events(order, 'o-4', [
        placed,
        shipped,
        delivered,
        returned({ sku: 'TIDE-2027', quantity: 2 }, { sku: 'CHART-7', quantity: 3 }),
      ])
      .checkInterleavings({ runs: 100 });
  });
});

describe('after any history that the domain allows', () => {
  const skus = ['A', 'B'];
  const offers: readonly Offer[] = skus.map((sku, index) => ({
    sku,
    productId: `p-${sku}`,
    productVersion: index + 1,
    name: `Product ${sku}`,
    category: index % 2 ? 'charts' : 'almanacs',
    price: eur(100 * index + 99),
  }));
  const items = fc.uniqueArray(fc.record({ sku: fc.constantFrom(...skus), quantity: fc.integer({ min: 1, max: 2 }) }), {
    selector: ({ sku }) => sku,
    minLength: 1,
  });
  /** As a route hands it on. */
  const text = fc.string().map(normalText);
  const optional = fc.option(text, { nil: undefined });
  const orderId = fc.constantFrom('o-1', 'o-2');
  const reason = 'a reason';
  const command = fc.oneof(
    fc
      .record({
        orderId,
        customerId: text,
        customerName: text,
        customerSegment: optional,
        region: optional,
        items,
      })
      .map((data) => ({ type: 'PlaceOrder', data })),
    fc.record({ orderId, tracking: text, carrier: optional }).map((data) => ({ type: 'ShipOrder', data })),
    fc.record({ orderId }).map((data) => ({ type: 'DeliverOrder', data })),
    fc.record({ orderId }).map((data) => ({ type: 'CancelOrder', data: { ...data, reason } })),
    fc.record({ orderId, items }).map((data) => ({ type: 'ReturnItems', data: { ...data, reason } })),
  );

  /** The expected row of an order, from the state of the write side. */
  function expectedRow(id: string, version: number, state: ExistingOrder) {
    const { customerId, customerName, customerSegment, region, status, total, itemCount, placedAt, updatedAt } = state;
    return {
      orderId: id,
      version,
      customerId,
      customerName,
      customerSegment,
      region,
      status,
      itemCount,
      placedAt,
      updatedAt,
      currency: total.currency,
      total,
      items: state.lines.map(({ sku, name, category, quantity, unitPrice, returned: back }) => ({
        sku,
        name,
        category,
        quantity,
        unitPrice,
        returned: back,
      })),
      tracking: 'tracking' in state ? state.tracking : null,
      carrier: 'carrier' in state ? state.carrier : null,
    };
  }

  test('the row of every order equals the state of the write side, in any interleaving', async () => {
    const reached = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 40, size: 'max' }), fc.nat(), async (commands, seed) => {
        const memory = inMemorySystem([
          orders(() => ({ offersOf: async () => ({ outcome: 'prepared', added: { offers } }) })),
        ]);
        for (const next of commands) {
          memory.clock.advance(1_000);
          await memory.bus.dispatch(next, memory.context());
        }
        const projected = project(orderLookup).stored(memory.events);
        const streams = [...new Set(memory.events.map(({ stream }) => stream))];
        expect(projected.rows()).toHaveLength(streams.length);
        for (const stream of streams) {
          const current = await memory.aggregates.state(stream);
          const state = current?.state as unknown as ExistingOrder;
          reached.add(state.status);
          expect(projected.row(order, idOf(stream))).toEqual(expectedRow(idOf(stream), current?.version ?? 0, state));
        }
        projected.checkInterleavings({ runs: 3, seed });
      }),
      { numRuns: 200 },
    );
    // Histories that never come to an end would prove little.
    expect([...reached].toSorted()).toEqual([...ORDER_STATUSES].toSorted());
  });
});

test('an order in plain memory, from the product to the row', async () => {
  const memory = inMemorySystem([products, orders(priceList)]);
  const send = (type: string, data: object, context?: Partial<CommandContext>) =>
    memory.bus.dispatch({ type, data }, memory.context(context));

  const productId = productIdOf('TIDE-2027');
  await send('CreateProduct', {
    productId,
    sku: 'TIDE-2027',
    name: 'Tide table 2027',
    category: 'almanacs',
    price: eur(1999),
  });
  const customer = { customerId: 'c-1', customerName: 'Ada Lovelace' };
  await send('PlaceOrder', { orderId: 'o-1', ...customer, items: [{ sku: 'tide-2027', quantity: 2 }] });
  await send('ShipOrder', { orderId: 'o-1', tracking: 'JD0146' });

  expect(
    memory.published.map(({ hint }) => `${hint.stream.split('-')[0]} ${hint.fromVersion}-${hint.toVersion}`),
  ).toEqual(['product 1-1', 'order 1-1', 'order 2-2']);
  const { events } = await memory.aggregates.load(order.streamOf('o-1'), 1, 100);
  expect(project(orderLookup).stored(events).row(order, 'o-1')).toMatchObject({
    status: 'shipped',
    total: eur(3998),
    items: [{ sku: 'TIDE-2027', name: 'Tide table 2027', quantity: 2, returned: 0 }],
    tracking: 'JD0146',
    carrier: null,
    version: 2,
  });
  expect(
    await send('PlaceOrder', { orderId: 'o-2', ...customer, items: [{ sku: 'GHOST', quantity: 1 }] }),
  ).toMatchObject({
    outcome: 'rejected',
    rejection: { code: 'unknown-sku', details: { skus: ['GHOST'] } },
  });
});
