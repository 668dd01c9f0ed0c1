import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, it } from 'vitest';

import type { Revision } from '../../../src/tidemark/catch-up/catch-up-page.ts';
import type { compareSlots } from '../../../src/tidemark/rebuild/comparison.ts';
import { dashboard } from '../../../src/shop/orders/dashboard.ts';
import { orderSearch1 } from '../../../src/shop/orders/order-search-1.ts';
import { both, compareWhole, costOfComparison, inSlot, insert } from '../../support/compared-slots.ts';
import { rowFor, withoutSlot } from '../../support/rows.ts';

/** A table that has a surrogate key and a full text index. */
const SEARCH = withoutSlot(orderSearch1.tables('a').row);

function update(sql: string, database: D1Database): Promise<unknown> {
  return database.prepare(sql).run();
}

const searchRow = (id: number) =>
  rowFor(orderSearch1.tables('a').row, {
    order_id: `o${String(id).padStart(5, '0')}`,
    customer_name: 'Ada',
    total: id,
    customer_terms: 'ada',
  });

beforeEach(async () => {
  await env.REPORTING_DB.batch(
    [SEARCH, 'dashboard', 'dashboard_statuses', 'dashboard_revenue', 'dashboard_sellers'].flatMap((table) =>
      ['a', 'b'].map((slot) => env.REPORTING_DB.prepare(`DELETE FROM ${table}_${slot}`)),
    ),
  );
});

describe('the tables of real projections', () => {
  const compare = (projection: Revision['projection'], options: Parameters<typeof compareSlots>[3]) =>
    compareWhole(env.REPORTING_DB, inSlot(projection, 'a'), inSlot(projection, 'b'), options);

  it('are compared without their surrogate keys', async () => {
    const rows = Array.from({ length: 25 }, (_, id) => searchRow(id));
    await insert(env.REPORTING_DB, `${SEARCH}_a`, rows);
    await insert(env.REPORTING_DB, `${SEARCH}_b`, rows.toReversed());
    expect(await compare(orderSearch1, { pageSize: 4 })).toMatchObject({
      isEqual: true,
      tables: [{ live: 25, build: 25 }],
    });
    await update(`UPDATE ${SEARCH}_b SET region = 'north', total = 0 WHERE order_id = 'o00007'`, env.REPORTING_DB);
    expect(await compare(orderSearch1, { pageSize: 4 })).toMatchObject({
      differing: 1,
      first: [{ key: { order_id: 'o00007' }, live: { region: null, total: 7 }, build: { region: 'north', total: 0 } }],
    });
  });

  it('have counters under composite keys', async () => {
    await both(env.REPORTING_DB, 'dashboard_revenue', [
      { day: '', currency: 'EUR', total: 5 },
      { day: '', currency: 'USD', total: 7 },
      { day: '2026-01-01', currency: 'EUR', total: 5 },
    ]);
    await insert(env.REPORTING_DB, 'dashboard_sellers_a', [{ sku: 'S-1', name: 'Mug', quantity: 0 }]);
    expect(await compare(dashboard, { pageSize: 1 })).toMatchObject({ isEqual: true });
    await update(`UPDATE dashboard_revenue_b SET total = -1 WHERE currency = 'USD'`, env.REPORTING_DB);
    expect((await compare(dashboard, { pageSize: 1 })).first).toEqual([
      { table: 'revenue', key: { day: '', currency: 'USD' }, live: { total: 7 }, build: { total: -1 } },
    ]);
  });
});

describe('rows read grow in proportion to the rows of the tables, and are bounded for one statement', () => {
  const pageSize = 20;
  /** For each row of either slot: it is read, sorted by its key, and paired; the pairs are counted, and looked through for differences. */
  const PER_ROW = 5;

  it.each([400, 1_600])('of %i rows under a unique column beside the surrogate', async (count) => {
    await both(
      env.REPORTING_DB,
      SEARCH,
      Array.from({ length: count }, (_, id) => searchRow(id)),
    );
    const cost = await costOfComparison(env.REPORTING_DB, orderSearch1, { pageSize, maxShown: 10 });
    expect(cost.rowsRead).toBeLessThan(PER_ROW * 2 * count);
    expect(cost.mostRowsRead).toBeLessThan(PER_ROW * 2 * pageSize);
  });
});
