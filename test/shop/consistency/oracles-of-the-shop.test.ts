import { beforeAll, describe, expect, it } from 'vitest';

import { type Headers, asOperator, get, json, post, withToken } from '../../support/api.ts';
import { createProduct, eur, orderStep, placeOrder, returnItems } from '../api.ts';
import { allPages } from '../../support/pages.ts';
import { checkHistory } from '../../consistency/checker.ts';
import type { History, ListOperation, Operation, SumOperation } from '../../consistency/history.ts';
import { type ListQuery, type SumQuery, analyticsFigures, dashboardFigures, membershipOf } from './membership.ts';
import type { Order, Product } from './naive-folds.ts';
import type { Logs, StoredEvent } from '../../consistency/applied.ts';
import { GROUPINGS } from './naive-sums.ts';
import { oraclesOf } from './oracles.ts';
import { explain } from '../../consistency/violation.ts';

/*
 * Compares the oracles with the real read models once. If they agree, both understand the contract alike.
 */

const streams: string[] = [];
let token: Headers = {};
let logs: Logs = {};

async function taken(answer: Promise<Response>): Promise<void> {
  const { status } = await answer;
  expect(status).toBeLessThan(300);
  token = withToken(await answer);
}

async function product(overrides: Record<string, unknown>): Promise<string> {
  const { answer, stream, productId } = await createProduct(overrides, token);
  token = withToken(answer);
  streams.push(stream);
  return productId;
}

async function order(overrides: Record<string, unknown>): Promise<string> {
  const { answer, stream, orderId } = await placeOrder(overrides, token);
  token = withToken(answer);
  streams.push(stream);
  return orderId;
}

/** Every item of a list. Fails when its cursors never get to an end. */
async function all(path: string, cursorName = 'cursor'): Promise<readonly never[]> {
  const items: never[] = [];
  let cursor: string | null = null;
  for (let pages = 0; pages < 100; pages += 1) {
    const query: string = cursor === null ? '' : `&${cursorName}=${encodeURIComponent(cursor)}`;
    const page: { items: never[]; nextCursor: string | null } = await json(
      get(`${path}${path.includes('?') ? '&' : '?'}limit=100${query}`, { ...token, ...asOperator }),
    );
    items.push(...page.items);
    if (page.nextCursor === null || page.items.length === 0) return items;
    cursor = page.nextCursor;
  }
  return expect.fail(`${path} has no last page`);
}

const utcToday = (): string => new Date().toISOString().slice(0, 'YYYY-MM-DD'.length);

beforeAll(async () => {
  const almanac = await product({ sku: 'alm-1', name: 'Nautical Almanac', category: 'almanacs', price: eur(1999) });
  await product({ sku: 'Chart 2', name: 'Chart of Brest', category: 'charts', price: eur(450) });
  await product({ sku: 'map', name: 'Carte d’Étel', category: 'charts', price: { amount: 800, currency: 'JPY' } });
  await taken(post(`/products/${almanac}/price`, { price: eur(1799), reason: 'Spring sale' }, token));
  const both = [
    { sku: 'ALM-1', quantity: 3 },
    { sku: 'CHART 2', quantity: 1 },
  ];
  const first = await order({ items: both, region: 'EU', customerSegment: 'retail' });
  await order({ customerName: 'Éric Tabarly', customerId: 'c-2', items: [{ sku: 'MAP', quantity: 7 }] });
  const cancelled = await order({ items: both, region: 'US' });
  const back = await order({ customerId: 'c-2', items: [{ sku: 'ALM-1', quantity: 2 }], customerSegment: 'trade' });
  await taken(orderStep(cancelled, 'cancellation', token));
  for (const id of [first, back]) {
    await taken(orderStep(id, 'shipment', token));
    await taken(orderStep(id, 'delivery', token));
  }
  await taken(returnItems(first, [{ sku: 'ALM-1', quantity: 1 }], token));
  await taken(returnItems(back, [{ sku: 'ALM-1', quantity: 2 }], token));
  const events: Record<string, readonly StoredEvent[]> = {};
  for (const stream of streams) events[stream] = await all(`/streams/${stream}/events`);
  logs = events;
});

