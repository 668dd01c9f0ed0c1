import { readModelOfColumns } from '#tidemark';
import { serving } from '../../groups.ts';
import { order } from './order.ts';
import { orderColumns, orderRow } from './order-row.ts';

/** Revision 1 of `orderLookup`. It serves until revision 2 is built and swapped in, and after a rollback. */
export const orderLookup1 = readModelOfColumns(order, {
  name: 'order-lookup',
  revision: 1,
  group: serving,
  columns: orderColumns(),
  on: {
    OrderPlaced: { create: (event) => orderRow.placed(event) },
    OrderShipped: { change: (row, event) => orderRow.shipped(row, event) },
    OrderDelivered: { change: (row, event) => orderRow.delivered(row, event) },
    OrderCancelled: { change: (row, event) => orderRow.cancelled(row, event) },
    ItemsReturned: { change: (row, event) => orderRow.returned(row, event) },
  },
  lists: { newestFirst: { filter: ['customerId', 'status'], sort: ['-placedAt'] } },
});
