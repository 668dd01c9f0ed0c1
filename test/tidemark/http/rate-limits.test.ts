import { parse } from 'smol-toml';
import { describe, expect, it } from 'vitest';

import { RATE_LIMITS } from '../../../src/tidemark/http/rate-limits.ts';
import { ask } from '../../support/configured.ts';
import { openTally } from '../../support/tallies.ts';
import { expectProblem } from '../../support/problem.ts';
import { ports, resetPorts } from '../../support/platform.ts';

const [wranglerToml = ''] = Object.values(
  import.meta.glob('../../../wrangler.toml', { query: '?raw', import: 'default', eager: true }),
);

interface Limiter extends RateLimit {
  readonly keys: string[];
}

/** Lets so many requests of each key pass. */
function limiter(most: number): Limiter {
  const keys: string[] = [];
  return {
    keys,
    async limit({ key }) {
      keys.push(key);
      return { success: keys.filter((other) => other === key).length <= most };
    },
  };
}

describe('the limits of requests', () => {
  it('have the numbers of wrangler.toml', () => {
    const { ratelimits } = parse(wranglerToml) as unknown as {
      ratelimits: readonly { name: string; simple: { limit: number; period: number } }[];
    };
    expect(ratelimits.map(({ name, simple: { limit, period } }) => [name, limit, period])).toEqual(
      Object.values(RATE_LIMITS).map(({ binding, limit, periodS }) => [binding, limit, periodS]),
    );
  });

  it.each([
    ['ADDRESS_RATE_LIMIT', '"address";q=3000;w=10'],
    ['CALLER_RATE_LIMIT', '"caller";q=1000;w=10'],
  ] as const)(
    'of %s answer 429 to what is beyond them, with the policy and no remaining count',
    async (name, policy) => {
      const bindings = { [name]: limiter(2) };
      expect((await ask(bindings, '/tallies')).status).toBe(200);
      expect((await ask(bindings, '/tallies')).status).toBe(200);
      const answer = await ask(bindings, '/tallies');
      expect(Object.fromEntries(answer.headers)).toMatchObject({ 'retry-after': '10', 'ratelimit-policy': policy });
      expect([...answer.headers.keys()].filter((header) => header.includes('remaining'))).toEqual([]);
      await expectProblem(answer, 429, 'rate-limited');
    },
  );

  it('by address count the open routes and wrong credentials too, and come before any object is asked', async () => {
    const addresses = limiter(1);
    const { path } = await openTally();
    const bindings = { ADDRESS_RATE_LIMIT: addresses };
    ports.aggregateStub = () => {
      throw new Error('an object was asked');
    };
    ports.database = () => {
      throw new Error('a database was asked');
    };
    await ask(bindings, '/openapi.json', { 'CF-Connecting-IP': '203.0.113.7' });
    for (const headers of [{}, { Authorization: 'Bearer guess' }])
      expect((await ask(bindings, path, { ...headers, 'CF-Connecting-IP': '203.0.113.7' })).status).toBe(429);
    resetPorts();
    expect((await ask(bindings, '/tallies', { 'CF-Connecting-IP': '203.0.113.8' })).status).toBe(200);
    expect(addresses.keys).toEqual(['203.0.113.7', '203.0.113.7', '203.0.113.7', '203.0.113.8']);
  });

  it.each([
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
  ])('count the network of %s as %s', async (address, key) => {
    const addresses = limiter(1);
    await ask({ ADDRESS_RATE_LIMIT: addresses }, '/health', { 'CF-Connecting-IP': address });
    expect(addresses.keys).toEqual([key]);
  });

  it('by caller count each caller by itself', async () => {
    const callers = limiter(9);
    await ask({ CALLER_RATE_LIMIT: callers }, '/tallies');
    expect(callers.keys).toEqual(['operator:operator']);
  });

  it('that fail let everybody pass', async () => {
    const broken: RateLimit = {
      async limit() {
        throw new Error('away');
      },
    };
    expect((await ask({ ADDRESS_RATE_LIMIT: broken, CALLER_RATE_LIMIT: broken }, '/tallies')).status).toBe(200);
  });
});
