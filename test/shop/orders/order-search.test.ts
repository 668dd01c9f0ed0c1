import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';

import { orderSearch } from '../../../src/shop/orders/order-search.ts';
import { toIndexText } from '../../../src/shop/orders/search-text.ts';
import { get, json, withToken } from '../../support/api.ts';
import { createProduct, placeOrder } from '../api.ts';
import { allPages } from '../../support/pages.ts';
import { insertRows } from '../../support/rows.ts';

const { row: table } = orderSearch.tables('a');

function rowOf(orderId: string, customerName: string, placedAt: string) {
  return {
    order_id: orderId,
    version: 1,
    customer_name: customerName,
    customer_terms: toIndexText([customerName]),
    status: 'placed',
    currency: 'EUR',
    items: '[]',
    placed_at: placedAt,
    updated_at: placedAt,
  };
}

const timeOf = (ms: number) => new Date(Date.UTC(2026, 0, 1) + ms).toISOString();

async function idsFound(q: string): Promise<readonly string[]> {
  const pages = await allPages(`/orders/search?q=${encodeURIComponent(q)}&limit=100`);
  return pages.flat().map(({ orderId }) => orderId as string);
}

describe('the newest 1,000 matches', () => {
  it('are those that were placed last, in any sequence of their rows', async () => {
    const ids = Array.from({ length: 1_001 }, () => crypto.randomUUID());
    const rows = ids.map((id, index) => rowOf(id, 'Zyxwv Example', timeOf(index)));
    const [oldest, ...rest] = rows;
    if (!oldest) throw new Error('there is an oldest');
    // Its message was lost, say, so the oldest gets there last.
    await insertRows(env.REPORTING_DB, table, [...rest.toReversed(), oldest]);
    const found = new Set(await idsFound('zyxwv'));
    expect({ found: found.size, oldestOf1001: found.has(ids[0] ?? ''), secondOldest: found.has(ids[1] ?? '') }).toEqual(
      {
        found: 1_000,
        oldestOf1001: false,
        secondOldest: true,
      },
    );
  });

  it('have orders of the same millisecond side by side', async () => {
    const ids = Array.from({ length: 20 }, () => crypto.randomUUID());
    await insertRows(
      env.REPORTING_DB,
      table,
      ids.map((id) => rowOf(id, 'Wvutsr Example', timeOf(0))),
    );
    expect((await idsFound('wvutsr')).toSorted()).toEqual(ids.toSorted());
  });
});

describe('the full text index', () => {
  const slot = 'order_search_2_b';
  const { row: other } = orderSearch.tables('b');
  const matches = async (word: string) =>
    (await env.REPORTING_DB.prepare(`SELECT rowid FROM ${slot}_index WHERE ${slot}_index MATCH ?`).bind(word).all())
      .results.length;
  const command = (name: string) =>
    env.REPORTING_DB.prepare(`INSERT INTO ${slot}_index (${slot}_index, rank) VALUES ('${name}', 1)`).run();

  it('follows a change of an indexed text, and a deletion, and agrees with its table', async () => {
    await insertRows(env.REPORTING_DB, other, [
      rowOf('one', 'Ada', timeOf(0)),
      rowOf('two', 'Ada', timeOf(0)),
      rowOf('three', 'Bob', timeOf(1)),
    ]);
    await env.REPORTING_DB.prepare(`UPDATE ${slot} SET tracking_terms = 'jd 01' WHERE order_id = 'two'`).run();
    expect([await matches('ada'), await matches('jd'), await matches('bob')]).toEqual([2, 1, 1]);
    await env.REPORTING_DB.prepare(`DELETE FROM ${slot} WHERE order_id = 'two'`).run();
    expect([await matches('ada'), await matches('jd'), await matches('bob')]).toEqual([1, 0, 1]);
    await command('integrity-check');
    const { results } = await env.REPORTING_DB.prepare(`SELECT order_id FROM ${slot}_document`).all();
    expect(results).toEqual([{ order_id: 'one' }, { order_id: 'three' }]);
  });

  it('can be filled again from its table', async () => {
    await env.REPORTING_DB.prepare(`INSERT INTO ${slot}_index (${slot}_index) VALUES ('delete-all')`).run();
    expect(await matches('bob')).toBe(0);
    await command('rebuild');
    expect(await matches('bob')).toBe(1);
  });
});

describe('two lines of an order', () => {
  it('are two texts: no phrase and no SKU with hyphens spans both', async () => {
    const one = await createProduct({ name: 'Quokka table', sku: 'ZZ-QUOK' });
    const two = await createProduct({ name: 'Lamp quokka', sku: '77-KA' }, withToken(one.answer));
    const items = [one.sku, two.sku].map((sku) => ({ sku, quantity: 1 }));
    const { answer, orderId } = await placeOrder({ customerName: 'Eve', items }, withToken(two.answer));
    await get('/orders/search?q=quokka', withToken(answer));
    for (const q of ['"quokka table"', '"lamp quokka"', 'ZZ-QUOK', '77-KA', 'quokka lamp'])
      expect([q, await idsFound(q)]).toEqual([q, [orderId]]);
    for (const q of ['"table lamp"', '"quokka table lamp"', 'QUOK-77', 'ZZ-QUOK-77'])
      expect([q, await idsFound(q)]).toEqual([q, []]);
  });
});

describe('names that Unicode writes in several ways', () => {
  it.each([
    ['राम शर्मा', 'शर्मा', 'रीम'],
    ['مُحَمَّد', 'محمد', 'محمود'],
    ['Zie\u00ADgelmann', 'Ziegelmann', 'gelmann'],
    ['Дем\u02BCянчук', "Дем'янчук", "Дем'янчик"],
  ])('%j is found by %j and not by %j', async (customerName, typed, another) => {
    const { answer, orderId } = await placeOrder({ customerName });
    await json(get('/orders/search?q=x', withToken(answer)));
    expect(await idsFound(typed)).toEqual([orderId]);
    expect(await idsFound(another)).toEqual([]);
  });
});
