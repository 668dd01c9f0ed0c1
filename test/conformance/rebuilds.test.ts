import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';

import { cloudflare } from '../../src/tidemark/runtime/runtime.ts';
import { asOperator, get, json, post, request, withToken } from '../support/api.ts';
import { createProduct, placeOrder } from '../shop/api.ts';
import { idleRunner, work } from '../support/builds.ts';
import { faultyDatabase } from '../support/database.ts';
import { pagesOf } from '../support/pages.ts';
import { ports } from '../support/platform.ts';
import { expectProblem } from '../support/problem.ts';
import { deliverEverything } from '../support/queue.ts';

const rebuild = (name: string, query = '') => post(`/projections/${name}/rebuild${query}`, {}, asOperator);
const cancel = (location: string) => request('DELETE', location, asOperator);

async function stateAt(location: string): Promise<string> {
  return (await json(get(location, asOperator))).state;
}

/** A build that nobody works on. */
async function idleBuild(name: string, query = '') {
  const runner = idleRunner();
  ports.buildRunner = () => runner;
  const answer = await rebuild(name, query);
  const { id } = await json(answer.clone());
  return { id: id as string, location: answer.headers.get('Location') ?? '', answer, runner };
}

async function waitFor(location: string): Promise<string> {
  await expect.poll(() => stateAt(location), { timeout: 20_000 }).not.toMatch(/building|comparing/);
  return stateAt(location);
}

describe('POST /projections/{name}/rebuild', () => {
  it('is 202 with the place to watch it, and a Workflow does the rest', async () => {
    const order = await placeOrder({ customerName: 'Grace Hopper' });
    await deliverEverything();
    const answer = await rebuild('order-search');
    expect(answer.status).toBe(202);
    const location = answer.headers.get('Location') ?? '';
    expect(await waitFor(location)).toBe('swapped');
    expect(await json(get(location, asOperator))).toMatchObject({
      projection: 'order-search',
      liveRevision: expect.any(Number) as number,
      differences: { isEqual: true },
      error: null,
    });
    const { items } = await json(get('/orders/search?q=grace', withToken(order.answer)));
    expect(items).toHaveLength(1);
  });

  it.each(['product-catalog', 'order-lookup', 'order-analytics', 'dashboard'])('rebuilds %s', async (name) => {
    await placeOrder();
    await deliverEverything();
    const answer = await rebuild(name);
    expect(await waitFor(answer.headers.get('Location') ?? '')).toBe('swapped');
  });

  it('is 409 with the place of the one that is on its way', async () => {
    const { location, id } = await idleBuild('dashboard');
    const second = await rebuild('dashboard');
    expect(second.headers.get('Location')).toBe(location);
    expect(await expectProblem(second, 409, 'rebuild-running')).toMatchObject({ build: id });
    expect((await cancel(location)).status).toBe(200);
  });

  it('is 404 for what cannot be rebuilt, and names what there is', async () => {
    const { detail } = await expectProblem(rebuild('nonesuch'), 404, 'not-found');
    expect(detail).toMatch(/order-search.*archive/);
    expect((await expectProblem(rebuild('archive'), 404, 'not-found')).detail).toMatch(/only appends/);
  });

  it('takes flags, and nothing else', async () => {
    await expectProblem(rebuild('dashboard', '?accept=yes'), 400, 'invalid-field');
    await expectProblem(rebuild('dashboard', '?force=true'), 400, 'invalid-field');
  });

  it('asks for the operations key, like every route about builds', async () => {
    const { location } = await idleBuild('dashboard');
    for (const [method, path] of [
      ['POST', '/projections/dashboard/rebuild'],
      ['GET', location],
      ['DELETE', location],
      ['POST', `${location}/accept`],
      ['POST', '/projections/dashboard/rollback'],
      ['POST', '/projections/dashboard/release'],
    ] as const) {
      await expectProblem(request(method, path), 401, 'unauthorized');
    }
    await cancel(location);
  });
});

