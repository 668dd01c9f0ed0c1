import { createExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';

import type { Env } from '../../../src/bindings.ts';
import { asOperator, type Headers, eventsOf, get, request } from '../../support/api.ts';
import { addTo, openTally } from '../../support/tallies.ts';
import { expectProblem } from '../../support/problem.ts';
import { everyRoute } from '../../support/routes.ts';
import worker from '../../worker.ts';

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
    const { path, stream } = await openTally();
    const { detail } = await expectProblem(addTo(path, 1, headers), 403, 'cross-site');
    expect(detail).toContain('another origin');
    expect(await eventsOf(stream)).toHaveLength(1);
  });

  it.each<Headers>([
    {},
    { 'Sec-Fetch-Site': 'same-origin', Origin: 'https://tidemark.test' },
    { 'Sec-Fetch-Site': 'none' },
    { Origin: 'https://tidemark.test' },
    // Behind a proxy that ends TLS, the scheme may differ.
    { Origin: 'http://tidemark.test' },
  ])('passes where it comes from this origin, or from no browser: %j', async (headers) => {
    expect((await openTally(1, headers)).answer.status).toBe(201);
  });

  it('is refused on every route with an unsafe method, with a documented problem', async () => {
    for (const route of await everyRoute()) {
      const [method = '', path = ''] = route.split(' ');
      if (method === 'GET') continue;
      await expectProblem(request(method, path, { 'Sec-Fetch-Site': 'cross-site' }), 403, 'cross-site');
    }
  });

  it('may read anything: CORS decides whether its page gets the answer', async () => {
    const headers = { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' };
    const answer = await get('/tallies', headers);
    expect([answer.status, answer.headers.get('Access-Control-Allow-Origin')]).toEqual([200, null]);
  });

  it.each([
    ['https://shop.example', 'https://shop.example', 201],
    ['https://shop.example', 'https://evil.example', 403],
    ['*', 'https://evil.example', 201],
  ])('with CORS_ORIGINS of %j passes from %s as %d', async (origins, origin, status) => {
    const body = JSON.stringify({ by: 1 });
    const headers = {
      ...asOperator,
      'Content-Type': 'application/json',
      'Sec-Fetch-Site': 'cross-site',
      Origin: origin,
    };
    const asked = new Request('https://tidemark.test/tallies', { method: 'POST', headers, body }) as Parameters<
      NonNullable<typeof worker.fetch>
    >[0];
    const bindings: Env = { ...env, CORS_ORIGINS: origins };
    const answer = await worker.fetch?.(asked, bindings, createExecutionContext());
    expect(answer?.status).toBe(status);
  });
});

describe('every answer', () => {
  it('forbids browsers to guess its content type', async () => {
    for (const path of ['/health', '/tallies', '/nowhere', '/openapi.json'])
      expect((await get(path)).headers.get('X-Content-Type-Options'), path).toBe('nosniff');
  });
});
