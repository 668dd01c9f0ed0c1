import type { StoredEvent } from '../../src/tidemark/domain/event.ts';
import { idOf } from '../../src/tidemark/domain/stream.ts';
import { foldStream, sumIncrements } from '../../src/tidemark/projections/fold.ts';
import type { Projection } from '../../src/tidemark/projections/projection.ts';
import { type Row, type TableShape, shapeOf } from '../../src/tidemark/projections/slot-tables.ts';
import { dashboard } from '../../src/shop/orders/dashboard.ts';
import { orderAnalytics } from '../../src/shop/orders/order-analytics.ts';
import { orderLookup } from '../../src/shop/orders/order-lookup.ts';
import { orderLookup1 } from '../../src/shop/orders/order-lookup-1.ts';
import { orderSearch } from '../../src/shop/orders/order-search.ts';
import { toIndexText } from '../../src/shop/orders/search-text.ts';
import type { Server } from '../harness/server.ts';
import { type SqlRow, bulkInsert, chunksOf } from './bulk-insert.ts';
import { PRODUCTS, placedOrders } from './season.ts';
import { order } from '../../src/shop/orders/order.ts';
import { upcast } from '../../src/tidemark/domain/upcaster.ts';

/*
 * Read models as they stand after many orders, without having had each order placed: the rows come from the projections' own handlers,
 * and are put in by the thousand. Orders are seeded in both contenders from the same events.
 */

interface Seeded {
  readonly projection: Projection;
  readonly database: string;
}

const ORDER_PAGE: Seeded = { projection: orderLookup, database: 'SERVING_DB' };
const READ_MODELS: readonly Seeded[] = [
  ORDER_PAGE,
  { projection: orderSearch, database: 'REPORTING_DB' },
  { projection: orderAnalytics, database: 'REPORTING_DB' },
  { projection: dashboard, database: 'REPORTING_DB' },
];
/** A million orders at once would not fit into memory. */
const CHUNK = 10_000;

/** Fills Tidemark's read models of orders. */
export async function seedReadModels(server: Server, orders: number): Promise<void> {
  for (const { projection, database } of READ_MODELS) await seedReadModel(server, database, projection, orders);
}

/** Fills the customer's order page, and the archive that it can be rebuilt from. */
export async function seedOrderPage(server: Server, orders: number): Promise<void> {
  await seedReadModel(server, ORDER_PAGE.database, ORDER_PAGE.projection, orders);
  for (const events of chunksOf(placedOrders(orders), CHUNK)) {
    await bulkInsert(
      server,
      'REPORTING_DB',
      'archive_event',
      events.map((event) => ({ stream: event.stream, version: event.version, event: JSON.stringify(event) })),
    );
    await seedCheckpoints(server, 'REPORTING_DB', 'archive', events);
  }
}

async function seedReadModel(server: Server, database: string, projection: Projection, orders: number): Promise<void> {
  const counted: Record<string, readonly Row[]> = {};
  for (const events of chunksOf(placedOrders(orders), CHUNK)) {
    const rows: SqlRow[] = [];
    const increments: Record<string, Row[]> = {};
    for (const event of events) {
      const changes = foldStream(projection, event.stream, undefined, [upcast(order.events, event)]);
      if (changes.after && projection.row) rows.push(toSql(shapeOf(projection.row.tables.a), changes.after));
      for (const [name, some] of Object.entries(changes.counted)) (increments[name] ??= []).push(...some);
    }
    for (const [name, some] of Object.entries(increments)) {
      counted[name] = sumIncrements(projection.counters[name]?.key ?? [], [...(counted[name] ?? []), ...some]);
    }
    if (projection.row) await bulkInsert(server, database, shapeOf(projection.row.tables.a).name, rows);
    await seedCheckpoints(server, database, projection.name, events);
  }
  for (const [name, { tables, wide = {} }] of Object.entries(projection.counters)) {
    const shape = shapeOf(tables.a);
    const highs = Object.fromEntries(Object.values(wide).map((high) => [high, 0]));
    await bulkInsert(
      server,
      database,
      shape.name,
      (counted[name] ?? []).map((row) => toSql(shape, { ...highs, ...row })),
    );
  }
}

function seedCheckpoints(
  server: Server,
  database: string,
  projection: string,
  events: readonly StoredEvent[],
): Promise<void> {
  return bulkInsert(
    server,
    database,
    'checkpoint',
    events.map((event) => checkpointOf(projection, event)),
  );
}

function checkpointOf(projection: string, { stream, version, id }: StoredEvent): SqlRow {
  return { projection, slot: 'a', stream, version, event_id: id };
}

/** Fills CRUD's tables with the same products and orders. */
export async function seedCrud(server: Server, orders: number): Promise<void> {
  const day = '2026-08-01T00:00:00.000Z';
  await bulkInsert(
    server,
    'CRUD_DB',
    'product',
    PRODUCTS.map(({ productId, sku, name, category, amount }) => ({
      product_id: productId,
      version: 1,
      name,
      sku,
      category,
      price_amount: amount,
      price_currency: 'EUR',
      created_at: day,
      updated_at: day,
    })),
  );
  const rows: SqlRow[] = [];
  const lines: SqlRow[] = [];
  const texts: SqlRow[] = [];
  const lookup = shapeOf(orderLookup1.row?.tables.a ?? raise());
  for (const event of placedOrders(orders)) {
    const { after = {} } = foldStream(orderLookup1, event.stream, undefined, [upcast(order.events, event)]);
    const { items: _items, ...row } = toSql(lookup, after);
    rows.push(row);
    texts.push(textOf(event));
    const placed = event.data['lines'] as readonly {
      productId: string;
      quantity: number;
      unitPrice: { amount: number };
    }[];
    for (const [line, { productId, quantity, unitPrice }] of placed.entries()) {
      lines.push({
        order_id: row['order_id'] ?? null,
        line,
        product_id: productId,
        quantity,
        unit_amount: unitPrice.amount,
        returned: 0,
      });
    }
  }
  await bulkInsert(server, 'CRUD_DB', 'customer_order', rows);
  await bulkInsert(server, 'CRUD_DB', 'order_line', lines);
  await bulkInsert(server, 'CRUD_DB', 'order_text', texts);
  // As D1 advises after indexes were filled: https://developers.cloudflare.com/d1/best-practices/use-indexes/
  await server.batch('CRUD_DB', [{ sql: 'PRAGMA optimize' }]);
}

/** The words of an order, as Tidemark indexes them. */
function textOf({ stream, data }: StoredEvent): SqlRow {
  const lines = data['lines'] as readonly { readonly name: string; readonly sku: string }[];
  return {
    order_id: idOf(stream),
    customer: toIndexText([data['customerName'] as string]),
    items: toIndexText(lines.map(({ name }) => name)),
    skus: toIndexText(lines.map(({ sku }) => sku)),
    tracking: '',
  };
}

function raise(): never {
  throw new Error('order-lookup has no row');
}

function toSql({ columns }: TableShape, row: Row): SqlRow {
  return Object.fromEntries(
    columns.map((column) => [column.name, column.toDriver(row[column.property]) as string | number | null]),
  );
}
