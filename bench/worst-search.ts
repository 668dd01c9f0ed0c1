/**
 * Measures the costliest searches in SQLite, as ratios to a plain one: `node bench/worst-search.ts [orders]`. The tables are those of the migrations,
 * and the queries are those of the route. A search may have 500 characters. Each line uses them in another costly way.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { foldStream } from '../src/tidemark/projections/fold.ts';
import { shapeOf } from '../src/tidemark/projections/slot-tables.ts';
import { orderSearch, searchOrders } from '../src/shop/orders/order-search.ts';
import { toTerms } from '../src/shop/orders/search-text.ts';
import { placedOrders } from './seed/season.ts';
import { order } from '../src/shop/orders/order.ts';
import { upcast } from '../src/tidemark/domain/upcaster.ts';

const MIGRATIONS = join(import.meta.dirname, '../migrations/reporting');
const MAX_LENGTH = 500;
const TAKE = 21;
const RUNS = 5;

const PLAIN = 'ada lovelace';
const letters = Array.from('abcdefghijklmnopqrstuvwxyz0123456789');
const SEARCHES: Readonly<Record<string, string>> = {
  'one letter': 'a',
  'one letter each': letters.join(' '),
  'every word there is': `ada lovelace tide table bench ${letters.join(' ')}`,
  'one common word as a phrase': `"${'ada '.repeat(124)}"`,
  'two common words as a phrase': `"${'tide table '.repeat(45)}"`,
  'common words as many phrases': Array.from({ length: 25 }, () => '"tide table bench"').join(' '),
  'hyphens instead of spaces': 'ada-'.repeat(125),
  'characters that are two words': '½'.repeat(MAX_LENGTH),
  'characters that are four words': 'ﷺ'.repeat(MAX_LENGTH),
  'a run of Chinese': '東京都庁'.repeat(125),
};

const orders = Number(process.argv[2] ?? 100_000);
const { row: table } = orderSearch.tables('a');
const database = filled();
const plain = fastest(PLAIN);
console.log(`${orders} orders; "${PLAIN}": ${plain.toFixed(1)} ms`);
for (const [name, typed] of Object.entries(SEARCHES)) console.log(`${(fastest(typed) / plain).toFixed(2)}×  ${name}`);

function filled(): DatabaseSync {
  const filling = new DatabaseSync(':memory:');
  for (const file of readdirSync(MIGRATIONS).toSorted()) filling.exec(readFileSync(join(MIGRATIONS, file), 'utf8'));
  const { name, columns } = shapeOf(table);
  const insert = filling.prepare(
    `INSERT INTO ${name} (${columns.map((column) => column.name).join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
  );
  filling.exec('BEGIN');
  for (const event of placedOrders(orders)) {
    const { after = {} } = foldStream(orderSearch, event.stream, undefined, [upcast(order.events, event)]);
    insert.run(...columns.map((column) => column.toDriver(after[column.property]) as string | number | null));
  }
  filling.exec('COMMIT');
  return filling;
}

/** The shortest time of a search over several runs, in ms. */
function fastest(typed: string): number {
  const query = searchOrders(toTerms(typed.slice(0, MAX_LENGTH)), 0, TAKE);
  if (!query) return 0;
  const { sql, params } = query({ row: table }).toSQL();
  const statement = database.prepare(sql);
  const times = Array.from({ length: RUNS }, () => {
    const start = performance.now();
    statement.all(...(params as (string | number)[]));
    return performance.now() - start;
  });
  return Math.min(...times);
}
