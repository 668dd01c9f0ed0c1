import { describe, expect, it } from 'vitest';

import { get } from '../../support/api.ts';
import { expectInvalidFields, expectProblem } from '../../support/problem.ts';

describe('a query parameter that a route does not have', () => {
  it('is 400, each by its name', async () => {
    expect(await expectInvalidFields(get('/dashboard?limit=1&x=2'))).toEqual(['/limit', '/x']);
  });

  it('is refused after a bad token, and each refusal has a token', async () => {
    await expectProblem(get('/dashboard?x=1', { 'X-Causal-Token': 'x' }), 400, 'invalid-causal-token');
    expect((await get('/dashboard?x=1')).headers.get('X-Causal-Token')).toMatch(/./);
  });
});

describe('a query parameter without a value', () => {
  it.each([
    '/orders?customerId=',
    '/orders?status=&limit=3',
    '/orders?cursor=',
    '/orders/search?q=',
    '/products?category',
    '/analytics/orders?groupBy=day&from=',
  ])('is refused, and does not count as absent: %s', async (path) => {
    await expectInvalidFields(get(path));
  });
});

describe('a percent-encoding that is not UTF-8', () => {
  const broken = ['%', '%E0%A4%A', '%zz', '%ff%fe', '%ED%A0%80a', '%C0%AF', 'a%F0%9F+b'];

  it.each(broken)('is refused as the value of a query parameter: %s', async (encoded) => {
    for (const path of ['/orders/search?q', '/products?category', '/products?limit=3&sku'])
      expect(await expectInvalidFields(get(`${path}=${encoded}`))).toEqual([`/${path.split(/[?&]/).at(-1)}`]);
    const { errors } = await expectProblem(get(`/orders?status=placed&customerId=${encoded}`), 400, 'invalid-field');
    expect(errors).toEqual([{ pointer: '/customerId', detail: 'Must be percent-encoded UTF-8.' }]);
  });

  it.each(broken)('is refused in a path: %s', async (encoded) => {
    await expectProblem(get(`/orders/${encoded}`), 400, 'invalid-id');
    await expectProblem(get(`/products/${encoded}`), 400, 'invalid-id');
  });

  it('is not confused with U+FFFD itself', async () => {
    expect((await get('/orders?customerId=%EF%BF%BD')).status).toBe(200);
    expect((await get('/orders?customerId=S%C3%A3o+Paulo%20%26&limit=3')).status).toBe(200);
  });
});

describe('a path that is no route is 404', () => {
  it.each([
    '/orders/',
    '/orders/0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a/',
    '/products/0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a/prices/1',
  ])('%s', async (path) => {
    await expectProblem(get(path), 404, 'not-found');
  });
});