describe('at rest, the fold of the log equals', () => {
  it('every order and product, by itself and in its list, and every price', async () => {
    const oracles = oraclesOf(logs);
    expect(oracles.orders(await all('/orders'))).toEqual([]);
    expect(oracles.products(await all('/products'))).toEqual([]);
    for (const stream of streams) {
      const id = stream.slice(stream.indexOf('-') + 1);
      const isOrder = stream.startsWith('order-');
      const body: unknown = await json(get(`/${isOrder ? 'orders' : 'products'}/${id}`, token));
      expect(isOrder ? oracles.order(id, body) : oracles.product(id, body)).toEqual([]);
      if (!isOrder) expect(oracles.prices(id, await all(`/products/${id}/prices`))).toEqual([]);
    }
  });

  it('the hits of searches', async () => {
    const oracles = oraclesOf(logs);
    const searches = oracles.searches();
    expect(searches.length).toBeGreaterThan(8);
    for (const q of [...searches, 'nobody', '"of Brest"', 'alm chart']) {
      expect(oracles.search(q, await all(`/orders/search?q=${encodeURIComponent(q)}`))).toEqual([]);
    }
  });

  it('every sum; and money is conserved', async () => {
    const oracles = oraclesOf(logs);
    const analytics = [];
    for (const groupBy of GROUPINGS) {
      const body: unknown = await json(get(`/analytics/orders?groupBy=${groupBy}`, token));
      expect(oracles.analytics({ groupBy }, body)).toEqual([]);
      analytics.push(body);
    }
    const before = utcToday();
    const dashboard: unknown = await json(get('/dashboard', token));
    // Midnight may pass between.
    const findings = [before, utcToday()].map((today) => oracles.dashboard(today, dashboard));
    expect(findings).toContainEqual([]);
    expect(oracles.money({ orders: await all('/orders'), analytics, dashboard })).toEqual([]);
  });

  it('the archive', async () => {
    expect(oraclesOf(logs).archive(await all('/events', 'after'))).toEqual([]);
  });
});

