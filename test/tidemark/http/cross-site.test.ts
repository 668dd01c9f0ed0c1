import { createExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';

import type { Env } from '../../../src/bindings.ts';
import { type Headers, eventsOf, get, post, request } from '../../support/api.ts';
import { createProduct } from '../../shop/api.ts';
import { expectProblem } from '../../support/problem.ts';
import { everyRoute } from '../../support/routes.ts';
import worker from '../../worker.ts';

const PRODUCT = { name: 'Tide table', price: { amount: 1, currency: 'EUR' }, category: 'almanacs' };

describe('a request that changes state, from a browser', () => {
  it.each<Headers>([
    { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' },
    { 'Sec-Fetch-Site': 'cross-site' },
    { 'Sec-Fetch-Site': 'same-site', Origin: 'https://blog.tidemark.test' },
    { 'Sec-Fetch-Site': 'nonsense' },
    { Origin: 'https://evil.example' },
    { Origin: 'https://tidemark.test:8443' },
    { Origin: 'https://tidemark.test.evil.example' },
    { Origin: 'null' },
    { Origin: 'nonsense' },
  ])('is refused where it comes from another origin, and does nothing: %j', async (headers) => {
    const { productId, stream } = await createProduct();
    const price = { price: { amount: 2, currency: 'EUR' }, reason: 'Sale' };
    const { detail } = await expectProblem(post(`/products/${productId}/price`, price, headers), 403, 'cross-site');
    expect(detail).toContain('another origin');
    expect(await eventsOf(stream)).toHaveLength(1);
  });

  it.each<Headers>([
    {},
    { 'Sec-Fetch-Site': 'same-origin', Origin: 'https://tidemark.test' },
    { 'Sec-Fetch-Site': 'none' },
    { Origin: 'https://tidemark.test' },
    // Behind a proxy that ends TLS the scheme may be another one.
    { Origin: 'http://tidemark.test' },
  ])('passes where it comes from this origin, or from no browser: %j', async (headers) => {
    expect((await createProduct({}, headers)).answer.status).toBe(201);
  });

  it('is refused on every route of a method that is not safe, with a problem that the document declares', async () => {
    for (const route of await everyRoute()) {
      const [method = '', path = ''] = route.split(' ');
      if (method === 'GET') continue;
      await expectProblem(request(method, path, { 'Sec-Fetch-Site': 'cross-site' }), 403, 'cross-site');
    }
  });

  it('may read whatever it likes: whether its page sees the answer is for CORS to say', async () => {
    const headers = { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' };
    const answer = await get('/products', headers);
    expect([answer.status, answer.headers.get('Access-Control-Allow-Origin')]).toEqual([200, null]);
  });

  it.each([
    ['https://shop.example', 'https://shop.example', 201],
    ['https://shop.example', 'https://evil.example', 403],
    ['*', 'https://evil.example', 201],
  ])('with CORS_ORIGINS of %j passes from %s as %d', async (origins, origin, status) => {
    const body = JSON.stringify({ ...PRODUCT, sku: `S-${crypto.randomUUID()}` });
    const headers = { 'Content-Type': 'application/json', 'Sec-Fetch-Site': 'cross-site', Origin: origin };
    const asked = new Request('https://tidemark.test/products', { method: 'POST', headers, body }) as Parameters<
      NonNullable<typeof worker.fetch>
    >[0];
    const bindings: Env = { ...env, CORS_ORIGINS: origins };
    const answer = await worker.fetch?.(asked, bindings, createExecutionContext());
    expect(answer?.status).toBe(status);
  });
});

describe('every answer', () => {
  it('forbids browsers to guess what kind it is', async () => {
    for (const path of ['/health', '/products', '/nowhere', '/openapi.json'])
      expect((await get(path)).headers.get('X-Content-Type-Options'), path).toBe('nosniff');
  });

  it('says to caches where it depends on what was accepted', async () => {
    for (const accept of ['text/csv', 'application/json']) {
      const answer = await get('/analytics/orders?groupBy=day', { Accept: accept });
      expect(answer.headers.get('Vary')).toBe('Accept, Origin');
    }
  });
});
