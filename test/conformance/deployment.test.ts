import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';

import type { Env } from '../../src/bindings.ts';
import { EMPTY_TOKEN } from '../../src/tidemark/queries/causal-token.ts';
import { asNobody, json, withToken } from '../support/api.ts';
import { ask } from '../support/configured.ts';
import { openTally } from '../support/tallies.ts';
import { expectProblem } from '../support/problem.ts';
import { decoded, workersCodec } from '../support/tokens.ts';
import { runtimeOf } from '../worker.ts';

const LOCAL = 'http://localhost:8787';

const without = (name: keyof Env) => ({ [name]: undefined }) as Partial<Env>;

describe('a deployment that nobody can authenticate to', () => {
  it('serves nothing but its health, which says so', async () => {
    const nobody = { ...without('OPERATIONS_KEY'), ...without('JWT_ISSUERS') };
    for (const path of ['/tallies', '/openapi.json', '/problems/not-json', '/nowhere'])
      await expectProblem(ask(nobody, path), 503, 'not-configured');
    const health = await ask(nobody, '/health');
    expect([health.status, await json(health)]).toEqual([
      200,
      { status: 'degraded', reasons: [expect.stringMatching(/nobody can authenticate.*OPERATIONS_KEY.*JWT_ISSUERS/)] },
    ]);
  });

  it.each(['change-me-too-and-this-is-long-enough', 'local-development-key-do-not-deploy'])(
    'or to which everybody can, since it has the published secret %s, is none',
    async (secret) => {
      for (const name of ['OPERATIONS_KEY', 'CAUSAL_TOKEN_KEY', 'API_KEY_SECRET']) {
        await expectProblem(ask({ [name]: secret }, '/tallies'), 503, 'not-configured');
        expect((await json(ask({ [name]: secret }, '/health'))).reasons).toEqual([
          expect.stringMatching(`${name} is a published example`),
        ]);
      }
    },
  );

  it('is none either if JWT_ISSUERS is not a list of issuers', async () => {
    for (const variable of [
      'no JSON',
      '{}',
      '[{"name":"one"}]',
      '[{"name":"one","issuer":"x","audience":"y","jwks":"http://keys.example"}]',
    ]) {
      await expectProblem(ask({ JWT_ISSUERS: variable }, '/tallies'), 503, 'not-configured');
      expect((await json(ask({ JWT_ISSUERS: variable }, '/health'))).reasons).toEqual([
        expect.stringMatching(/^the variable JWT_ISSUERS is/),
      ]);
    }
  });
});

describe('a local server', () => {
  const local = { ...without('OPERATIONS_KEY'), OPERATIONS_ACCESS: 'open' };
  const admin = { Authorization: 'Bearer dev-admin' };

  it('needs no secret but knows the development keys, and asks for one of them', async () => {
    const { path } = await openTally();
    expect((await ask(local, `${path}/history`, admin, LOCAL)).status).toBe(200);
    await expectProblem(ask(local, `${path}/history`, asNobody, LOCAL), 401, 'unauthorized');
    expect(await json(ask(local, '/health', {}, LOCAL))).toEqual({ status: 'ok', reasons: [] });
  });

  it.each(['localhost:8787', 'LOCALHOST', '127.0.0.1:8787', '127.9.8.7', '[::1]:8787'])(
    'answers as %s',
    async (host) => {
      expect((await ask(local, '/tallies', { ...admin, Host: host }, `http://${host}`)).status).toBe(200);
    },
  );

  it.each(['evil.example', 'localhost.evil.example', 'shop.localhost', '10.0.0.7:8787', '127.0.0.1.evil.example'])(
    'serves nothing as %s: it may be a deployment, or a page may have resolved that name to this machine',
    async (host) => {
      await expectProblem(ask(local, '/tallies', admin, `http://${host}`), 503, 'not-configured');
      await expectProblem(ask(local, '/tallies', { ...admin, Host: host }, LOCAL), 503, 'not-configured');
      expect((await json(ask(local, '/health', {}, `http://${host}`))).reasons).toEqual([
        expect.stringContaining('OPERATIONS_ACCESS'),
      ]);
    },
  );

  it('is where the development keys exist, and nowhere else', async () => {
    for (const key of ['dev-admin', 'dev-backoffice', 'dev-customer-c-1']) {
      await expectProblem(ask({}, '/tallies', { Authorization: `Bearer ${key}` }), 401, 'unauthorized');
      await expectProblem(ask({}, '/tallies', { Authorization: `Bearer ${key}` }, LOCAL), 401, 'unauthorized');
    }
  });
});

