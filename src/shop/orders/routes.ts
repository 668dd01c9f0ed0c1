import { former, text } from '#tidemark';
import { orderLookup } from './order-lookup.ts';
import { orderLookup1 } from './order-lookup-1.ts';
import type { OrderRow } from './order-row.ts';
import { fromRow, orderApi } from './order-view.ts';

/** The text of an order, from a row of revision 1. */
const fromRow1 = (row: OrderRow) => orderLookup.prepared(fromRow(row));

/** What a customer may do with its own orders. The rest is for staff. */
const FOR_CUSTOMERS = { scope: 'orders:write', whose: 'customer' } as const;

export const orderRoutes = [
  orderApi.create('PlaceOrder', {
    access: FOR_CUSTOMERS,
    summary: 'Place an order',
    description:
      'The order records the current prices, which are read from the write side, and the versions of the products.',
    example: {
      customerId: 'c-1024',
      customerName: 'Ada Lovelace',
      customerSegment: 'retail',
      region: 'EU',
      items: [{ sku: 'TIDE-2027', quantity: 2 }],
    },
  }),
  orderApi.command('ShipOrder', '/shipment', {
    summary: 'Ship a placed order',
    description: 'Records the tracking number. A shipped order can no longer be cancelled.',
    example: { tracking: 'JD014600006281230', carrier: 'DHL' },
  }),
  orderApi.command('DeliverOrder', '/delivery', {
    summary: 'Record that a shipped order was delivered',
    description: 'Needs no body. Only the items of a delivered order can be returned.',
  }),
  orderApi.command('CancelOrder', '/cancellation', {
    access: FOR_CUSTOMERS,
    summary: 'Cancel a placed order',
    description: 'Works only before the shipment. A cancelled order counts in no total.',
    example: { reason: 'Ordered by mistake' },
  }),
  orderApi.command('ReturnItems', '/returns', {
    summary: 'Take back items of a delivered order',
    description:
      'Refuses more of a line than the ordered quantity minus the quantity already returned. Once all items are returned, the order is `returned`.',
    example: { items: [{ sku: 'TIDE-2027', quantity: 1 }], reason: 'Water damage' },
  }),
  orderApi.resource(orderLookup, { formerly: (id) => [former(orderLookup1, orderLookup1.byId(id), fromRow1)] }),
  orderApi.list(orderLookup, 'newestFirst', {
    summary: 'List orders, newest first',
    description: 'Answers page by page. Filters by customer and status.',
    filter: { customerId: text(100) },
    formerly: (...asked) => [former(orderLookup1, orderLookup1.lists.newestFirst.page(...asked), fromRow1)],
  }),
  orderApi.history({
    summary: 'List the events of an order',
    example: { type: 'OrderShipped', data: { tracking: 'JD014600006281230', carrier: 'DHL' } },
  }),
];
