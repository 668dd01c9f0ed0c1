import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';

import { asOperator, get, post, withToken } from '../../support/api.ts';
import { createProduct, placeOrder } from '../api.ts';
import { work } from '../../support/builds.ts';
import { faultyDatabase } from '../../support/database.ts';
import { pagesOf } from '../../support/pages.ts';
import { ports, production } from '../../support/platform.ts';
import { expectProblem } from '../../support/problem.ts';
import { cancel, idleBuild, rebuild, stateAt, waitFor } from '../../support/rebuild-requests.ts';
import { deliverEverything } from '../../support/queue.ts';

describe('POST /projections/{name}/rebuild', () => {
  it.each(['product-catalog', 'order-lookup', 'order-analytics', 'dashboard'])('rebuilds %s', async (name) => {
    await placeOrder();
    await deliverEverything();
    const answer = await rebuild(name);
    expect(await waitFor(answer.headers.get('Location') ?? '')).toBe('swapped');
  });
});

describe('a full database', () => {
  it('makes every change of a pointer 503 storage-unavailable, and changes nothing', async () => {
    const swapped = await idleBuild('dashboard');
    await work('dashboard', swapped.id);
    const waiting = await idleBuild('order-lookup', '?dryRun=true');
    await work('order-lookup', waiting.id);
    const running = await idleBuild('order-search');
    const { database } = faultyDatabase(env.SERVING_DB, { beforeBatch: full });
    const reporting = faultyDatabase(env.REPORTING_DB, { beforeBatch: full }).database;
    ports.database = (_env, { name }) => (name === 'serving' ? database : reporting);
    const asked = [
      rebuild('product-catalog'),
      cancel(running.location),
      post(`${waiting.location}/accept`, {}, asOperator),
      post('/projections/dashboard/rollback', {}, asOperator),
      post('/projections/dashboard/release', {}, asOperator),
    ];
    for (const answer of await Promise.all(asked)) {
      expect(answer.headers.get('Retry-After')).toBe('60');
      await expectProblem(answer, 503, 'storage-unavailable');
    }
    ports.database = production.database;
    expect(await stateAt(waiting.location)).toBe('awaiting-acceptance');
    expect(await stateAt(running.location)).toBe('building');
    for (const { location } of [waiting, running]) await cancel(location);
    expect((await post('/projections/dashboard/release', {}, asOperator)).status).toBe(204);
  });
});

function full(): never {
  throw new Error('D1_ERROR: database or disk is full: SQLITE_FULL');
}

describe('a client that pages through a search during a swap and a rollback', () => {
  it('sees every order once, although the slots number them differently', async () => {
    const { sku } = await createProduct();
    const customerName = `Pager ${crypto.randomUUID()}`;
    const placed: Awaited<ReturnType<typeof placeOrder>>[] = [];
    for (let count = 0; count < 6; count += 1)
      placed.push(await placeOrder({ customerName, items: [{ sku, quantity: 1 }] }));
    const query = `/orders/search?limit=2&q=${encodeURIComponent(`"${customerName}"`)}`;
    // Applied one by one, the last one first: a build will take them in the archive's order.
    for (const { answer } of placed.toReversed()) await get(query, withToken(answer));
    await deliverEverything();
    const { location, id } = await idleBuild('order-search');
    await work('order-search', id);
    expect(await stateAt(location)).toBe('swapped');

    const seen: string[] = [];
    for await (const page of pagesOf(query)) {
      seen.push(...page.map(({ orderId }) => orderId as string));
      expect((await post('/projections/order-search/rollback', {}, asOperator)).status).toBe(200);
    }
    expect(seen).toEqual(placed.map(({ orderId }) => orderId).toReversed());
  });
});
