import * as z from 'zod/mini';

import { streamId } from '../../eventsourcing/stream.ts';
import { commandRoute } from '../../http/command-route.ts';
import { historyRoute } from '../../http/history-route.ts';
import { listRoute } from '../../http/list-route.ts';
import { resourceRoute } from '../../http/resource-route.ts';
import type { Route } from '../../http/route.ts';
import { Uuid, Version, named, text } from '../../http/schemas.ts';
import { Sku } from '../schemas.ts';
import {
  type CancelOrder,
  type DeliverOrder,
  ORDER,
  ORDER_STATUSES,
  type ReturnItems,
  type ShipOrder,
} from './order.ts';
import { orderEvents } from './order-events.ts';
import { listOrders, orderById, orderLookup } from './order-lookup.ts';
import { ORDER_EXAMPLE, ORDER_ID, OrderView, fromRow, fromState } from './order-view.ts';
import type { RequestOrder } from './place-order.ts';

const MAX_LINES = 100;
const MAX_QUANTITY = 10_000;

const Items = z
  .array(
    named('OrderItem', z.strictObject({ sku: Sku, quantity: z.int().check(z.minimum(1), z.maximum(MAX_QUANTITY)) })),
  )
  .check(z.minLength(1), z.maxLength(MAX_LINES));

const Written = named('OrderReceipt', z.strictObject({ orderId: Uuid, version: Version }));

const Params = z.strictObject({ orderId: Uuid });

/** What the routes of commands on an existing order have in common. */
const onOrder = {
  tag: 'orders',
  params: Params,
  idName: 'orderId',
  answer: Written,
  represent: fromState,
  representation: OrderView,
} as const;

export const orderRoutes: readonly Route[] = [
  commandRoute({
    path: '/orders',
    id: 'placeOrder',
    summary: 'Place an order',
    description:
      'Prices are those of the moment, read from the write side and recorded in the event with the versions they were seen at.',
    tag: 'orders',
    body: z.strictObject({
      customerId: text(100),
      customerName: text(200),
      customerSegment: z.optional(text(100)),
      region: z.optional(text(100)),
      items: Items,
    }),
    bodyExample: {
      customerId: 'c-1024',
      customerName: 'Ada Lovelace',
      customerSegment: 'retail',
      region: 'EU',
      items: [{ sku: 'TIDE-2027', quantity: 2 }],
    },
    creates: { location: (id) => `/orders/${id}` },
    toCommand: ({ body, newId }): RequestOrder => ({ type: 'PlaceOrder', data: { orderId: newId(), ...body } }),
    idName: 'orderId',
    answer: Written,
    answerExample: { orderId: ORDER_ID, version: 1 },
    represent: fromState,
    representation: OrderView,
    refusals: ['unknown-sku', 'duplicate-sku', 'mixed-currencies', 'wrong-state'],
  }),
  commandRoute({
    ...onOrder,
    path: '/orders/:orderId/shipment',
    id: 'shipOrder',
    summary: 'Ship a placed order',
    description: 'Records the tracking number. An order that is shipped can no longer be cancelled.',
    body: z.strictObject({ tracking: text(200), carrier: z.optional(text(100)) }),
    bodyExample: { tracking: 'JD014600006281230', carrier: 'DHL' },
    toCommand: ({ params, body }): ShipOrder => ({ type: 'ShipOrder', data: { ...params, ...body } }),
    answerExample: { orderId: ORDER_ID, version: 2 },
    refusals: ['not-found', 'wrong-state'],
  }),
  commandRoute({
    ...onOrder,
    path: '/orders/:orderId/delivery',
    id: 'deliverOrder',
    summary: 'Record that a shipped order was delivered',
    description: 'Needs no body. Only the items of a delivered order can be returned.',
    body: z.strictObject({}),
    bodyExample: {},
    isBodyOptional: true,
    toCommand: ({ params }): DeliverOrder => ({ type: 'DeliverOrder', data: params }),
    answerExample: { orderId: ORDER_ID, version: 3 },
    refusals: ['not-found', 'wrong-state'],
  }),
  commandRoute({
    ...onOrder,
    path: '/orders/:orderId/cancellation',
    id: 'cancelOrder',
    summary: 'Cancel a placed order',
    description: 'Only before it is shipped. A cancelled order counts in no total.',
    body: z.strictObject({ reason: text(500) }),
    bodyExample: { reason: 'Ordered by mistake' },
    toCommand: ({ params, body }): CancelOrder => ({ type: 'CancelOrder', data: { ...params, ...body } }),
    answerExample: { orderId: ORDER_ID, version: 2 },
    refusals: ['not-found', 'wrong-state'],
  }),
  commandRoute({
    ...onOrder,
    path: '/orders/:orderId/returns',
    id: 'returnItems',
    summary: 'Take back items of a delivered order',
    description:
      'Never more of a line than was bought less what came back. Once nothing is left, the order is `returned`.',
    body: z.strictObject({ items: Items, reason: text(500) }),
    bodyExample: { items: [{ sku: 'TIDE-2027', quantity: 1 }], reason: 'Water damage' },
    toCommand: ({ params, body }): ReturnItems => ({ type: 'ReturnItems', data: { ...params, ...body } }),
    answerExample: { orderId: ORDER_ID, version: 4 },
    refusals: ['not-found', 'wrong-state', 'unknown-sku', 'duplicate-sku', 'nothing-to-return'],
  }),
  resourceRoute({
    path: '/orders/:orderId',
    id: 'getOrder',
    summary: 'One order',
    tag: 'orders',
    params: Params,
    noun: 'order',
    stream: ({ orderId }) => streamId(ORDER, orderId),
    reads: orderLookup,
    query: ({ orderId }) => orderById({ orderId }),
    view: fromRow,
    represent: ({ orderId }, state) => fromState(orderId, state),
    answer: OrderView,
    answerExample: ORDER_EXAMPLE,
  }),
  listRoute({
    path: '/orders',
    id: 'listOrders',
    summary: 'Orders, newest first',
    description: 'Page by page, by customer and status if these are given.',
    tag: 'orders',
    filter: { customerId: z.optional(text(100)), status: z.optional(z.enum(ORDER_STATUSES)) },
    reads: orderLookup,
    query: listOrders,
    view: fromRow,
    positionOf: ({ placedAt, orderId }) => [placedAt, orderId],
    item: OrderView,
    itemExample: ORDER_EXAMPLE,
  }),
  historyRoute({
    path: '/orders/:orderId/history',
    id: 'getOrderHistory',
    summary: 'What happened to an order',
    description: 'Its events from the log itself, as they were stored, oldest first.',
    tag: 'orders',
    params: Params,
    noun: 'order',
    stream: ({ orderId }) => streamId(ORDER, orderId),
    itemName: 'OrderHistoryItem',
    events: orderEvents,
    itemExample: {
      version: 2,
      type: 'OrderShipped',
      data: { tracking: 'JD014600006281230', carrier: 'DHL' },
      actor: 'anonymous',
      correlationId: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5c',
      recordedAt: '2026-11-23T10:00:00.000Z',
    },
  }),
];
