import { beforeAll, describe, expect, it } from 'vitest';

import { type Headers, get, json, post, request, withToken } from '../../support/api.ts';
import { createProduct, eur, newSku, orderStep, placeOrder, returnItems } from '../api.ts';
import { ports } from '../../support/platform.ts';
import { allPages } from '../../support/pages.ts';
import { expectInvalidFields, expectProblem } from '../../support/problem.ts';

/** Sets the clock of the system under test, until the test ends. */
function itIs(time: string): void {
  ports.clockOffsetMs = Date.parse(time) - Date.now();
}

let token: Headers = {};

/** An order whose token the next read carries. */
async function order(overrides: Record<string, unknown>): Promise<string> {
  const { answer, orderId } = await placeOrder(overrides, token);
  token = withToken(answer);
  return orderId;
}

async function step(answer: Promise<Response>): Promise<void> {
  token = withToken(await answer);
}

describe('GET /dashboard, of an empty shop', () => {
  it('has every status at zero, and nothing else', async () => {
    expect(await json(get('/dashboard'))).toEqual({
      ordersByStatus: { placed: 0, shipped: 0, delivered: 0, returned: 0, cancelled: 0 },
      revenue: [],
      bestSellers: [],
      latestOrders: [],
    });
  });
});

describe('GET /analytics/orders', () => {
  const NO_GROUPS = { groupBy: 'day', from: null, to: null, groups: [], nextCursor: null };

  const QUOTED = 'Île "de", France';
  const FORMULA = '=SUM(A1)';

  beforeAll(async () => {
    expect(await json(get('/analytics/orders?groupBy=day'))).toEqual(NO_GROUPS);
    await createProduct({ sku: 'A', name: 'Almanac', category: 'almanacs', price: eur(1000) });
    await createProduct({ sku: 'C', name: 'Chart', category: 'charts', price: eur(300) });
    await createProduct({ sku: 'J', name: 'Map', category: 'charts', price: { amount: 200, currency: 'JPY' } });
    const [a, c, j] = ['A', 'C', 'J'].map((sku) => ({ sku, quantity: 1 }));

    itIs('2030-05-01T23:58:30Z');
    const first = await order({ region: 'EU', customerSegment: 'retail', items: [{ ...a, quantity: 2 }, c] });
    itIs('2030-05-02T00:00:01Z');
    await order({ items: [a] });
    await order({ region: 'EU', items: [{ ...j, quantity: 5 }] });
    itIs('2030-05-03T12:00:00Z');
    const cancelled = await order({ region: 'US', items: [a] });
    await step(orderStep(cancelled, 'cancellation', token));
    await order({ region: QUOTED, items: [c] });
    await order({ region: FORMULA, items: [c] });
    // A later return counts on the day of placement.
    await step(orderStep(first, 'shipment', token));
    await step(orderStep(first, 'delivery', token));
    await step(returnItems(first, [{ sku: 'A', quantity: 1 }], token));
    ports.clockOffsetMs = 0;
  });

  /** A group as a row: key, currency, orders, items, total, cancelled. */
  async function groups(query: string): Promise<readonly unknown[][]> {
    const answer = await get(`/analytics/orders?${query}`, token);
    expect(answer.status).toBe(200);
    return (await json(answer)).groups.map((group: Record<string, unknown>) => {
      expect(Object.keys(group)).toEqual(['key', 'currency', 'orders', 'items', 'total', 'cancelled']);
      return Object.values(group);
    });
  }

  const BY_DAY = [
    ['2030-05-01', 'EUR', 1, 2, 1300, 0],
    ['2030-05-02', 'EUR', 1, 1, 1000, 0],
    ['2030-05-02', 'JPY', 1, 5, 1000, 0],
    ['2030-05-03', 'EUR', 2, 2, 600, 1],
  ];

  it('sums by UTC day of placement', async () => {
    expect(await groups('groupBy=day')).toEqual(BY_DAY);
  });

  it('sums by region, null for none, with each currency apart', async () => {
    expect(await groups('groupBy=region')).toEqual([
      [null, 'EUR', 1, 1, 1000, 0],
      [FORMULA, 'EUR', 1, 1, 300, 0],
      ['EU', 'EUR', 1, 2, 1300, 0],
      ['EU', 'JPY', 1, 5, 1000, 0],
      ['US', 'EUR', 0, 0, 0, 1],
      [QUOTED, 'EUR', 1, 1, 300, 0],
    ]);
  });

  it('sums by segment', async () => {
    expect(await groups('groupBy=segment')).toEqual([
      [null, 'EUR', 3, 3, 1600, 1],
      [null, 'JPY', 1, 5, 1000, 0],
      ['retail', 'EUR', 1, 2, 1300, 0],
    ]);
  });

  it('sums lines by category', async () => {
    expect(await groups('groupBy=category')).toEqual([
      ['almanacs', 'EUR', 2, 2, 2000, 1],
      ['charts', 'EUR', 3, 3, 900, 0],
      ['charts', 'JPY', 1, 5, 1000, 0],
    ]);
  });

  it('refuses a range that ends before it begins', async () => {
    const faults = expectInvalidFields(get('/analytics/orders?groupBy=day&from=2030-05-03&to=2030-05-01'));
    expect(await faults).toEqual(['/from']);
  });

  it('includes the day of `from` and excludes the day of `to`', async () => {
    expect(await groups('groupBy=day&from=2030-05-02')).toEqual(BY_DAY.slice(1));
    expect(await groups('groupBy=day&to=2030-05-02')).toEqual(BY_DAY.slice(0, 1));
    expect(await groups('groupBy=day&from=2030-05-02&to=2030-05-03')).toEqual(BY_DAY.slice(1, 3));
    expect(await groups('groupBy=region&from=2030-05-01&to=2030-05-02')).toEqual([['EU', 'EUR', 1, 2, 1300, 0]]);
    expect(await groups('groupBy=day&from=2030-05-02&to=2030-05-02')).toEqual([]);
    expect(await json(get('/analytics/orders?groupBy=day&from=2031-01-01&to=2031-02-01'))).toEqual({
      ...NO_GROUPS,
      from: '2031-01-01',
      to: '2031-02-01',
    });
  });

  it.each([
    'from=2030-02-30',
    'from=2029-02-29',
    'from=2030-5-1',
    'from=2030-05-01T00:00:00Z',
    'from=yesterday',
    'from=',
    'to=2030-13-01',
    'to=20300501',
    'to=1',
    'currency=EUR',
  ])('refuses %s', async (query) => {
    expect(await expectInvalidFields(get(`/analytics/orders?groupBy=day&${query}`))).toEqual([
      `/${query.split('=')[0]}`,
    ]);
  });

  it.each(['', 'groupBy=', 'groupBy=month', 'groupBy=Day', 'groupBy=day&groupBy=region'])(
    'refuses the grouping "%s"',
    async (query) => {
      expect(await expectInvalidFields(get(`/analytics/orders?${query}`))).toEqual(['/groupBy']);
    },
  );

  it.each(['day', 'region', 'segment', 'category'])('by %s comes page by page, as JSON and as CSV', async (groupBy) => {
    const path = `/analytics/orders?groupBy=${groupBy}&from=2030-05-01&to=2030-05-04`;
    const whole = await json(get(path, token));
    const csv = await (await get(path, { ...token, Accept: 'text/csv' })).text();
    expect(whole.nextCursor).toBeNull();
    for (let limit = 1; limit <= whole.groups.length; limit += 1) {
      const [figures, lines]: [unknown[], string[]] = [[], []];
      let next: string | undefined = `${path}&limit=${limit}`;
      while (next !== undefined) {
        const page = await get(next, token);
        const text: Response = await get(next, { ...token, Accept: 'text/csv' });
        expect(page.headers.get('Link')).toBe(text.headers.get('Link'));
        const { groups: some, nextCursor } = await json(page);
        expect(some).toHaveLength(Math.min(limit, whole.groups.length - figures.length));
        figures.push(...some);
        lines.push(...(await text.text()).split('\r\n').slice(1, -1));
        next = /^<(.+)>; rel="next"$/.exec(text.headers.get('Link') ?? '')?.[1];
        expect(next === undefined).toBe(nextCursor === null);
      }
      expect(figures).toEqual(whole.groups);
      expect(lines).toEqual(csv.split('\r\n').slice(1, -1));
    }
  });

  it('refuses a cursor of another report, and an empty page size', async () => {
    const { nextCursor } = await json(get('/analytics/orders?groupBy=day&limit=1', token));
    for (const query of ['groupBy=region', 'groupBy=day&from=2030-05-01', 'groupBy=day&to=2031-01-01']) {
      await expectProblem(get(`/analytics/orders?${query}&cursor=${nextCursor}`), 400, 'invalid-cursor');
    }
    for (const limit of ['0', '10001', '-1', '1.5']) {
      expect(await expectInvalidFields(get(`/analytics/orders?groupBy=day&limit=${limit}`))).toEqual(['/limit']);
    }
  });

  it('answers in CSV if the client asks for it: quoted where CSV needs it, and without formulas', async () => {
    const answer = await get('/analytics/orders?groupBy=region', { ...token, Accept: 'text/csv' });
    expect(answer.headers.get('Content-Type')).toBe('text/csv; charset=utf-8');
    expect(await answer.text()).toBe(
      [
        'key,currency,orders,items,total,cancelled',
        ',EUR,1,1,1000,0',
        `'=SUM(A1),EUR,1,1,300,0`,
        'EU,EUR,1,2,1300,0',
        'EU,JPY,1,5,1000,0',
        'US,EUR,0,0,0,1',
        '"Île ""de"", France",EUR,1,1,300,0',
        '',
      ].join('\r\n'),
    );
    const one = await get('/analytics/orders?groupBy=day&from=2040-01-01', { Accept: 'text/csv;q=0.9, */*;q=0.1' });
    expect(await one.text()).toBe('key,currency,orders,items,total,cancelled\r\n');
  });

  it.each([
    'text/csv, */*',
    'application/json, text/csv',
    'TEXT/CSV; q=0.5',
    'text/csv;header=present, */*;q=0.8',
    'text/*',
    'text/html, text/*',
    'text/*, */*',
    'text/*, application/*',
    'text/*;q=0.5, application/json;q=0.4',
    '*/*, application/json;q=0',
  ])('answers in CSV to "%s"', async (Accept) => {
    const answer = await get('/analytics/orders?groupBy=day', { Accept });
    expect(answer.headers.get('Content-Type')).toMatch('text/csv');
  });

  it.each([
    'application/json',
    '*/*',
    'text/*, application/json',
    'text/*;q=0.5, */*',
    'text/*, text/csv;q=0',
    'text/*, text/csv;q=0.5, */*;q=0.6',
    'text/html, */*;q=0.8',
    'image/png',
    'text/csv2',
    'text/csv;q=0',
    'text/csv; q=0.0, */*',
    'text/csv;q=0.5, application/json',
    'text/csv;q=0.5, */*',
    'text/csv;q=x',
  ])('answers in JSON to "%s"', async (Accept) => {
    const answer = await get('/analytics/orders?groupBy=day', { Accept });
    expect(answer.headers.get('Content-Type')).toMatch('application/json');
  });
});

