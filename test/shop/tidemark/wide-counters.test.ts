import { env } from 'cloudflare:workers';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { START } from '../../../src/tidemark/projections/checkpoint.ts';
import { type Move, sendGuardedBatch } from '../../../src/tidemark/projections/guarded-batch.ts';
import { type Pointer, pointerCache } from '../../../src/tidemark/projections/pointer.ts';
import { type Projection } from '../../../src/tidemark/projections/projection.ts';
import { streamId } from '../../../src/tidemark/domain/stream.ts';
import { frontPage, dashboard } from '../../../src/shop/orders/dashboard.ts';
import { wideSumOf } from '../../../src/tidemark/projections/wide-counters.ts';

const DATABASE = env.REPORTING_DB;

/** Counts amounts in one guarded batch. Each amount belongs to an event of another stream. */
async function count(currency: string, amounts: readonly bigint[]): Promise<void> {
  const moves = amounts.map((total): Move => {
    const id = crypto.randomUUID();
    const stream = streamId('order', id);
    const counted = { revenue: [{ day: '', currency, total }] };
    const changes = { stream, before: undefined, after: undefined, appended: {}, counted };
    return { stream, from: START, toVersion: 1, toEventId: id, changes };
  });
  const pointer = (await pointerCache().get(DATABASE, 'dashboard')) as Pointer;
  const projection: Projection = dashboard;
  const sent = await sendGuardedBatch(
    DATABASE,
    [{ projectionName: 'dashboard', pointer }],
    [{ target: pointer.live, projection, moves }],
  );
  expect(sent.outcome).toBe('applied');
}

async function stored(currency: string): Promise<readonly [bigint, bigint, string]> {
  const row = await DATABASE.prepare(
    `SELECT CAST(total AS TEXT) AS low, CAST(total_high AS TEXT) AS high, typeof(total) AS type
    FROM dashboard_revenue_a WHERE day = '' AND currency = ?`,
  )
    .bind(currency)
    .first<{ low: string; high: string; type: string }>();
  return [BigInt(row?.low ?? 0), BigInt(row?.high ?? 0), row?.type ?? 'none'];
}

async function shown(currency: string) {
  const { sql, params } = frontPage('2030-01-01')(dashboard.tables('a')).revenue.toSQL();
  const { results } = await DATABASE.prepare(sql)
    .bind(...params)
    .all<{ currency: string; total: string }>();
  return wideSumOf(results.find((row) => row.currency === currency)?.total ?? '[0,0,0,0]');
}

/** Amounts that an order may have, and some that no order may have. */
const amount = fc.oneof(
  fc.bigInt({ min: -(9n * 10n ** 15n), max: 9n * 10n ** 15n }),
  fc.bigInt({ min: -(2n ** 61n), max: 2n ** 61n }),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
  fc.constantFrom(
    0n,
    1n,
    -1n,
    2n ** 53n,
    2n ** 61n - 1n,
    2n ** 61n,
    -(2n ** 61n),
    2n ** 62n,
    2n ** 63n - 1n,
    2n ** 63n,
  ),
);

let serial = 0;
const newCurrency = () => `sum ${(serial += 1)}`;

describe('a counter with a second column', () => {
  it('is exact far beyond 64 bits, and has one stored form for each sum', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(amount, { maxLength: 6 }), { minLength: 1, maxLength: 4 }),
        async (batches) => {
          const currency = newCurrency();
          for (const batch of batches) await count(currency, batch);
          const sum = batches.flat().reduce((all, by) => all + by, 0n);
          const low = BigInt.asIntN(62, sum);
          expect((await stored(currency)).slice(0, 2)).toEqual([low, (sum - low) >> 62n]);
          expect(await shown(currency)).toEqual({ sum, isExact: true });
        },
      ),
      { numRuns: 60, endOnFailure: true },
    );
  });

  it('returns from beyond 64 bits to its former stored form', async () => {
    const currency = newCurrency();
    await count(currency, [7n]);
    for (let times = 0; times < 3; times += 1) await count(currency, [2n ** 62n]);
    expect(await shown(currency)).toEqual({ sum: 3n * 2n ** 62n + 7n, isExact: true });
    await count(currency, [-3n * 2n ** 62n]);
    expect(await stored(currency)).toEqual([7n, 0n, 'integer']);
  });

  it.each([2n ** 61n, 2n ** 62n, 2n ** 63n - 1n, -(2n ** 61n) - 1n, -(2n ** 63n)])(
    'continues from a sum of 64 bits that a former Worker stored in the first column: %s',
    async (before) => {
      const currency = newCurrency();
      await DATABASE.prepare(
        `INSERT INTO dashboard_revenue_a (day, currency, total) VALUES ('', ?, CAST(? AS INTEGER))`,
      )
        .bind(currency, String(before))
        .run();
      expect(await shown(currency)).toEqual({ sum: before, isExact: true });
      for (const by of [2n ** 60n, -1n, 9n * 10n ** 15n]) await count(currency, [by]);
      expect(await shown(currency)).toEqual({ sum: before + 2n ** 60n - 1n + 9n * 10n ** 15n, isExact: true });
    },
  );

  it('keeps reporting that it is not exact after it became floating point', async () => {
    const currency = newCurrency();
    await DATABASE.prepare(`INSERT INTO dashboard_revenue_a (day, currency, total) VALUES ('', ?, 9.3e18)`)
      .bind(currency)
      .run();
    for (const by of [1n, -(2n ** 62n), -(2n ** 62n)]) {
      await count(currency, [by]);
      expect(await shown(currency)).toMatchObject({ isExact: false });
    }
  });
});
