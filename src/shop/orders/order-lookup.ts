import { readModel } from '#tidemark';
import { serving } from '../../groups.ts';
import { order } from './order.ts';
import { orderRow } from './order-row.ts';
import { orderView } from './order-view.ts';

/** The customer's order page: every order, in its current state. */
export const orderLookup = readModel(order, {
  name: 'order-lookup',
  revision: 2,
  group: serving,
  view: orderView,
  on: {
    OrderPlaced: { create: (event) => ({ ...orderRow.placed(event), total: event.data.total }) },
    OrderShipped: { change: (shown, event) => orderRow.shipped(shown, event) },
    OrderDelivered: { change: (shown, event) => orderRow.delivered(shown, event) },
    OrderCancelled: { change: (shown, event) => orderRow.cancelled(shown, event) },
    ItemsReturned: { change: (shown, event) => orderRow.returned(shown, event) },
  },
  lists: { newestFirst: { filter: ['customerId', 'status'], sort: ['-placedAt'] } },
  // Revision 1 had a column for each member.
  acceptsDifferences: true,
});
