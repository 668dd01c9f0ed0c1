import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';

import { orderSearch } from '../../../src/shop/orders/order-search.ts';
import { type Headers, get, json, post, withToken } from '../../support/api.ts';
import { createProduct, newSku, orderStep, placeOrder } from '../api.ts';
import { allPages } from '../../support/pages.ts';
import { expectInvalidFields, expectProblem } from '../../support/problem.ts';
import { insertRows } from '../../support/rows.ts';

interface Hit {
  readonly orderId: string;
  readonly customerName: string;
  readonly status: string;
  readonly highlights: readonly {
    readonly field: string;
    readonly text: string;
    readonly ranges: readonly (readonly [number, number])[];
  }[];
}

async function search(q: string, headers: Headers = {}): Promise<readonly Hit[]> {
  const answer = await get(`/orders/search?limit=100&q=${encodeURIComponent(q)}`, headers);
  expect(answer.status).toBe(200);
  return (await json(answer)).items;
}

/** The parts of a hit's texts that are marked as found, by field. */
function found({ highlights }: Hit): readonly string[] {
  return highlights.flatMap(({ field, text, ranges }) =>
    ranges.map(([from, to]) => `${field}: ${text.slice(from, to)}`),
  );
}

/** The existing orders: the customer, the item, and its SKU. */
const ORDERS = {
  ada: ['Ada Lovelace', 'Tide table 2027', 'TIDE-2027'],
  adam: ['Adam Smith', 'Lovelace: a biography', 'BOOK-AL-1815'],
  jose: ['José Müller-Núñez', 'Crème brûlée cups', 'CUP-9'],
  zoe: ['Zoe\u0308 D\u2019Arcy', 'Straße nach Süden', 'MAP-DE-7'],
  sean: ['Seán O\u2019Brien', 'AND gate, NOT inverter (OR buffer)', 'IC-7400'],
  tanaka: ['田中 さくら', '東京タワーTシャツ', 'JP-TOKYO-1'],
  yamada: ['ﾔﾏﾀﾞ ﾀﾛｳ', '京都ガイドブック', '0012345'],
  kim: ['김민준', '서울 지도', 'KR-02'],
  wang: ['王小明', '北京地图', 'CN-010'],
  yilmaz: ['İbrahim Yılmaz', 'Istanbul ırmak haritası', 'TR-34'],
  nikos: ['Νίκος Παπαδόπουλος', 'Χάρτης της Αθήνας', 'GR-30'],
  fyodor: ['Фёдор Достоевский', 'Карта Москвы', 'RU-7'],
  rider: ['Wave 🌊 Rider', 'Surf wax 10% "Pro" *new*', 'WAX_10'],
} as const;
type Name = keyof typeof ORDERS;

