/**
 * Prints SQLite's plans of CRUD's queries: `node bench/plans.ts`. A query of a list or of a single row may use only an index or a primary key. A sum
 * scans the index that covers it.
 */
import { sql } from 'drizzle-orm';

import { build } from './contenders/build.ts';
import { CRUD } from './contenders/contenders.ts';
import { selectOrders, whereOrders } from './contenders/crud/order-routes.ts';
import { frontPage, ordersByDay } from './contenders/crud/report-routes.ts';
import { matching } from './contenders/crud/search-route.ts';
import { type Written, textOf } from './contenders/crud/statement.ts';
import { serve } from './harness/server.ts';
import { seedCrud } from './seed/read-models.ts';
import { idOf } from './seed/season.ts';

const QUERIES: readonly (readonly [string, Written])[] = [
  ['read one order', selectOrders(sql`WHERE o.order_id = ${idOf(1)}`)],
  ['list of 20 orders', selectOrders(whereOrders({}, undefined, 21))],
  ["a customer's orders", selectOrders(whereOrders({ customerId: 'c-1' }, undefined, 21))],
  ['orders of a status', selectOrders(whereOrders({ status: 'placed' }, undefined, 21))],
  ['search', matching('"ada"* AND "table"*', 0, 21)],
  ['analytics by day', ordersByDay(undefined, undefined)],
  ...frontPage('2026-11-01').map((statement, index) => [`dashboard, part ${index + 1}`, statement] as const),
];

await build(CRUD);
const server = await serve(CRUD);
await seedCrud(server, 1_000);
for (const [name, query] of QUERIES) {
  const { sql: text, params } = textOf(query);
  const statement = { sql: `EXPLAIN QUERY PLAN ${text}`, params: params as (string | number)[] };
  const [steps = []] = (await server.batch('CRUD_DB', [statement])) as readonly (readonly { detail: string }[])[];
  console.log(`${name}\n${steps.map(({ detail }) => `  ${detail}`).join('\n')}\n`);
}
await server.stop();
