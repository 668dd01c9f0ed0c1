import { SignJWT, UnsecuredJWT, exportSPKI, generateKeyPair } from 'jose';
import { beforeAll, describe, expect, it, vi } from 'vitest';

import { newApiKey } from '../../src/tidemark/access/api-key.ts';
import { systemClock } from '../../src/tidemark/platform/system-clock.ts';
import { type Guarded, accessTable, everyScope } from '../../src/tidemark/access/access.ts';
import { access } from '../../src/access.ts';
import { type Headers, asNobody, eventsOf, get, json, post, request, withToken } from '../support/api.ts';
import { type Operation, allOperations } from '../support/api-operations.ts';
import { type Example, createOneOfEach, pathOf } from '../support/examples.ts';
import { type TestIssuer, bearer, testIssuer } from '../support/issuers.ts';
import { ports } from '../support/platform.ts';
import { modules } from '../worker.ts';

/*
 * Every route × every kind of credential. The OpenAPI document says which routes there are and which scope each needs.
 */

const SECRET = 'a-secret-for-the-api-keys-of-tests';

let operations: readonly Operation[] = [];
let examples: readonly Example[] = [];
let staff: TestIssuer;
let customers: TestIssuer;

beforeAll(async () => {
  operations = await allOperations();
  examples = await createOneOfEach(operations);
  // From here on the read models have them: what they did not have, they could not give away.
  for (const { path, id, answer } of examples)
    expect((await get(`${path}/${id}`, withToken(answer))).headers.get('X-Read-From')).toBe('read-model');
  staff = await testIssuer('staff');
  customers = await testIssuer('customers');
});

const guarded = () => operations.filter(({ scopes }) => scopes !== undefined);

/** The path of a request to an example, or to the like of it that is not there. */
function pathTo(operation: Operation): string {
  return pathOf(operation, { examples, values: { stream: examples[0]?.stream ?? '', name: 'order-lookup' } });
}

function ask(operation: Operation, headers: Headers, path = pathTo(operation)): Promise<Response> {
  const body = operation.body && JSON.stringify(operation.body.example);
  return request(operation.method, path, { ...headers, ...(body && { 'Content-Type': 'application/json' }) }, body);
}

const stateOfAll = () => Promise.all(examples.map(({ stream }) => eventsOf(stream)));

async function apiKey(body: object): Promise<{ readonly secret: string; readonly keyId: string }> {
  return json(post('/keys', body));
}

/** Credentials that nobody may get in with. */
async function refused(): Promise<Readonly<Record<string, Headers>>> {
  const now = Math.floor(Date.now() / 1_000);
  const claims = { iss: staff.issuer, aud: 'tidemark', sub: 'ada', iat: now, exp: now + 300, scope: 'operate' };
  const publicKey = new TextEncoder().encode(await exportSPKI(staff.publicKey));
  const stranger = await generateKeyPair('ES256');
  const revoked = await apiKey({ name: 'revoked', scopes: ['operate'] });
  await request('DELETE', `/keys/${revoked.keyId}`);
  const expiring = await apiKey({
    name: 'expired',
    scopes: ['operate'],
    expiresAt: new Date(Date.now() + 60_000).toISOString(),
  });
  ports.clockOffsetMs = 61_000;
  const token = (more: object, options = {}) => staff.token({ ...claims, ...more }, options);
  const later = { iat: now + 61, exp: now + 361 };
  return {
    'no credential': asNobody,
    garbage: bearer('garbage'),
    'another scheme': { Authorization: `Basic ${btoa('operator:secret')}` },
    'an expired token': bearer(await token({ exp: now - 31 })),
    'a token that is not yet valid': bearer(await token({ ...later, nbf: now + 300 })),
    'a token without a signature': bearer(new UnsecuredJWT({ ...claims, ...later }).encode()),
    'a token signed with the public key': bearer(
      await new SignJWT({ ...claims, ...later }).setProtectedHeader({ alg: 'HS256', kid: 'staff-1' }).sign(publicKey),
    ),
    'a token of another issuer': bearer(await token({ ...later, iss: 'https://evil.example' })),
    'a token for another audience': bearer(await token({ ...later, aud: 'another' })),
    'a token with an unknown key': bearer(await token(later, { header: { kid: 'unknown' } })),
    'a token with the key of a stranger': bearer(await token(later, { key: stranger.privateKey })),
    'a token of a customer without its customer': bearer(await customers.token(later)),
    'an API key that nobody made': bearer(`tm_${'0'.repeat(32)}_${'A'.repeat(64)}`),
    'an API key that was made and not stored': bearer((await newApiKey(systemClock, crypto.randomUUID(), SECRET)).text),
    'a revoked API key': bearer(revoked.secret),
    'an expired API key': bearer(expiring.secret),
    'a development key': bearer('dev-admin'),
  };
}

