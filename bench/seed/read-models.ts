import type { StoredEvent } from '../../src/eventsourcing/event.ts';
import { foldStream, sumIncrements } from '../../src/eventsourcing/read/fold.ts';
import type { Projection } from '../../src/eventsourcing/read/projection.ts';
import { type Row, type TableShape, shapeOf } from '../../src/eventsourcing/read/slot-tables.ts';
import { dashboard } from '../../src/orders/dashboard.ts';
import { orderAnalytics } from '../../src/orders/order-analytics.ts';
import { orderLookup } from '../../src/orders/order-lookup.ts';
import type { Server } from '../harness/server.ts';
import { type SqlRow, bulkInsert } from './bulk-insert.ts';
import { PRODUCTS, placedOrders } from './season.ts';

/*
 * Read models as they stand after many orders, without having had each order placed: the rows come from the projections' own handlers,
 * and are put in by the thousand. Orders are seeded in both contenders from the same events.
 */

const PROJECTIONS: readonly { readonly projection: Projection; readonly database: string }[] = [
  { projection: orderLookup, database: 'SERVING_DB' },
  { projection: orderAnalytics, database: 'REPORTING_DB' },
  { projection: dashboard, database: 'REPORTING_DB' },
];

/** Fills Tidemark's read models of orders. */
export async function seedReadModels(server: Server, orders: number): Promise<void> {
  const events = [...placedOrders(orders)];
  for (const { projection, database } of PROJECTIONS) {
    const rows: SqlRow[] = [];
    const counted: Record<string, Row[]> = {};
    for (const event of events) {
      const { after, counted: increments } = foldStream(projection, event.stream, undefined, [event]);
      if (after && projection.row) rows.push(toSql(shapeOf(projection.row.tables.a), after));
      for (const [name, some] of Object.entries(increments)) {
        const key = projection.counters[name]?.key ?? [];
        // Summed on the way, or there would be a row for each order and counter.
        const sums = [...(counted[name] ?? []), ...some];
        counted[name] = sums.length > 5_000 ? [...sumIncrements(key, sums)] : sums;
      }
    }
    if (projection.row) await bulkInsert(server, database, shapeOf(projection.row.tables.a).name, rows);
    for (const [name, counter] of Object.entries(projection.counters)) {
      const shape = shapeOf(counter.tables.a);
      const sums = sumIncrements(counter.key, counted[name] ?? []);
      await bulkInsert(
        server,
        database,
        shape.name,
        sums.map((row) => toSql(shape, row)),
      );
    }
    await bulkInsert(
      server,
      database,
      'checkpoint',
      events.map((event) => checkpointOf(projection.name, event)),
    );
  }
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
  const lookup = shapeOf(orderLookup.row?.tables.a ?? raise());
  for (const event of placedOrders(orders)) {
    const { after = {} } = foldStream(orderLookup, event.stream, undefined, [event]);
    const { items: _items, ...row } = toSql(lookup, after);
    rows.push(row);
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
  // As D1 advises after indexes were filled: https://developers.cloudflare.com/d1/best-practices/use-indexes/
  await server.batch('CRUD_DB', [{ sql: 'PRAGMA optimize' }]);
}

function raise(): never {
  throw new Error('order-lookup has no row');
}

function toSql({ columns }: TableShape, row: Row): SqlRow {
  return Object.fromEntries(
    columns.map((column) => [column.name, column.toDriver(row[column.property]) as string | number | null]),
  );
}
