import { text } from '#tidemark';
import { orderLookup } from './order-lookup.ts';
import { fromRow, orderApi } from './order-view.ts';

export const orderRoutes = [
  orderApi.create('PlaceOrder', {
    summary: 'Place an order',
    description:
      'Prices are those of the moment, read from the write side and recorded in the event with the versions they were seen at.',
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
    description: 'Records the tracking number. An order that is shipped can no longer be cancelled.',
    example: { tracking: 'JD014600006281230', carrier: 'DHL' },
  }),
  orderApi.command('DeliverOrder', '/delivery', {
    summary: 'Record that a shipped order was delivered',
    description: 'Needs no body. Only the items of a delivered order can be returned.',
  }),
  orderApi.command('CancelOrder', '/cancellation', {
    summary: 'Cancel a placed order',
    description: 'Only before it is shipped. A cancelled order counts in no total.',
    example: { reason: 'Ordered by mistake' },
  }),
  orderApi.command('ReturnItems', '/returns', {
    summary: 'Take back items of a delivered order',
    description:
      'Never more of a line than was bought less what came back. Once nothing is left, the order is `returned`.',
    example: { items: [{ sku: 'TIDE-2027', quantity: 1 }], reason: 'Water damage' },
  }),
  orderApi.resource(orderLookup, { fromRow }),
  orderApi.list(orderLookup, 'newestFirst', {
    summary: 'Orders, newest first',
    description: 'Page by page, by customer and status if these are given.',
    filter: { customerId: text(100) },
    fromRow,
  }),
  orderApi.history({
    summary: 'What happened to an order',
    example: { type: 'OrderShipped', data: { tracking: 'JD014600006281230', carrier: 'DHL' } },
  }),
];