describe('every route that is not open', () => {
  it('declares the scope that it needs', () => {
    const scopes = new Set(guarded().flatMap((operation) => operation.scopes ?? []));
    expect(guarded().length).toBeGreaterThan(30);
    // And each scope is there for some route.
    expect([...scopes].toSorted()).toEqual([...everyScope(accessTable(access))].toSorted());
    const open = operations.filter((operation) => operation.scopes === undefined).map(({ name }) => name);
    expect(open).toEqual(['GET /health', 'GET /problems/{code}', 'GET /openapi.json']);
  });

  it('refuses everybody who cannot show who they are, and changes nothing', async () => {
    const before = await stateOfAll();
    const credentials = await refused();
    let requests = 0;
    for (const operation of guarded()) {
      for (const [what, headers] of Object.entries(credentials)) {
        const answer = await ask(operation, headers);
        requests += 1;
        expect([operation.name, what, answer.status]).toEqual([operation.name, what, 401]);
        expect(answer.headers.get('WWW-Authenticate')).toBe('Bearer');
        expect(await answer.json()).toMatchObject({ code: 'unauthorized' });
      }
    }
    expect(await stateOfAll()).toEqual(before);
    console.log(
      `${requests} requests: ${guarded().length} routes × ${Object.keys(credentials).length} credentials, each 401`,
    );
  });

  it('refuses a caller without its scope, and names the scope', async () => {
    const before = await stateOfAll();
    const all = [...new Set(guarded().flatMap(({ scopes = [] }) => scopes))];
    for (const operation of guarded().filter(({ scopes = [] }) => scopes.length > 0)) {
      const needed = operation.scopes?.[0] ?? '';
      // Every other scope, but for one that includes it.
      const others = all.filter((scope) => scope !== needed && !(needed === 'operate:read' && scope === 'operate'));
      for (const headers of [
        bearer(await staff.token({ scope: others.join(' ') })),
        bearer((await apiKey({ name: 'too little', scopes: others })).secret),
      ]) {
        const answer = await ask(operation, headers);
        expect([operation.name, answer.status]).toEqual([operation.name, 403]);
        expect(await answer.json()).toMatchObject({ code: 'forbidden', scope: needed });
      }
    }
    expect(await stateOfAll()).toEqual(before);
  });
});

it('a refused caller leaves a line in the log, without its credential', async () => {
  const lines: string[] = [];
  const spy = vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line));
  await request('GET', '/projections', bearer('a-guess'));
  await request('GET', '/projections', bearer(await staff.token({ scope: 'events:read', sub: 'ada' })));
  spy.mockRestore();
  const logged = lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'access.refused');
  const about = { event: 'access.refused', method: 'GET', path: '/projections', correlationId: expect.any(String) };
  expect(logged).toEqual([
    { ...about, code: 'unauthorized', actor: 'anonymous' },
    { ...about, code: 'forbidden', actor: 'user:staff/ada' },
  ]);
  expect(lines.join()).not.toContain('a-guess');
});

describe('a caller of another customer', () => {
  /** Every scope does not help it. */
  const stranger = async () =>
    bearer(await customers.token({ customer_id: 'c-none', scope: [...everyScope(accessTable(access))].join(' ') }));

  it('gets from each route only what is everyone’s, or its own', async () => {
    const headers = await stranger();
    const before = await stateOfAll();
    for (const module of modules) {
      for (const { method, path, operation: declared } of module.routes) {
        const template = path.replaceAll(/:(\w+)/g, '{$1}');
        const operation = operations.find(({ name }) => name === `${method} ${template}`) as Operation;
        const { whose } = declared.access as Guarded;
        const answer = await ask(operation, headers);
        const at = [operation.name, whose, answer.status];
        if (whose === 'staff') expect(at).toEqual([operation.name, whose, 403]);
        else if (whose === 'everyone') expect([200, 404]).toContain(answer.status);
        else if (operation.pathParameters.length > 0) expect(at).toEqual([operation.name, whose, 404]);
        else if (method === 'POST') expect(at).toEqual([operation.name, whose, 403]);
        else expect(await json(answer)).toEqual({ items: [], nextCursor: null });
      }
    }
    for (const operation of guarded().filter(({ tag }) => tag === 'operations'))
      expect([operation.name, (await ask(operation, headers)).status]).toEqual([operation.name, 403]);
    expect(await stateOfAll()).toEqual(before);
  });

  it('cannot tell what belongs to somebody else from what does not exist', async () => {
    const headers = await stranger();
    const owned = modules.flatMap(({ routes }) =>
      routes.flatMap(({ method, path, operation: { access: declared } }) => {
        const name = `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`;
        const isOwned = declared !== 'open' && declared.whose === 'customer' && path.includes(':');
        return isOwned ? operations.filter((operation) => operation.name === name) : [];
      }),
    );
    const ways: readonly Headers[] = [
      {},
      { 'X-Version': '1' },
      { 'X-Version': '99' },
      { 'If-Match': '"1"' },
      { 'If-Match': '"7"' },
      { Prefer: 'return=representation, wait=1' },
      { 'Idempotency-Key': 'the-example' },
    ];
    let compared = 0;
    for (const operation of owned) {
      for (const more of ways) {
        for (const query of operation.method === 'GET' && !operation.template.endsWith('history')
          ? ['', '?asOf=1', '?asOf=99']
          : ['']) {
          const seen = await Promise.all(
            [pathTo(operation), pathOf(operation, {})].map(async (path) => {
              const answer = await ask(operation, { ...headers, ...more }, `${path}${query}`);
              const { instance: _, ...problem } = await answer.json<{ instance: string }>();
              const told = [...answer.headers].filter(([name]) => !/^x-(correlation-id|causal-token)$/.test(name));
              return { status: answer.status, problem, told, token: answer.headers.get('X-Causal-Token')?.length };
            }),
          );
          expect(seen[0], `${operation.name} ${JSON.stringify(more)} ${query}`).toEqual(seen[1]);
          compared += 1;
        }
      }
    }
    expect(compared).toBeGreaterThan(10);
  });
});