describe('a build', () => {
  it('shows how far it is', async () => {
    const { answer, location } = await idleBuild('order-lookup');
    expect(await json(answer)).toMatchObject({ state: 'building', replayed: 0, total: expect.any(Number) as number });
    await cancel(location);
  });

  it('is cancelled once, and can then be begun anew', async () => {
    const { location, id } = await idleBuild('order-lookup');
    expect(await json(cancel(location))).toMatchObject({
      id,
      state: 'cancelled',
      endedAt: expect.any(String) as string,
    });
    expect(await json(cancel(location))).toMatchObject({ state: 'cancelled' });
    const next = await idleBuild('order-lookup');
    await work('order-lookup', next.id);
    expect((await expectProblem(cancel(next.location), 409, 'wrong-state')).detail).toMatch(/swapped/);
  });

  it('that found a difference waits for consent, shows it, and is swapped in by its acceptance alone', async () => {
    const { productId } = await createProduct();
    await deliverEverything();
    const { live_slot: slot } = (await env.SERVING_DB.prepare(
      `SELECT live_slot FROM projection_pointer WHERE projection = 'product-catalog'`,
    ).first<{ live_slot: string }>()) ?? { live_slot: 'a' };
    await env.SERVING_DB.prepare(`UPDATE product_catalog_${slot} SET name = 'Spoilt' WHERE product_id = ?`)
      .bind(productId)
      .run();
    const { location, id } = await idleBuild('product-catalog');
    await expectProblem(post(`${location}/accept`, {}, asOperator), 409, 'wrong-state');
    await work('product-catalog', id);
    expect(await json(get(location, asOperator))).toMatchObject({
      state: 'awaiting-acceptance',
      differences: {
        isEqual: false,
        differing: 1,
        first: [
          { table: 'row', key: { product_id: productId }, live: { name: 'Spoilt' }, build: { name: 'Tide table' } },
        ],
      },
    });
    expect((await json(get(`/products/${productId}`))).name).toBe('Spoilt');
    expect(await json(post(`${location}/accept`, {}, asOperator))).toMatchObject({ state: 'swapped' });
    expect((await json(get(`/products/${productId}`))).name).toBe('Tide table');
  });

  it('as a dry run compares and stops', async () => {
    const { location, id } = await idleBuild('order-analytics', '?dryRun=true');
    await work('order-analytics', id);
    expect(await json(get(location, asOperator))).toMatchObject({
      state: 'awaiting-acceptance',
      dryRun: true,
      differences: { isEqual: true },
    });
    await cancel(location);
  });

  it('that has fallen silent is revived by whoever watches it', async () => {
    const { location, id, runner } = await idleBuild('order-analytics');
    const revived: string[] = [];
    ports.buildRunner = () => ({
      ...runner,
      async revive(_projection, build) {
        revived.push(build);
        return 'goes-on';
      },
    });
    expect(await stateAt(location)).toBe('building');
    expect(revived).toEqual([]);
    ports.clockOffsetMs = 120_000;
    expect(await stateAt(location)).toBe('building');
    expect(revived).toEqual([id]);
    ports.buildRunner = () => ({ ...runner, revive: async () => 'ended' });
    expect(await json(get(location, asOperator))).toMatchObject({
      state: 'failed',
      error: { message: expect.stringMatching(/without a word/) as string },
    });
  });

  it('whose beginning was cut off before anybody worked on it is taken up', async () => {
    const { location } = await idleBuild('order-analytics');
    ports.buildRunner = cloudflare.buildRunner;
    ports.clockOffsetMs = 120_000;
    expect(await waitFor(location)).toBe('swapped');
  });

  it('that there is none of is 404', async () => {
    const path = '/projections/dashboard/rebuilds/0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a';
    await expectProblem(get(path, asOperator), 404, 'not-found');
    await expectProblem(get('/projections/dashboard/rebuilds/1', asOperator), 400, 'invalid-id');
  });
});

describe('POST /projections/{name}/rollback', () => {
  it('is the way back until the former slot is released', async () => {
    const { id } = await idleBuild('dashboard');
    await work('dashboard', id);
    const back = await json(post('/projections/dashboard/rollback', {}, asOperator));
    const forth = await json(post('/projections/dashboard/rollback', {}, asOperator));
    expect(new Set([back.slot, forth.slot])).toEqual(new Set(['a', 'b']));
    for (let tries = 0; tries < 2; tries += 1) {
      const named = post(`/projections/dashboard/rollback?slot=${String(back.slot)}`, {}, asOperator);
      expect(await json(named)).toMatchObject({ slot: back.slot });
    }
    await expectProblem(post('/projections/dashboard/rollback?slot=c', {}, asOperator), 400, 'invalid-field');
    expect((await post('/projections/dashboard/release', {}, asOperator)).status).toBe(204);
    await expectProblem(post('/projections/dashboard/rollback', {}, asOperator), 409, 'wrong-state');
    await expectProblem(post('/projections/dashboard/release', {}, asOperator), 409, 'wrong-state');
  });
});

describe('a full database', () => {
  it('makes every change of a pointer 503 storage-unavailable, and nothing is done', async () => {
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
    ports.database = cloudflare.database;
    expect(await stateAt(waiting.location)).toBe('awaiting-acceptance');
    expect(await stateAt(running.location)).toBe('building');
    for (const { location } of [waiting, running]) await cancel(location);
    expect((await post('/projections/dashboard/release', {}, asOperator)).status).toBe(204);
  });
});

function full(): never {
  throw new Error('D1_ERROR: database or disk is full: SQLITE_FULL');
}

describe('a search that is paged through while its read model is swapped and rolled back', () => {
  it('shows every order once, although the slots know them by other numbers', async () => {
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
