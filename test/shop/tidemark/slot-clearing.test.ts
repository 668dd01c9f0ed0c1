import { env } from 'cloudflare:workers';
import { getTableName } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';

import { type Pointer, readPointer } from '../../../src/tidemark/projections/pointer.ts';
import { clearSlot } from '../../../src/tidemark/rebuild/slot-clearing.ts';
import { orderSearch } from '../../../src/shop/orders/order-search.ts';
import { rowFor } from '../../support/rows.ts';

async function countOf(table: string, database: D1Database): Promise<number> {
  return (await database.prepare(`SELECT count(*) AS n FROM ${table}`).first<number>('n')) ?? -1;
}

describe('an emptied slot', () => {
  it('has an empty full text index', async () => {
    const table = getTableName(orderSearch.tables('b').row);
    const insert = (id: number) => {
      const row = rowFor(orderSearch.tables('b').row, { order_id: `o${id}`, customer_terms: 'ada', item_terms: 'mug' });
      const values = Object.values(row);
      return env.REPORTING_DB.prepare(
        `INSERT INTO ${table} (${Object.keys(row).join(', ')}) VALUES (${values.map(() => '?').join(', ')})`,
      ).bind(...values);
    };
    await env.REPORTING_DB.batch([1, 2, 3, 4, 5].map(insert));
    const found = () => countOf(`${table}_index WHERE ${table}_index MATCH 'ada'`, env.REPORTING_DB);
    expect(await found()).toBe(5);
    const pointer = (await readPointer(env.REPORTING_DB, orderSearch.name)) as Pointer;
    expect(await clearSlot(env.REPORTING_DB, orderSearch, 'b', pointer, { chunkSize: 2 })).toBe('cleared');
    expect(await countOf(table, env.REPORTING_DB)).toBe(0);
    expect(await found()).toBe(0);
  });
});