describe('a deployment without the secret CAUSAL_TOKEN_KEY', () => {
  it('serves nothing, and its health says why', async () => {
    expect(await json(ask(without('CAUSAL_TOKEN_KEY'), '/health'))).toEqual({
      status: 'degraded',
      reasons: [expect.stringContaining('CAUSAL_TOKEN_KEY')],
    });
    await expectProblem(ask(without('CAUSAL_TOKEN_KEY'), '/tallies'), 503, 'not-configured');
  });
});

describe('a deployment whose secret is shorter than 32 bytes', () => {
  it('answers as without a token key if it is that one, and its health names the remedy', async () => {
    const short = { CAUSAL_TOKEN_KEY: 'x'.repeat(31) };
    expect(await json(ask(short, '/health'))).toEqual({
      status: 'degraded',
      reasons: [expect.stringMatching(/CAUSAL_TOKEN_KEY has fewer than 32 bytes.*openssl/)],
    });
    await expectProblem(ask(short, '/tallies'), 503, 'not-configured');
  });

  it.each(['OPERATIONS_KEY', 'API_KEY_SECRET'])('serves, and its health says that %s may be guessed', async (name) => {
    const short = { [name]: 'x'.repeat(31) };
    expect((await json(ask(short, '/health'))).reasons).toEqual([
      expect.stringMatching(`${name} has fewer than 32 bytes.*guessed`),
    ]);
    const headers = name === 'OPERATIONS_KEY' ? { Authorization: `Bearer ${'x'.repeat(31)}` } : {};
    expect((await ask(short, '/tallies', headers)).status).toBe(200);
  });
});

describe('a deployment whose CAUSAL_TOKEN_PREVIOUS_KEY is shorter than 32 bytes', () => {
  it('accepts its tokens, and its health says that they may be forged', async () => {
    const weak = { CAUSAL_TOKEN_PREVIOUS_KEY: 'x'.repeat(31) };
    expect((await ask(weak, '/tallies')).status).toBe(200);
    expect((await json(ask(weak, '/health'))).reasons).toEqual([
      expect.stringMatching(/CAUSAL_TOKEN_PREVIOUS_KEY has fewer than 32 bytes.*forged/),
    ]);
  });
});

