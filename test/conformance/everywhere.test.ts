import { describe, expect, it } from 'vitest';

import { type Headers, asOperator, get, json, post, request } from '../support/api.ts';
import { addTo, openTally } from '../support/tallies.ts';
import { expectInvalidFields, expectProblem } from '../support/problem.ts';
import { everyRoute } from '../support/routes.ts';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const TRACEPARENT = `00-${TRACE_ID}-00f067aa0ba902b7-01`;

const correlationOf = (answer: Response) => answer.headers.get('X-Correlation-Id');

/** Answers of every kind: good ones, problems of routes, and of no route. */
async function answersOfEveryKind(headers: Headers = {}): Promise<readonly Response[]> {
  const { path, answer } = await openTally(1, headers);
  return [
    answer,
    await addTo(path, 1, headers),
    await addTo(path, 0, headers),
    await addTo(path, 1, { ...headers, 'If-Match': '"9"' }),
    await request('POST', '/tallies', headers, 'x'),
    await post('/tallies', 'x'.repeat(70_000), headers),
    await post('/tallies', {}, headers),
    await get(path, { ...headers, 'X-Version': '2', 'If-None-Match': '"2"' }),
    await get(`${path}/history`, headers),
    await get('/tallies', { ...headers, 'X-Causal-Token': 'x' }),
    await get('/nowhere', headers),
    await request('PUT', '/tallies', headers),
    await request('OPTIONS', '/tallies', headers),
    await request('HEAD', '/tallies', headers),
    await get('/health', headers),
    await get('/openapi.json', headers),
    await get('/problems/internal', headers),
  ];
}

describe('every answer', () => {
  it('is private and never stored, and has a correlation id of its own', async () => {
    const answers = await answersOfEveryKind();
    for (const answer of answers) {
      expect(answer.headers.get('Cache-Control')).toBe('private, no-store');
      expect(correlationOf(answer)).toMatch(/^[0-9a-f-]{36}$/);
    }
    expect(new Set(answers.map(correlationOf)).size).toBe(answers.length);
  });

  it('carries the correlation id of the request', async () => {
    for (const answer of await answersOfEveryKind({ 'X-Correlation-Id': 'Checkout_7.f-3a' })) {
      expect(correlationOf(answer)).toBe('Checkout_7.f-3a');
    }
  });

  it('carries the trace of the request, whose id is the correlation id unless the request has another', async () => {
    for (const answer of await answersOfEveryKind({ traceparent: TRACEPARENT })) {
      expect(correlationOf(answer)).toBe(TRACE_ID);
      expect(answer.headers.get('traceparent')).toBe(TRACEPARENT);
    }
    const both = await get('/health', { traceparent: TRACEPARENT, 'X-Correlation-Id': 'mine' });
    expect([correlationOf(both), both.headers.get('traceparent')]).toEqual(['mine', TRACEPARENT]);
  });

  it.each<Headers>([
    { 'X-Correlation-Id': '' },
    { 'X-Correlation-Id': 'a b' },
    { 'X-Correlation-Id': 'a,b' },
    { 'X-Correlation-Id': '<script>' },
    { 'X-Correlation-Id': 'x'.repeat(129) },
    { traceparent: 'x' },
    { traceparent: TRACEPARENT.toUpperCase() },
    { traceparent: `ff-${TRACE_ID}-00f067aa0ba902b7-01` },
    { traceparent: `00-${'0'.repeat(32)}-00f067aa0ba902b7-01` },
    { traceparent: `00-${TRACE_ID}-0000000000000000-01` },
    { traceparent: `${TRACEPARENT}, ${TRACEPARENT}` },
  ])('has an id of its own where the one given is none: %j', async (headers) => {
    const answer = await get('/health', headers);
    expect(answer.status).toBe(200);
    expect(correlationOf(answer)).toMatch(/^[0-9a-f-]{36}$/);
    expect(answer.headers.has('traceparent')).toBe(false);
  });

  it('has the correlation id of its events', async () => {
    const { stream } = await openTally(1, { 'X-Correlation-Id': 'checkout-1' });
    const { items } = await json(get(`/streams/${stream}/events`, asOperator));
    expect(items[0].metadata).toMatchObject({
      correlationId: 'checkout-1',
      actor: { kind: 'operator', id: 'operator' },
    });
  });
});

describe('a method', () => {
  it('HEAD answers as GET does, without a body, on every route that has a GET', async () => {
    for (const route of await everyRoute()) {
      const [method = '', path = ''] = route.split(' ');
      const head = await request('HEAD', path, asOperator);
      expect(await head.text(), route).toBe('');
      if (method !== 'GET') continue;
      const read = await get(path, asOperator);
      expect([route, head.status, head.headers.get('Content-Type')]).toEqual([
        route,
        read.status,
        read.headers.get('Content-Type'),
      ]);
    }
  });

  it('OPTIONS is 204 without a body on every route, and names its methods', async () => {
    const methodsOf = Map.groupBy(await everyRoute(), (route) => route.split(' ')[1] as string);
    for (const [path, routes] of methodsOf) {
      const methods = routes.map((route) => route.split(' ')[0] as string);
      const has = [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'];
      const answer = await request('OPTIONS', path);
      expect([path, answer.status, await answer.text()]).toEqual([path, 204, '']);
      expect(answer.headers.get('Allow')?.split(', ').toSorted(), path).toEqual(has.toSorted());
    }
  });

  it('OPTIONS is 404 on a path that is no route, also for a preflight', async () => {
    for (const path of ['/nowhere', '/tallies/x/y/z', '/tallies/']) {
      await expectProblem(request('OPTIONS', path), 404, 'not-found');
      const preflight = { Origin: 'https://shop.example', 'Access-Control-Request-Method': 'POST' };
      await expectProblem(request('OPTIONS', path, preflight), 404, 'not-found');
    }
  });

  it('is 405 if the path does not have it, with the methods of the path', async () => {
    const routes = await everyRoute();
    const methodsOf = Map.groupBy(routes, (route) => route.split(' ')[1] as string);
    for (const [path, same] of methodsOf) {
      const methods = same.map((route) => route.split(' ')[0] as string);
      const has = methods.includes('GET') ? [...methods, 'HEAD'] : methods;
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'QUERY'].filter((name) => !has.includes(name))) {
        const answer = await request(method, path);
        expect(answer.headers.get('Allow')?.split(', ').toSorted(), `${method} ${path}`).toEqual(
          [...has, 'OPTIONS'].toSorted(),
        );
        await expectProblem(answer, 405, 'method-not-allowed');
      }
    }
  });
});