describe('GET /dashboard', () => {
  it('shows orders by status, and revenue in all and of today by currency', async () => {
    itIs('2030-05-03T23:00:00Z');
    expect(await json(get('/dashboard', token))).toMatchObject({
      ordersByStatus: { placed: 4, shipped: 0, delivered: 1, returned: 0, cancelled: 1 },
      revenue: [
        { currency: 'EUR', total: 2900, today: 600 },
        { currency: 'JPY', total: 1000, today: 0 },
      ],
      bestSellers: [
        { sku: 'J', name: 'Map', quantity: 5 },
        { sku: 'C', name: 'Chart', quantity: 3 },
        { sku: 'A', name: 'Almanac', quantity: 2 },
      ],
    });
    itIs('2030-05-04T00:00:01Z');
    expect((await json(get('/dashboard', token))).revenue).toEqual([
      { currency: 'EUR', total: 2900, today: 0 },
      { currency: 'JPY', total: 1000, today: 0 },
    ]);
  });

  it('shows the ten best sellers, by quantity, then SKU, and the ten latest orders, newest first', async () => {
    const skus = Array.from({ length: 12 }, (_, index) => `Z${String.fromCharCode('L'.charCodeAt(0) - index)}`);
    const placed: string[] = [];
    for (const [index, sku] of skus.entries()) {
      // The names go the other way, so that it can only be the SKUs that are in order.
      await createProduct({ sku, name: `Product ${String(index).padStart(2, '0')}` });
      itIs(`2030-06-01T12:00:${String(index).padStart(2, '0')}Z`);
      placed.push(await order({ customerName: `Customer ${index}`, items: [{ sku, quantity: index === 5 ? 9 : 7 }] }));
    }
    const page = await json(get('/dashboard', token));
    expect(page.bestSellers.map(({ sku }: { sku: string }) => sku)).toEqual(
      [skus[5], ...skus.filter((_, index) => index !== 5).toSorted()].slice(0, 10),
    );
    expect(page.latestOrders.map(({ orderId }: { orderId: string }) => orderId)).toEqual(
      placed.toReversed().slice(0, 10),
    );
    expect(page.latestOrders[0]).toEqual({
      orderId: placed.at(-1),
      customerName: 'Customer 11',
      status: 'placed',
      total: eur(7 * 1999),
      placedAt: expect.stringMatching(/^2030-06-01T12:00:11/),
    });
  });

  it('drops a best seller once all of it came back, and shows its order as returned', async () => {
    const { sku } = await createProduct();
    itIs('2030-07-01T12:00:00Z');
    const before = await json(get('/dashboard', token));
    const orderId = await order({ items: [{ sku, quantity: 100 }] });
    const between = await json(get('/dashboard', token));
    expect(between.bestSellers[0]).toEqual({ sku, name: 'Tide table', quantity: 100 });
    expect(between.revenue[0]).toMatchObject({ currency: 'EUR', today: 199_900 });
    await step(orderStep(orderId, 'shipment', token));
    await step(orderStep(orderId, 'delivery', token));
    await step(returnItems(orderId, [{ sku, quantity: 100 }], token));
    const after = await json(get('/dashboard', token));
    expect(after.bestSellers).toEqual(before.bestSellers);
    expect(after.revenue).toEqual(before.revenue);
    expect(after.ordersByStatus).toEqual({ ...before.ordersByStatus, returned: 1 });
    expect(after.latestOrders[0]).toMatchObject({ orderId, status: 'returned', total: eur(199_900) });
  });

  it('shows a write to each client with its token, and refuses parameters', async () => {
    const before = await json(get('/dashboard', token));
    const { answer } = await placeOrder();
    expect((await json(get('/dashboard'))).ordersByStatus).toEqual(before.ordersByStatus);
    const after = await json(get('/dashboard', withToken(answer)));
    expect(after.ordersByStatus.placed).toBe(before.ordersByStatus.placed + 1);
    const head = await request('HEAD', '/dashboard');
    expect([head.status, await head.text()]).toEqual([200, '']);
  });
});