describe('RESTORE_EPOCH', () => {
  const raised = { RESTORE_EPOCH: '1' };

  it('refuses an earlier token that left streams out, each time that it is sent, and never reads an older state', async () => {
    for (const leftOut of [{ shortenedAt: Date.now() }, { partialAt: Date.now() }]) {
      const token = await workersCodec().encode({ ...EMPTY_TOKEN, ...leftOut });
      for (const path of ['/tallies', '/events', `/tallies/${crypto.randomUUID()}`]) {
        const answer = await ask(raised, path, { 'X-Causal-Token': token });
        expect(answer.headers.get('X-Causal-Token')).toBe(token);
        const problem = await expectProblem(answer, 409, 'causal-token-ahead');
        expect(problem.detail).toContain('restored');
      }
    }
  });

  it('accepts any other earlier token without its bookmarks, and answers with a token of the new epoch', async () => {
    const { path, stream, answer } = await openTally();
    const lost = { ...(await decoded(answer)), bookmarks: new Map([['serving', 'of a future that is lost']]) };
    const read = await ask(raised, path, { 'X-Causal-Token': await workersCodec().encode(lost) });
    expect(read.status).toBe(200);
    const token = await decoded(read);
    expect(token).toMatchObject({ epoch: 1 });
    expect([...token.streams.keys()]).toContain(stream);
    expect(token.bookmarks.get('serving')).not.toBe('of a future that is lost');
    // That one may be shortened again.
    const shortened = await workersCodec().encode({ ...token, shortenedAt: Date.now() });
    expect((await ask(raised, '/tallies', { 'X-Causal-Token': shortened })).status).toBe(200);
  });

  it('applies to all tokens of a request if one names it and the Worker does not know it', async () => {
    const lost = new Map([['serving', 'of a future that is lost']]);
    const [before, after, leftOut] = await Promise.all(
      [{ bookmarks: lost }, { epoch: 1 }, { shortenedAt: Date.now() }].map((more) =>
        workersCodec().encode({ ...EMPTY_TOKEN, ...more }),
      ),
    );
    const merged = await decoded(await ask({}, '/tallies', { 'X-Causal-Token': `${before}, ${after}` }));
    expect(merged.epoch).toBe(1);
    expect(merged.bookmarks.get('serving')).not.toBe('of a future that is lost');
    const both = `${leftOut}, ${after}`;
    const refused = await ask({}, '/tallies', { 'X-Causal-Token': both });
    expect(refused.headers.get('X-Causal-Token')).toBe(both);
    await expectProblem(refused, 409, 'causal-token-ahead');
  });

  it('treats tokens of format 1 as earlier ones', async () => {
    const former = await workersCodec({ format: 1 }).encode({ ...EMPTY_TOKEN, epoch: 1, shortenedAt: Date.now() });
    await expectProblem(ask(raised, '/tallies', { 'X-Causal-Token': former }), 409, 'causal-token-ahead');
  });

  it.each(['-1', '1.5', 'one'])('is refused like a missing key if it is %j', async (epoch) => {
    await expectProblem(ask({ RESTORE_EPOCH: epoch }, '/tallies'), 503, 'not-configured');
    expect((await json(ask({ RESTORE_EPOCH: epoch }, '/health'))).reasons).toEqual([
      expect.stringContaining('RESTORE_EPOCH'),
    ]);
  });
});

describe('CAUSAL_TOKEN_FORMAT', () => {
  const formatOf = async (configuration: Partial<Env>) => {
    const token = (await ask(configuration, '/tallies?limit=1')).headers.get('X-Causal-Token') ?? '';
    return Uint8Array.fromBase64(token, { alphabet: 'base64url' })[0];
  };

  it.each([
    [undefined, 2],
    ['', 2],
    ['2', 2],
    ['1', 1],
  ])('set to %j makes the Worker write tokens of format %s', async (format, written) => {
    expect(await formatOf({ CAUSAL_TOKEN_FORMAT: format } as Partial<Env>)).toBe(written);
  });

  it('is a reason in the health if it is 1: such tokens protect less', async () => {
    expect(await json(ask({ CAUSAL_TOKEN_FORMAT: '1' }, '/health'))).toEqual({
      status: 'degraded',
      reasons: [expect.stringContaining('CAUSAL_TOKEN_FORMAT')],
    });
  });

  it('is another reason if it is 1 beside an epoch: such tokens hold no epoch', async () => {
    const { reasons } = await json(ask({ CAUSAL_TOKEN_FORMAT: '1', RESTORE_EPOCH: '1' }, '/health'));
    expect(reasons).toEqual([expect.stringContaining('CAUSAL_TOKEN_FORMAT'), expect.stringContaining('RESTORE_EPOCH')]);
  });

  it('lets Workers of both releases serve the same client if it is 1', async () => {
    const { path, answer } = await openTally();
    const former = await ask({ CAUSAL_TOKEN_FORMAT: '1' }, path, withToken(answer));
    expect(former.status).toBe(200);
    expect((await ask({}, path, withToken(former))).status).toBe(200);
  });

  it('is refused like a missing key if it has any other value', async () => {
    await expectProblem(ask({ CAUSAL_TOKEN_FORMAT: '3' }, '/tallies'), 503, 'not-configured');
    expect((await json(ask({ CAUSAL_TOKEN_FORMAT: '3' }, '/health'))).reasons).toEqual([
      expect.stringContaining('CAUSAL_TOKEN_FORMAT'),
    ]);
  });
});