describe('the checker, with the lists and sums of the shop,', () => {
  /** A client that has read every stream, and then got this answer. */
  function afterAll(
    operation: Pick<ListOperation | SumOperation, 'kind' | 'readModel' | 'query' | 'outcome'>,
  ): History {
    const reads = streams.map((stream, index) => {
      const [id, version] = [index + 1, logs[stream]?.length ?? 0];
      const outcome = { kind: 'resource', version, source: 'log', content: null } as const;
      const sent = {
        id,
        client: 'c1',
        invokedAt: 2 * id,
        completedAt: 2 * id + 1,
        tokenFrom: index === 0 ? null : index,
      };
      return { ...sent, isPartial: false, kind: 'read', readModel: 'log', stream, atLeast: null, outcome } as const;
    });
    const [id, categories] = [reads.length + 1, ['order', 'product']];
    const sent = { id, client: 'c1', invokedAt: 2 * id, completedAt: 2 * id + 1, tokenFrom: id - 1, isPartial: false };
    const log = Object.fromEntries(
      Object.entries(logs).map(([stream, events]) => [
        stream,
        events.map(({ id: eventId, version, recordedAt }) => ({
          id: eventId,
          version,
          correlationId: null,
          recordedAt,
          saw: {},
        })),
      ]),
    );
    return { operations: [...reads, { ...sent, ...operation, categories } as Operation], log, skipped: [] };
  }

  function judgeSum(query: SumQuery, sum: ReturnType<typeof dashboardFigures>) {
    const readModel = query.sum === 'dashboard' ? 'dashboard' : 'order-analytics';
    const outcome = { kind: 'figures', ...sum, incomplete: [] } as const;
    return checkHistory(afterAll({ kind: 'sum', readModel, query, outcome }), membershipOf(logs));
  }

  const rowOf = (item: Order | Product) => ({
    stream: 'orderId' in item ? `order-${item.orderId}` : `product-${item.productId}`,
    version: item.version,
    content: null,
  });

  const LISTS: readonly (readonly [path: string, readModel: string, query: ListQuery])[] = [
    ['/orders', 'order-lookup', { list: 'orders', after: null, until: null }],
    ['/orders?customerId=c-2', 'order-lookup', { list: 'orders', customerId: 'c-2', after: null, until: null }],
    ['/orders?status=delivered', 'order-lookup', { list: 'orders', status: 'delivered', after: null, until: null }],
    ['/products', 'product-catalog', { list: 'products', after: null, until: null }],
    [
      '/products?category=charts',
      'product-catalog',
      { list: 'products', category: 'charts', after: null, until: null },
    ],
    ['/products?sku=alm-1', 'product-catalog', { list: 'products', sku: 'alm-1', after: null, until: null }],
    ['/orders/search?q=tabar', 'order-search', { list: 'search', q: 'tabar', isWhole: true }],
  ];

  it.each(LISTS)('agrees with %s, and notices each missing row', async (path, readModel, query) => {
    const rows = (await all(path)).map(rowOf);
    expect(rows.length).toBeGreaterThan(0);
    const judge = (shown: typeof rows) =>
      checkHistory(
        afterAll({ kind: 'list', readModel, query, outcome: { kind: 'rows', rows: shown, incomplete: [] } }),
        membershipOf(logs),
      );
    expect(explain(judge(rows))).toBe('');
    for (const row of rows) {
      expect(judge(rows.filter((other) => other !== row))).toMatchObject([
        { check: 'monotonic-reads', stream: row.stream },
      ]);
    }
  });

  it('knows the rows of each page', async () => {
    const keyOf = ({ placedAt, orderId }: Order) => [placedAt, orderId] as const;
    const pages = (await allPages('/orders?limit=2', token)) as readonly (readonly never[])[];
    expect(pages.length).toBeGreaterThan(1);
    for (const [index, items] of pages.entries()) {
      const ends = [pages[index - 1]?.at(-1), index === pages.length - 1 ? undefined : items.at(-1)];
      const [after, until] = ends.map((end) => (end ? keyOf(end) : null));
      const query: ListQuery = { list: 'orders', after: after ?? null, until: until ?? null };
      const outcome = { kind: 'rows', rows: items.map(rowOf), incomplete: [] } as const;
      const history = afterAll({ kind: 'list', readModel: 'order-lookup', query, outcome });
      expect(explain(checkHistory(history, membershipOf(logs)))).toBe('');
    }
  });

  it('agrees with the right sums only', async () => {
    const before = utcToday();
    const dashboard = dashboardFigures(await json(get('/dashboard', token)));
    // Midnight may pass between.
    const days = [...new Set([before, utcToday()])];
    const sums: [SumQuery, ReturnType<typeof dashboardFigures>][] = [[{ sum: 'dashboard', days }, dashboard]];
    for (const groupBy of GROUPINGS) {
      sums.push([
        { sum: 'analytics', groupBy },
        analyticsFigures(await json(get(`/analytics/orders?groupBy=${groupBy}`, token))),
      ]);
    }
    for (const [query, sum] of sums) {
      expect(explain(judgeSum(query, sum))).toBe('');
      for (const [name, value] of Object.entries(sum.figures)) {
        const figures = { ...sum.figures, [name]: String(BigInt(value) - 1n) };
        expect(judgeSum(query, { ...sum, figures })).toMatchObject([{ check: 'impossible-sum' }]);
      }
    }
  });

  it('accepts as revenue of today that of each day that the clock had', async () => {
    const before = utcToday();
    const dashboard = dashboardFigures(await json(get('/dashboard', token)));
    const days = ['2026-01-01', ...new Set([before, utcToday()])];
    expect(explain(judgeSum({ sum: 'dashboard', days }, dashboard))).toBe('');
    const violations = judgeSum({ sum: 'dashboard', days: ['2026-01-01'] }, dashboard);
    expect(new Set(violations.map(({ check }) => check))).toEqual(new Set(['impossible-sum']));
    expect(explain(violations)).toContain('revenue of today');
  });
});
