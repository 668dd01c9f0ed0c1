import * as z from 'zod/mini';

import { eventSchemas } from '../../http/event-schemas.ts';
import { Uuid, Version, described, named } from '../../http/schemas.ts';
import { MoneySchema } from '../schemas.ts';
import type { OrderEvent } from './order.ts';

const PlacedLine = named(
  'PlacedLine',
  z.strictObject({
    sku: z.string(),
    productId: Uuid,
    productVersion: described(Version, 'The version of the product at which its name and price were read.'),
    name: z.string(),
    category: z.string(),
    quantity: z.int(),
    unitPrice: MoneySchema,
  }),
);

const ReturnedItem = named('ReturnedItem', z.strictObject({ sku: z.string(), quantity: z.int() }));

/** The events of an order as the feed, the log and its history show them. */
export const orderEvents = eventSchemas<OrderEvent>()({
  OrderPlaced: z.strictObject({
    customerId: z.string(),
    customerName: z.string(),
    customerSegment: z.nullable(z.string()),
    region: z.nullable(z.string()),
    lines: z.array(PlacedLine),
    total: MoneySchema,
    itemCount: described(z.int(), 'The sum of the quantities.'),
  }),
  OrderShipped: z.strictObject({
    tracking: z.string(),
    carrier: described(z.optional(z.nullable(z.string())), 'Absent in events of schema version 1.'),
  }),
  OrderDelivered: z.strictObject({}),
  OrderCancelled: z.strictObject({ reason: z.string() }),
  ItemsReturned: z.strictObject({ items: z.array(ReturnedItem), reason: z.string() }),
});