describe('IDEMPOTENCY_FORMAT', () => {
  const reasonsFor = async (format: string | number) =>
    (await json(ask({ IDEMPOTENCY_FORMAT: format } as Partial<Env>, '/health'))).reasons as readonly string[];

  it.each([
    [undefined, false],
    ['', false],
    ['2', false],
    ['1', true],
    [1, true],
    ['3', false],
  ])('set to %j lets objects keep idempotency keys in their table: %s', (format, isTable) => {
    const { aggregateHost } = runtimeOf({ ...env, IDEMPOTENCY_FORMAT: format } as Env);
    expect(aggregateHost.eventLogOptions).toEqual({ keysInTable: isTable });
  });

  it('is a reason in the health if it is 1, with the remedy', async () => {
    expect(await reasonsFor('1')).toEqual([expect.stringMatching(/IDEMPOTENCY_FORMAT is 1.*Remove the variable/)]);
    expect(await reasonsFor('2')).toEqual([]);
  });

  it('is a reason in the health if it has any other value, and the Worker answers as with 2', async () => {
    expect(await reasonsFor('3')).toEqual([expect.stringContaining('IDEMPOTENCY_FORMAT has to be')]);
    expect((await ask({ IDEMPOTENCY_FORMAT: '3' }, '/tallies')).status).toBe(200);
  });
});

describe('CHECKPOINT_FORMAT', () => {
  const reasonsFor = async (format: string | number) =>
    (await json(ask({ CHECKPOINT_FORMAT: format } as Partial<Env>, '/health'))).reasons as readonly string[];

  it.each([
    [undefined, true],
    ['', true],
    ['2', true],
    ['1', false],
    [1, false],
    ['3', true],
  ])('set to %j lets projections at one event share a checkpoint row: %s', (format, shares) => {
    expect(runtimeOf({ ...env, CHECKPOINT_FORMAT: format } as Env).sharesCheckpoints).toBe(shares);
  });

  it('is a reason in the health if it is 1, with the cost and the remedy', async () => {
    expect(await reasonsFor('1')).toEqual([
      expect.stringMatching(/CHECKPOINT_FORMAT is 1: each projection writes.*Remove the variable/),
    ]);
    expect(await reasonsFor(1)).toEqual(await reasonsFor('1'));
    expect(await reasonsFor('2')).toEqual([]);
  });

  it('is a reason of its own beside IDEMPOTENCY_FORMAT', async () => {
    const both = { IDEMPOTENCY_FORMAT: '1', CHECKPOINT_FORMAT: '1' };
    expect(await json(ask(both, '/health'))).toEqual({
      status: 'degraded',
      reasons: [expect.stringContaining('IDEMPOTENCY_FORMAT'), expect.stringContaining('CHECKPOINT_FORMAT')],
    });
  });

  it('is a reason in the health if it has any other value, and the Worker answers as with 2', async () => {
    expect(await reasonsFor('3')).toEqual([expect.stringContaining('CHECKPOINT_FORMAT has to be')]);
    expect((await ask({ CHECKPOINT_FORMAT: '3' }, '/tallies')).status).toBe(200);
  });
});

describe('CORS_ORIGINS', () => {
  it.each([
    [undefined, null],
    ['', null],
    ['https://other.example', null],
    ['https://other.example https://shop.example', 'https://shop.example'],
    ['*', 'https://shop.example'],
  ])('set to %j allows https://shop.example as %j', async (origins, allowed) => {
    const answer = await ask({ CORS_ORIGINS: origins } as Partial<Env>, '/health', { Origin: 'https://shop.example' });
    expect(answer.headers.get('Access-Control-Allow-Origin')).toBe(allowed);
    const withoutOrigin = await ask({ CORS_ORIGINS: origins } as Partial<Env>, '/health');
    expect(withoutOrigin.headers.has('Access-Control-Allow-Origin')).toBe(false);
  });
});
