import { describe, expect, it } from 'vitest';

import { get, json, post, request } from '../support/api.ts';
import { addTo, openTally } from '../support/tallies.ts';

const SITE = 'https://shop.example';
const allowedOrigin = (answer: Response) => answer.headers.get('Access-Control-Allow-Origin');
const listOf = (answer: Response, name: string) => (answer.headers.get(name) ?? '').toLowerCase().split(/,\s*/);

/** The names of all headers that the document declares: in answers, or as parameters. */
async function documented(component: 'headers' | 'parameters'): Promise<readonly string[]> {
  const { components } = await json(get('/openapi.json'));
  return Object.keys(components[component]).map((name) => name.toLowerCase());
}

describe('an answer to a browser', () => {
  it('allows the configured origins, each by itself, and varies by origin', async () => {
    for (const origin of [SITE, 'https://desk.example']) {
      const answer = await get('/tallies', { Origin: origin });
      expect(allowedOrigin(answer)).toBe(origin);
      expect(listOf(answer, 'Vary')).toContain('origin');
    }
  });

  it('allows them for problems too: of a route, of no route, and of a wrong method', async () => {
    const { path } = await openTally();
    for (const answer of [
      await addTo(path, 0, { Origin: SITE }),
      await post('/tallies', {}, { Origin: SITE }),
      await get('/nowhere', { Origin: SITE }),
      await request('PUT', '/tallies', { Origin: SITE }),
      await get('/tallies', { Origin: SITE, 'X-Causal-Token': 'x' }),
    ]) {
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(allowedOrigin(answer)).toBe(SITE);
    }
  });

  it.each([
    'https://other.example',
    'http://shop.example',
    'https://shop.example.evil',
    'https://shop.example:8443',
    'https://shop.example/',
    'https://evil-shop.example',
    'HTTPS://SITE.EXAMPLE',
    'https://shop.example https://desk.example',
    'null',
    '*',
    '',
  ])('allows no other origin: "%s"', async (origin) => {
    expect(allowedOrigin(await get('/tallies', { Origin: origin }))).toBeNull();
    const preflight = await request('OPTIONS', '/tallies', { Origin: origin, 'Access-Control-Request-Method': 'POST' });
    expect(allowedOrigin(preflight)).toBeNull();
  });

  it('allows no origin if the request has none, and never allows credentials', async () => {
    expect(allowedOrigin(await get('/tallies'))).toBeNull();
    expect((await get('/tallies', { Origin: SITE })).headers.has('Access-Control-Allow-Credentials')).toBe(false);
  });

  it('exposes every header that the document declares, and Allow', async () => {
    const exposed = listOf(await get('/tallies', { Origin: SITE }), 'Access-Control-Expose-Headers');
    // Cache-Control is readable anyway: https://fetch.spec.whatwg.org/#cors-safelisted-response-header-name
    const names = (await documented('headers')).filter((name) => name !== 'cache-control');
    expect(exposed).toEqual(expect.arrayContaining([...names, 'allow']));
  });
});

describe('a preflight', () => {
  it('is 204 and allows the methods of the path and every header that the document declares', async () => {
    const headers = {
      Origin: SITE,
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'content-type, idempotency-key',
    };
    const answer = await request('OPTIONS', '/tallies', headers);
    expect([answer.status, await answer.text(), allowedOrigin(answer)]).toEqual([204, '', SITE]);
    expect(listOf(answer, 'Access-Control-Allow-Methods').toSorted()).toEqual(['get', 'head', 'post']);
    const names = [...(await documented('parameters')), 'content-type', 'authorization'];
    expect(listOf(answer, 'Access-Control-Allow-Headers')).toEqual(expect.arrayContaining(names));
    expect(Number(answer.headers.get('Access-Control-Max-Age'))).toBeGreaterThan(0);
    expect(listOf(answer, 'Vary')).toContain('origin');
  });

  it('offers no method that the path does not have', async () => {
    const { paths } = await json(get('/openapi.json'));
    for (const [template, item] of Object.entries<object>(paths)) {
      const headers = { Origin: SITE, 'Access-Control-Request-Method': 'DELETE' };
      const answer = await request('OPTIONS', template.replaceAll(/\{\w+\}/g, 'x'), headers);
      const methods = Object.keys(item).flatMap((method) => (method === 'get' ? ['get', 'head'] : [method]));
      expect(listOf(answer, 'Access-Control-Allow-Methods').toSorted(), template).toEqual(methods.toSorted());
      expect(listOf(answer, 'Allow').toSorted(), template).toEqual([...methods, 'options'].toSorted());
    }
  });
});