describe('GET /products/{productId}/prices', () => {
  it('has the first price, without a former one, and every change, at once with a token', async () => {
    const { productId, answer } = await createProduct({ price: eur(100) });
    const { items } = await json(get(`/products/${productId}/prices`, withToken(answer)));
    const created = (await json(get(`/products/${productId}`))).createdAt;
    const OPERATOR = { kind: 'operator', id: 'operator' };
    const first = { version: 1, from: null, to: eur(100), reason: null, actor: OPERATOR, changedAt: created };
    expect(items).toEqual([first]);
    const yen = { amount: 90, currency: 'JPY' };
    const changed = await post(`/products/${productId}/price`, { price: yen, reason: 'Export' });
    expect((await json(get(`/products/${productId}/prices`))).items).toHaveLength(1);
    const page = await json(get(`/products/${productId}/prices`, withToken(changed)));
    const { updatedAt } = await json(get(`/products/${productId}`));
    expect(page).toEqual({
      items: [first, { version: 2, from: eur(100), to: yen, reason: 'Export', actor: OPERATOR, changedAt: updatedAt }],
      nextCursor: null,
    });
  });

  it('is paged through, oldest first, without a double or a gap', async () => {
    const { productId, answer } = await createProduct({ price: eur(1) });
    let last = answer;
    for (const amount of [2, 3, 4, 5]) {
      last = await post(`/products/${productId}/price`, { price: eur(amount), reason: 'Rise' }, withToken(last));
    }
    const pages = await allPages(`/products/${productId}/prices?limit=2`, withToken(last));
    expect(pages.map((page) => page.map(({ to }) => to.amount))).toEqual([[1, 2], [3, 4], [5]]);
    expect((await json(get(`/products/${productId}/prices?limit=5`))).nextCursor).toBeNull();
  });

  it('is 404 for an unknown product, 400 for a malformed id, and refuses unknown cursors and parameters', async () => {
    await expectProblem(get(`/products/${crypto.randomUUID()}/prices`), 404, 'not-found');
    await expectProblem(get('/products/TIDE-2027/prices'), 400, 'invalid-id');
    const [one, other] = [await createProduct({}), await createProduct({ sku: newSku() })];
    const changed = await post(`/products/${one.productId}/price`, { price: eur(1), reason: 'Sale' });
    const { nextCursor } = await json(get(`/products/${one.productId}/prices?limit=1`, withToken(changed)));
    const path = `/products/${other.productId}/prices`;
    await expectProblem(get(`${path}?cursor=${nextCursor}`, withToken(other.answer)), 400, 'invalid-cursor');
    await expectProblem(get(`${path}?cursor=abc`, withToken(other.answer)), 400, 'invalid-cursor');
    expect(await expectInvalidFields(get(`${path}?limit=0`))).toEqual(['/limit']);
    expect(await expectInvalidFields(get(`${path}?from=1`))).toEqual(['/from']);
  });
});

describe('every answer', () => {
  it('tells caches if it depends on `Accept`', async () => {
    for (const accept of ['text/csv', 'application/json']) {
      const answer = await get('/analytics/orders?groupBy=day', { Accept: accept });
      expect(answer.headers.get('Vary')).toBe('Accept, Origin');
    }
  });
});