describe('a query parameter that a route does not have', () => {
  it('is 400 on every route, and changes nothing', async () => {
    const { path: tally, stream } = await openTally();
    for (const route of await everyRoute()) {
      const [method = '', path = ''] = route.split(' ');
      const { searchParams } = new URL(path, 'https://tidemark.test');
      const answer = await request(method, `${path}${searchParams.size > 0 ? '&' : '?'}nonesuch=1`, asOperator);
      expect(answer.status, route).toBe(400);
    }
    expect(await expectInvalidFields(get('/health?verbose=true'))).toEqual(['/verbose']);
    expect(await expectInvalidFields(get('/projections?limit=1&x=2', asOperator))).toEqual(['/limit', '/x']);
    expect(await expectInvalidFields(get('/problems/internal?lang=de'))).toEqual(['/lang']);
    expect(await expectInvalidFields(post(`${tally}/additions?dryRun=true`, { by: 1 }))).toEqual(['/dryRun']);
    const { items } = await json(get(`/streams/${stream}/events`, asOperator));
    expect(items).toHaveLength(1);
  });

  it('is refused after a bad token, and each refusal has a token', async () => {
    await expectProblem(get('/tallies?x=1', { 'X-Causal-Token': 'x' }), 400, 'invalid-causal-token');
    expect((await get('/tallies?x=1')).headers.get('X-Causal-Token')).toMatch(/./);
  });
});

describe('a query parameter without a value', () => {
  it.each(['/events?type=', '/events?after=', '/events?type&limit=3', '/tallies?cursor=', '/tallies?limit='])(
    'is refused, and does not count as absent: %s',
    async (path) => {
      await expectInvalidFields(get(path, asOperator));
    },
  );
});

describe('a percent-encoding that is not UTF-8', () => {
  const broken = ['%', '%E0%A4%A', '%zz', '%ff%fe', '%ED%A0%80a', '%C0%AF', 'a%F0%9F+b'];

  it.each(broken)('is refused as the value of a query parameter: %s', async (encoded) => {
    for (const path of ['/events?type', '/events?limit=3&category', '/tallies?cursor']) {
      const answer = get(`${path}=${encoded}`, asOperator);
      expect(await expectInvalidFields(answer)).toEqual([`/${path.split(/[?&]/).at(-1)}`]);
    }
    const { errors } = await expectProblem(get(`/tallies?limit=3&cursor=${encoded}`), 400, 'invalid-field');
    expect(errors).toEqual([{ pointer: '/cursor', detail: 'Must be percent-encoded UTF-8.' }]);
  });

  it.each(broken)('is refused as the name of a query parameter: %s', async (encoded) => {
    for (const path of ['/tallies', '/health'])
      expect(await expectInvalidFields(get(`${path}?${encoded}`))).toHaveLength(1);
  });

  it.each(broken)('is refused in a path: %s', async (encoded) => {
    await expectProblem(get(`/tallies/${encoded}`), 400, 'invalid-id');
    for (const path of ['/projections/X', '/problems/X', '/streams/tally-X/events']) {
      const answer = await get(path.replace('X', encoded), asOperator);
      expect([400, 404], path).toContain(answer.status);
    }
  });

  it('is not confused with U+FFFD itself', async () => {
    const { errors } = await expectProblem(get('/events?type=%EF%BF%BD', asOperator), 400, 'invalid-field');
    expect(errors?.[0]?.detail).not.toContain('UTF-8');
  });
});

describe('a path that is no route is 404', () => {
  it('and the problem names it as a URI reference', async () => {
    const instanceOf = async (path: string) => (await expectProblem(get(path), 404, 'not-found')).instance;
    expect(await instanceOf('/東京?q=1')).toBe('/%E6%9D%B1%E4%BA%AC');
    expect(await instanceOf('/a%2Fb%')).toBe('/a%2Fb%25');
    expect(await instanceOf('//evil.example:a')).toBe('/.//evil.example:a');
  });

  it.each([
    '/',
    '/nowhere',
    '/tallies/',
    '/Tallies',
    '//tallies',
    '/tallies//history',
    '/tallies/0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a/',
    '/tallies/0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a/history/1',
    '/streams/tally-1',
    '/openapi.json/',
    '/openapi.yaml',
    '/%74allies%2f',
    '/tallies%00',
    '/..%2f..%2fetc/passwd',
    '/東京',
    '/%E0%A4%A',
    '/%',
    '/a|b[c]^{d}',
  ])('%s', async (path) => {
    await expectProblem(get(path), 404, 'not-found');
    await expectProblem(post(path, { by: 1 }), 404, 'not-found');
  });
});