/** What people type, and exactly whose orders that finds. */
const QUERIES: readonly (readonly [typed: string, finds: readonly Name[]])[] = [
  // Words, prefixes as one types, case, several words in any order.
  ['Ada', ['ada', 'adam']],
  ['ada lovelace', ['ada', 'adam']],
  ['LOVELACE', ['ada', 'adam']],
  ['lovelace ada', ['ada', 'adam']],
  ['lov', ['ada', 'adam']],
  ['L', ['ada', 'adam']],
  ['ovelace', []],
  ['ada smith', ['adam']],
  ['ada nobody', []],
  ['smi bio', ['adam']],
  ['  ada   lovelace  ', ['ada', 'adam']],
  // Phrases, quotes of all kinds, quotes that never end.
  ['"ada"', ['ada']],
  ['"Ada Lovelace"', ['ada']],
  ['"lovelace ada"', []],
  ['"ada lovel"', []],
  ['“Ada Lovelace”', ['ada']],
  ['"ada lovelace', ['ada', 'adam']],
  ['ada" lovelace', ['ada', 'adam']],
  ['"', []],
  ['""', []],
  ['"" ada', ['ada', 'adam']],
  ['" "', []],
  [`'ada'`, ['ada', 'adam']],
  // What would be syntax to FTS5.
  ['*', []],
  ['ada*', ['ada', 'adam']],
  ['*ada', ['ada', 'adam']],
  ['^ada', ['ada', 'adam']],
  ['AND', ['sean']],
  ['OR', ['sean']],
  ['NOT', ['sean']],
  ['and gate', ['sean']],
  ['ada AND lovelace', []],
  ['ada OR smith', []],
  ['NOT ada', []],
  ['NEAR(', []],
  ['NEAR(ada lovelace, 2)', []],
  ['(', []],
  ['(ada', ['ada', 'adam']],
  ['ada)', ['ada', 'adam']],
  ['-', []],
  ['-ada', ['ada', 'adam']],
  ['+ada', ['ada', 'adam']],
  ['customer_terms:ada', []],
  ['lovelace:', ['ada', 'adam']],
  [':', []],
  ['{ada}', ['ada', 'adam']],
  ['ada;', ['ada', 'adam']],
  [`'; DROP TABLE order_search_a; --`, []],
  ['\\', []],
  ['%', []],
  ['10%', ['rider']],
  ['_', []],
  ['*new*', ['rider']],
  ['"Pro"', ['rider']],
  ['...', []],
  [' ', []],
  ['\u0000ada', ['ada', 'adam']],
  ['<b>ada</b>', []],
  // SKUs and numbers.
  ['TIDE-2027', ['ada']],
  ['tide-20', ['ada']],
  ['TIDE 2027', ['ada']],
  ['2027', ['ada']],
  ['20', ['ada']],
  ['BOOK-AL-1815', ['adam']],
  ['al-1815', ['adam']],
  ['1815-al', []],
  ['wax_10', ['rider']],
  ['0012345', ['yamada']],
  ['0012', ['yamada']],
  ['12345', []],
  // Accents, composed, decomposed or left out; apostrophes; ß.
  ['José', ['jose']],
  ['jose', ['jose']],
  ['Jose\u0301', ['jose']],
  ['JOSÉ MÜLLER', ['jose']],
  ['muller nunez', ['jose']],
  ['müller-núñez', ['jose']],
  ['brule', ['jose']],
  ['Zoë', ['zoe']],
  ['zoe', ['zoe']],
  [`D'Arcy`, ['zoe']],
  ['d’arcy', ['zoe']],
  [`o'brien`, ['sean']],
  ['brien', ['sean']],
  ['obrien', []],
  ['Straße', ['zoe']],
  ['STRASSE', ['zoe']],
  ['STRAẞE', ['zoe']],
  ['stras', ['zoe']],
  ['sud', ['zoe']],
  // Chinese, Japanese, Korean.
  ['東京', ['tanaka']],
  ['東京タワー', ['tanaka']],
  ['京タ', ['tanaka']],
  ['タワー', ['tanaka']],
  ['東京タワーTシャツ', ['tanaka']],
  ['Tシャツ', ['tanaka']],
  ['シャツ', ['tanaka']],
  ['"東京タワー"', ['tanaka']],
  ['"東京"', ['tanaka']],
  ['京東', []],
  ['東', ['tanaka']],
  ['京', ['tanaka', 'yamada', 'wang']],
  ['ー', ['tanaka']],
  ['田中', ['tanaka']],
  ['中', ['tanaka']],
  ['田中さくら', []],
  ['田中　さくら', ['tanaka']],
  ['さくら', ['tanaka']],
  ['くら', ['tanaka']],
  ['ヤマダ', ['yamada']],
  ['ﾔﾏﾀﾞ', ['yamada']],
  ['ガイド', ['yamada']],
  ['ｶﾞｲﾄﾞ', ['yamada']],
  ['京都 ガイド', ['yamada']],
  ['王', ['wang']],
  ['小明', ['wang']],
  ['北京 地图', ['wang']],
  ['김민준', ['kim']],
  ['김', ['kim']],
  ['서울', ['kim']],
  ['서울'.normalize('NFD'), ['kim']],
  ['ｔｉｄｅ', ['ada']],
  // Turkish, Greek, Cyrillic.
  ['ibrahim', ['yilmaz']],
  ['İBRAHİM', ['yilmaz']],
  ['IBRAHIM', ['yilmaz']],
  ['yılmaz', ['yilmaz']],
  ['yilmaz', ['yilmaz']],
  ['YILMAZ', ['yilmaz']],
  ['istanbul', ['yilmaz']],
  ['İstanbul', ['yilmaz']],
  ['Νίκος', ['nikos']],
  ['ΝΙΚΟΣ', ['nikos']],
  ['νικοσ', ['nikos']],
  ['αθηνα', ['nikos']],
  ['Фёдор', ['fyodor']],
  ['федор', ['fyodor']],
  ['ДОСТОЕВСКИЙ', ['fyodor']],
  ['москв', ['fyodor']],
  // Emoji.
  ['🌊', []],
  ['wave 🌊', ['rider']],
  ['🌊wave', ['rider']],
  ['👩‍👩‍👧‍👦', []],
  // Digits, which are plain or of another script; and nothing to look for.
  ['２０２７', ['ada']],
  ['²⓪②𝟕', ['ada']],
  ['٢٠٢٧', []],
  ['२०२७', []],
  ['!? -', []],
  ['" "', []],
  ['\u0301', []],
  // As long as it may be.
  ['a'.repeat(500), []],
  ['a '.repeat(250), ['ada', 'adam', 'sean', 'zoe']],
  ['東'.repeat(500), []],
  ['"'.repeat(500), []],
  ['('.repeat(500), []],
  ['a"'.repeat(250), ['adam']],
  ['ﷺ'.repeat(500), []],
  // Very many terms: the first sixteen count, and those that begin another or come again do not.
  ['a ad ada l lo lov love lovel lovela lovelac '.repeat(10), ['ada', 'adam']],
  [`${'tide table 2027 ada lovelace '.repeat(15)}"tide"`, ['ada']],
];

