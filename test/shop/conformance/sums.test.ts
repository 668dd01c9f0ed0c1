import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';

import { type Headers, get, json, withToken } from '../../support/api.ts';
import { createProduct, orderStep, placeOrder } from '../api.ts';

const DATABASE = env.REPORTING_DB;
const DAY = new Date().toISOString().slice(0, 'YYYY-MM-DD'.length);
/** What an order comes to at most: a hundred lines of 10,000 pieces at 9,000,000,000. */
const LARGEST_ORDER = 9n * 10n ** 15n;
const LARGEST = Number.MAX_SAFE_INTEGER;

let skus: readonly string[] = [];
beforeAll(async () => {
  const price = { amount: 9_000_000_000, currency: 'IRR' };
  const products = Array.from({ length: 100 }, () => createProduct({ price, category: 'charts' }));
  skus = (await Promise.all(products)).map(({ sku }) => sku);
});

/** As if orders of the whole past had come to this. */
async function sumsAre(sum: bigint): Promise<void> {
  const low = BigInt.asIntN(62, sum);
  const parts = [String(low), String((sum - low) >> 62n)];
  await DATABASE.batch(
    ['dashboard_revenue_a', 'order_analytics_daily_a'].map((table) =>
      DATABASE.prepare(`UPDATE ${table} SET total = CAST(? AS INTEGER), total_high = CAST(? AS INTEGER)`).bind(
        ...parts,
      ),
    ),
  );
}

async function sums(token: Headers) {
  const { revenue } = await json(get('/dashboard', token));
  const { groups } = await json(get(`/analytics/orders?groupBy=category`, token));
  const csv = await get('/analytics/orders?groupBy=day', { ...token, Accept: 'text/csv' });
  const [, line = ''] = (await csv.text()).split('\r\n');
  return { revenue, groups, cell: line.split(',')[4] };
}

/** A sum as answers have it. */
function shown(sum: bigint) {
  const isSafe = sum <= BigInt(LARGEST);
  const total = isSafe ? Number(sum) : LARGEST;
  const exact = isSafe ? {} : { exactTotal: String(sum) };
  return {
    revenue: [{ currency: 'IRR', total, ...exact, today: total, ...(isSafe ? {} : { exactToday: String(sum) }) }],
    groups: [{ key: 'charts', currency: 'IRR', orders: 1, items: 1_000_000, total, ...exact, cancelled: 0 }],
    cell: String(sum),
  };
}

describe('sums of money', () => {
  let token: Headers = {};

  it('are numbers up to 2^53, which one order never exceeds', async () => {
    const placed = await placeOrder({ items: skus.map((sku) => ({ sku, quantity: 10_000 })) });
    token = withToken(placed.answer);
    expect(await sums(token)).toEqual(shown(LARGEST_ORDER));
    await sumsAre(BigInt(LARGEST));
    expect(await sums(token)).toEqual(shown(BigInt(LARGEST)));
  });

  it.each([2n ** 53n, 2n ** 53n + 1n, 2n ** 61n, 2n ** 63n - 1n, 2n ** 63n, 10n ** 24n + 1n])(
    'are marked as inexact beyond 2^53, with all digits as text: %s',
    async (sum) => {
      await sumsAre(sum);
      expect(await sums(token)).toEqual(shown(sum));
    },
  );

  it.each([2n ** 53n - 1n, 2n ** 61n - 1n, 2n ** 63n - 1n, 2n ** 70n])(
    'of %s include one more order, and exclude it after its cancellation: no order stops a projection',
    async (sum) => {
      await sumsAre(sum);
      const next = await placeOrder({ items: skus.map((sku) => ({ sku, quantity: 10_000 })) }, token);
      token = withToken(next.answer);
      expect((await sums(token)).revenue[0].exactTotal).toBe(String(sum + LARGEST_ORDER));
      const cancelled = await orderStep(next.orderId, 'cancellation', token);
      token = withToken(cancelled);
      expect(cancelled.headers.get('X-Causal-Incomplete')).toBeNull();
      expect((await sums(token)).revenue).toEqual(shown(sum).revenue);
    },
  );

  it('of many days, each beyond 2^62, are added up', async () => {
    await sumsAre(3n * 2n ** 62n);
    await DATABASE.prepare(
      `INSERT INTO order_analytics_daily_a SELECT grouped_by, day || '-' || i, value, currency, 0, 0, total, 0, total_high
      FROM order_analytics_daily_a, (SELECT 1 AS i UNION ALL SELECT 2 UNION ALL SELECT 3) WHERE grouped_by = 'category'`,
    ).run();
    expect((await sums(token)).groups[0].exactTotal).toBe(String(12n * 2n ** 62n));
    await DATABASE.prepare(`DELETE FROM order_analytics_daily_a WHERE day <> ?`).bind(DAY).run();
  });

  it('are null if they became floating point in a former release, and no projection stops', async () => {
    await DATABASE.batch([
      DATABASE.prepare(`UPDATE dashboard_revenue_a SET total = 9.3e18, total_high = 0`),
      DATABASE.prepare(`UPDATE order_analytics_daily_a SET total = 9.3e18, total_high = 0`),
    ]);
    const { answer } = await placeOrder({ items: [{ sku: skus[0], quantity: 1 }] }, token);
    const after = await sums(withToken(answer));
    expect(after.revenue).toEqual([
      { currency: 'IRR', total: LARGEST, exactTotal: null, today: LARGEST, exactToday: null },
    ]);
    expect(after.groups).toMatchObject([{ total: LARGEST, exactTotal: null }]);
    expect(after.cell).toBe('');
  });
});
