import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';

import { type RecordedEvent, normalText } from '#tidemark';

import type { Money } from '../money.ts';
import {
  type ItemsReturned,
  ORDER_STATUSES,
  type OrderPlaced,
  type OrderShipped,
  type OrderStatus,
  afterReturn,
  isAllReturned,
} from './order.ts';

/*
 * The row of an order, which the read models that show orders share.
 */

/** A line of a shown order. */
export interface Item {
  readonly sku: string;
  readonly name: string;
  readonly category: string;
  readonly quantity: number;
  readonly unitPrice: Money;
  readonly returned: number;
}

/** The columns of a shown order, without its id and version. A function, since each drizzle column belongs to one table. */
export function orderColumns() {
  return {
    customerId: text('customer_id').notNull(),
    customerName: text('customer_name').notNull(),
    customerSegment: text('customer_segment'),
    region: text('region'),
    status: text('status', { enum: ORDER_STATUSES }).notNull(),
    currency: text('currency').notNull(),
    total: integer('total').notNull(),
    itemCount: integer('item_count').notNull(),
    items: text('items', { mode: 'json' }).$type<readonly Item[]>().notNull(),
    tracking: text('tracking'),
    carrier: text('carrier'),
    placedAt: text('placed_at').notNull(),
    updatedAt: text('updated_at').notNull(),
  };
}

type Customer = Pick<OrderPlaced['data'], 'customerId' | 'customerName' | 'customerSegment' | 'region'>;

/** The customer of an order. Old events hold texts as they were typed, so the texts that queries filter or group by are normalised here. */
export function customerOf({ customerId, customerName, customerSegment, region }: Customer): Customer {
  return {
    customerId: normalText(customerId),
    customerName,
    customerSegment: customerSegment && normalText(customerSegment),
    region: region && normalText(region),
  };
}

/** The effect of each event on the row of its order. Other columns of a read model stay unchanged. */
export const orderRow = {
  placed({ data, recordedAt }: RecordedEvent<OrderPlaced>) {
    const { total, itemCount, lines } = data;
    return {
      ...customerOf(data),
      status: 'placed' as OrderStatus,
      currency: total.currency,
      total: total.amount,
      itemCount,
      items: lines.map(({ sku, name, category, quantity, unitPrice }) => ({
        sku,
        name,
        category,
        quantity,
        unitPrice,
        returned: 0,
      })),
      tracking: null,
      carrier: null,
      placedAt: recordedAt,
      updatedAt: recordedAt,
    };
  },

  shipped<Row extends object>(row: Row, { data, recordedAt }: RecordedEvent<OrderShipped>) {
    const { tracking, carrier } = data;
    return { ...row, status: 'shipped' as OrderStatus, tracking, carrier, updatedAt: recordedAt };
  },

  delivered<Row extends object>(row: Row, { recordedAt }: RecordedEvent) {
    return { ...row, status: 'delivered' as OrderStatus, updatedAt: recordedAt };
  },

  cancelled<Row extends object>(row: Row, { recordedAt }: RecordedEvent) {
    return { ...row, status: 'cancelled' as OrderStatus, updatedAt: recordedAt };
  },

  returned<Row extends { readonly items: readonly Item[]; readonly status: OrderStatus }>(
    row: Row,
    { data, recordedAt }: RecordedEvent<ItemsReturned>,
  ) {
    const items = afterReturn(row.items, data.items);
    const status: OrderStatus = isAllReturned(items) ? 'returned' : row.status;
    return { ...row, items, status, updatedAt: recordedAt };
  },
};

/** The shown columns of an order's row. */
export type OrderRow = { readonly orderId: string; readonly version: number } & ReturnType<
  typeof orderTable
>['$inferSelect'];

/** A table with only these columns, used for its type. */
const orderTable = () => sqliteTable('order_row', orderColumns());