const ids = new Map<string, string>();

beforeAll(async () => {
  let token: Headers = {};
  for (const [name, [customerName, item, sku]] of Object.entries(ORDERS)) {
    await createProduct({ name: item, sku, category: 'zz' });
    const { answer, orderId } = await placeOrder({ customerName, items: [{ sku, quantity: 1 }] }, token);
    ids.set(orderId, name);
    token = withToken(answer);
  }
  await search('ada', token);
});

describe('GET /orders/search', () => {
  it.each(QUERIES.map(([typed, finds]) => [typed.slice(0, 40), finds, typed] as const))(
    '%j finds %j',
    async (_, finds, typed) => {
      const hits = await search(typed);
      expect(hits.map(({ orderId }) => ids.get(orderId) ?? '?').toSorted()).toEqual([...finds].toSorted());
      for (const hit of hits) expect(found(hit).length, 'a hit shows why it is one').toBeGreaterThan(0);
      for (const { text, ranges } of hits.flatMap(({ highlights }) => highlights)) {
        let end = -1;
        for (const [from, to] of ranges) {
          expect(from).toBeGreaterThan(end);
          expect(to).toBeGreaterThan(from);
          end = to;
        }
        expect(end).toBeLessThanOrEqual(text.length);
      }
    },
  );

  it.each<[typed: string, parts: readonly string[]]>([
    ['lovelace', ['customerName: Lovelace']],
    ['ada tide', ['customerName: Ada', 'item: Tide', 'sku: TIDE']],
    ['tide-2027', ['sku: TIDE-2027']],
    ['"table 2027"', ['item: table 2027']],
    ['brulee', ['item: brûlée']],
    ['nu', ['customerName: Nú']],
    ['zoe', ['customerName: Zo\u00EB']],
    ['STRASS', ['item: Straß']],
    ['東京', ['item: 東京']],
    ['タワーT', ['item: タワーT']],
    ['ﾔﾏﾀﾞ', ['customerName: ﾔﾏﾀﾞ']],
    ['タロウ', ['customerName: ﾀﾛｳ']],
    ['rider', ['customerName: Rider']],
    ['νικος', ['customerName: Νίκος']],
    ['서울'.normalize('NFD'), ['item: 서울']],
  ])('marks what %j has found', async (typed, parts) => {
    const [hit] = await search(typed);
    expect(hit && found(hit)).toEqual(parts);
  });

  it('counts its ranges in UTF-16 code units, past characters that have two', async () => {
    const [hit] = await search('rider');
    expect(hit?.highlights).toEqual([{ field: 'customerName', text: 'Wave 🌊 Rider', ranges: [[8, 13]] }]);
  });

  it('marks a whole word for a phrase, and not the beginning of another word', async () => {
    const word = unique();
    const { answer } = await placeOrder({ customerName: `${word}x ${word}` });
    const [hit] = await search(`"${word}"`, withToken(answer));
    expect(hit?.highlights[0]?.ranges).toEqual([[word.length + 2, 2 * word.length + 2]]);
  });

  it('gives each hit as GET /orders/{orderId} does', async () => {
    const [hit] = await search('"ada lovelace"');
    const { highlights, ...order } = hit as Hit;
    expect(highlights).not.toEqual([]);
    expect(order).toEqual(await json(get(`/orders/${order.orderId}`, { 'X-Version': '1' })));
  });

  it('ranks a customer name before an item name', async () => {
    expect((await search('lovelace')).map(({ orderId }) => ids.get(orderId))).toEqual(['ada', 'adam']);
    const word = unique();
    const named = await placeOrder({ customerName: `${word} Smith` });
    const { sku, answer } = await createProduct({ name: `${word} lamp` }, withToken(named.answer));
    const item = await placeOrder({ customerName: 'Eve Jones', items: [{ sku, quantity: 1 }] }, withToken(answer));
    const hits = await search(word, withToken(item.answer));
    expect(hits.map(({ orderId }) => orderId)).toEqual([named.orderId, item.orderId]);
  });

  it('shows an order in its current state: shipped, with searchable tracking, delivered, or cancelled', async () => {
    const word = unique();
    const { answer, orderId } = await placeOrder({ customerName: word });
    expect(await search(word, withToken(answer))).toMatchObject([{ orderId, status: 'placed', tracking: null }]);
    const tracking = `1Z-${word}-0146 77`;
    const shipped = await post(`/orders/${orderId}/shipment`, { tracking }, withToken(answer));
    const [hit] = await search(`1z-${word.toLowerCase()}`, withToken(shipped));
    expect(hit).toMatchObject({ orderId, status: 'shipped', tracking });
    expect(hit && found(hit)).toEqual([`tracking: 1Z-${word}`]);
    expect(await search(`"${tracking}"`)).toHaveLength(1);
    const delivered = await orderStep(orderId, 'delivery', withToken(shipped));
    expect(await search(word, withToken(delivered))).toMatchObject([{ orderId, status: 'delivered' }]);

    const other = unique();
    const order = await placeOrder({ customerName: other });
    const cancelled = await orderStep(order.orderId, 'cancellation', withToken(order.answer));
    expect(await search(other, withToken(cancelled))).toMatchObject([{ orderId: order.orderId, status: 'cancelled' }]);
  });

  it('finds a new order with its token, although no consumer runs, and does not find it without one', async () => {
    const word = unique();
    const { answer, orderId } = await placeOrder({ customerName: word });
    expect(await search(word)).toEqual([]);
    expect(await search(word, withToken(answer))).toMatchObject([{ orderId }]);
    expect(await search(word)).toMatchObject([{ orderId }]);
  });

  it('is paged through without a double or a gap', async () => {
    const word = unique();
    const { sku } = await createProduct();
    let token: Headers = {};
    const placed: string[] = [];
    for (let count = 0; count < 7; count += 1) {
      const order = await placeOrder({ customerName: `${word} ${'x '.repeat(count)}`, items: [{ sku, quantity: 1 }] });
      placed.push(order.orderId);
      token = withToken(order.answer);
      await search(word, token);
    }
    const pages = await allPages(`/orders/search?q=${word}&limit=3`, token);
    const seen = pages.flat().map(({ orderId }) => orderId as string);
    expect(pages.map((page) => page.length)).toEqual([3, 3, 1]);
    expect(seen.toSorted()).toEqual(placed.toSorted());
    // The shorter the name, the more the word is of it.
    expect(seen).toEqual(placed);
    const full = await json(get(`/orders/search?q=${word}&limit=7`));
    expect([full.items.length, full.nextCursor]).toEqual([7, null]);
  });

  it('finds the newest 1,000 matches, and no older one even if it fits better', async () => {
    const word = unique();
    const filled = await fillSearch(word, { newest: 1_000, older: 5 });
    const hits = (await allPages(`/orders/search?q=${word}&limit=100`)).flat();
    expect(hits.map(({ orderId }) => orderId as string)).toEqual(filled.slice(5).toReversed());
  });

  it('refuses a cursor that it never gave out, and one of another search or list', async () => {
    const { nextCursor } = await json(get('/orders/search?q=lovelace&limit=1'));
    expect(nextCursor).toMatch(/^[A-Za-z0-9_-]+$/);
    const ofOrders = (await json(get('/orders?limit=1', { 'X-Causal-Token': '' }))).nextCursor ?? 'x';
    const minus = btoa(JSON.stringify(['search:lovelace', '', '-1']));
    const word = btoa(JSON.stringify(['search:lovelace', '', 'one'])).replace(/=+$/, '');
    for (const cursor of ['abc', `${nextCursor}A`, nextCursor.slice(0, -4), ofOrders, minus, word]) {
      await expectProblem(get(`/orders/search?q=lovelace&cursor=${cursor}`), 400, 'invalid-cursor');
    }
    await expectProblem(get(`/orders/search?q=ada&cursor=${nextCursor}`), 400, 'invalid-cursor');
  });

  it('looks for the first sixteen terms only', async () => {
    const end = unique().slice(-8);
    const words = Array.from('abcdefghijklmnopqrst', (letter) => letter + end);
    const { answer, orderId } = await placeOrder({ customerName: words.slice(0, 16).join(' ') });
    expect(await search(words.join(' '), withToken(answer))).toMatchObject([{ orderId }]);
    expect(await search(words.slice(1).join(' '))).toEqual([]);
  });

  it('answers with a page of moderate size, even for the longest orders', async () => {
    const word = unique();
    const skus: string[] = [];
    for (let count = 0; count < 100; count += 1)
      skus.push((await createProduct({ name: `${word} ${'a '.repeat(80)}${count}` })).sku);
    const { answer } = await placeOrder({ items: skus.map((sku) => ({ sku, quantity: 1 })) });
    const [hit] = await search(`${word} a`, withToken(answer));
    expect(hit?.highlights).toHaveLength(20);
    expect(JSON.stringify(hit?.highlights).length).toBeLessThan(20_000);
  });

  it('refuses 501 characters, none at all, and unknown parameters', async () => {
    expect(await expectInvalidFields(get(`/orders/search?q=${'a'.repeat(501)}`))).toEqual(['/q']);
    expect(await expectInvalidFields(get('/orders/search?q='))).toEqual(['/q']);
    expect(await expectInvalidFields(get('/orders/search'))).toEqual(['/q']);
    expect(await expectInvalidFields(get('/orders/search?q=a&q=b'))).toEqual(['/q']);
    expect(await expectInvalidFields(get('/orders/search?q=a&limit=101'))).toEqual(['/limit']);
    expect(await expectInvalidFields(get('/orders/search?q=a&status=placed'))).toEqual(['/status']);
  });
});

/**
 * Puts orders of customers with this name into the read model, one a second: first the older ones, whose name is nothing but the word.
 * Returns their ids, oldest first.
 */
async function fillSearch(word: string, { newest, older }: { newest: number; older: number }): Promise<string[]> {
  const { row: table } = orderSearch.tables('a');
  const orderIds = Array.from({ length: older + newest }, () => crypto.randomUUID());
  const orders = orderIds.map((id, index) => {
    const name = index < older ? word : `${word} and sons`;
    const placedAt = new Date(Date.UTC(2020, 0, 1) + index * 1_000).toISOString();
    return {
      order_id: id,
      version: 1,
      customer_id: 'c',
      customer_name: name,
      customer_terms: name,
      status: 'placed',
      currency: 'EUR',
      total: 1,
      item_count: 1,
      items: '[]',
      placed_at: placedAt,
      updated_at: placedAt,
    };
  });
  await insertRows(env.REPORTING_DB, table, orders);
  return orderIds;
}

/** A word that no other order has. */
function unique(): string {
  return `q${newSku().replaceAll('-', '').toLowerCase()}`;
}
