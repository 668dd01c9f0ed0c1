import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';

import { orderSearch } from '../../../src/shop/orders/order-search.ts';
import { toIndexText } from '../../../src/shop/orders/search-text.ts';
import { get, json } from '../../support/api.ts';
import { insertRows } from '../../support/rows.ts';
import names from './search-names.json';

/*
 * Names in many scripts, and what must and must not find them. To extend it, add a line to search-names.json: `finds` is what people type
 * for that name, `never` what is another name.
 */

interface Named {
  readonly name: string;
  readonly finds: readonly string[];
  readonly never: readonly string[];
}

const scripts = Object.entries(names as Readonly<Record<string, readonly Named[]>>);
const ids = new Map(scripts.flatMap(([, all]) => all.map(({ name }) => [name, crypto.randomUUID()] as const)));

beforeAll(async () => {
  const placedAt = '2026-01-01T00:00:00.000Z';
  const rows = Array.from(ids, ([name, id]) => ({
    order_id: id,
    version: 1,
    customer_name: name,
    customer_terms: toIndexText([name]),
    status: 'placed',
    currency: 'EUR',
    items: '[]',
    placed_at: placedAt,
    updated_at: placedAt,
  }));
  await insertRows(env.REPORTING_DB, orderSearch.tables('a').row, rows);
});

async function isFound(name: string, typed: string): Promise<boolean> {
  const { items } = await json(get(`/orders/search?limit=100&q=${encodeURIComponent(typed)}`));
  const hit = items.find(({ orderId }: { orderId: string }) => orderId === ids.get(name));
  // A hit shows why it is one.
  if (hit) expect(hit.highlights, `${name}, found by ${typed}`).not.toEqual([]);
  return hit !== undefined;
}

it('has at least 120 names in 25 scripts', () => {
  expect(scripts.length).toBeGreaterThanOrEqual(25);
  expect(ids.size).toBeGreaterThanOrEqual(120);
});

describe.each(scripts)('%s', (_, all) => {
  it.each(all)(
    '$name is found by the words that people type for it, and by no others',
    async ({ name, finds, never }) => {
      for (const typed of [name, ...finds]) expect([typed, await isFound(name, typed)]).toEqual([typed, true]);
      for (const typed of never) expect([typed, await isFound(name, typed)]).toEqual([typed, false]);
    },
  );

  it.each(all)('$name has the same words in every form, in capitals, and with an invisible character', ({ name }) => {
    const words = toIndexText([name]);
    const forms = ['NFC', 'NFD', 'NFKC', 'NFKD'].map((form) => name.normalize(form));
    const invisible = name.replaceAll(/\p{L}/gu, '$&\u2060');
    for (const typed of [...forms, name.toLowerCase(), name.toUpperCase(), invisible])
      expect(toIndexText([typed]), typed).toBe(words);
  });
});
