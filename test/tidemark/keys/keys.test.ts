import { beforeAll, describe, expect, it } from 'vitest';

import { asOperator, eventsOf, get, json, post, request } from '../../support/api.ts';
import { type TestIssuer, bearer, testIssuer } from '../../support/issuers.ts';
import { expectRetryLater, objectsFail, overloaded } from '../../support/failing-objects.ts';
import { expectInvalidFields, expectProblem } from '../../support/problem.ts';
import { ports } from '../../support/platform.ts';

let staff: TestIssuer;
beforeAll(async () => {
  staff = await testIssuer('staff');
});

const created = async (body: object) => json(post('/keys', body)) as Promise<{ keyId: string; secret: string }>;

describe('an API key', () => {
  it('is shown once, and never again', async () => {
    const answer = await post(
      '/keys',
      { name: 'warehouse', scopes: ['orders:read'] },
      { Prefer: 'return=representation' },
    );
    expect(answer.status).toBe(201);
    const { keyId, secret, ...shown } = await json(answer.clone());
    expect(secret).toMatch(/^tm_/);
    expect(shown).toMatchObject({ name: 'warehouse', scopes: ['orders:read'], customerId: null, status: 'active' });
    expect(answer.headers.get('Location')).toBe(`/keys/${keyId}`);
    const token = { 'X-Causal-Token': answer.headers.get('X-Causal-Token') ?? '' };
    for (const path of [`/keys/${keyId}`, '/keys?limit=100', `/streams/key-${keyId}/events`]) {
      const text = await (await get(path, { ...asOperator, ...token })).text();
      expect(text).toContain(keyId);
      expect(text).not.toContain(secret);
    }
    const [event] = await eventsOf(`key-${keyId}`);
    expect(event?.data).toMatchObject({ digest: expect.stringMatching(/^[0-9a-f]{64}$/) });
  });

  it('that is created again with the same idempotency key is the same one, without its secret', async () => {
    const body = { name: 'once', scopes: ['orders:read'] };
    const first = await json(post('/keys', body, { 'Idempotency-Key': 'once' }));
    const again = await post('/keys', body, { 'Idempotency-Key': 'once' });
    expect([again.status, again.headers.get('Idempotency-Replayed')]).toEqual([201, 'true']);
    expect(await json(again)).toEqual({ keyId: first.keyId, version: 1 });
  });

  it('lets in what it was made for, until it is revoked', async () => {
    const { keyId, secret } = await created({ name: 'reader', scopes: ['events:read'] });
    expect((await get('/events', bearer(secret))).status).toBe(200);
    expect((await request('DELETE', `/keys/${keyId}`)).status).toBe(200);
    ports.clockOffsetMs = 20_000;
    await expectProblem(get('/events', bearer(secret)), 401, 'unauthorized');
    expect((await json(get(`/keys/${keyId}`, { 'X-Version': '2' }))).status).toBe('revoked');
  });

  it('can be revoked twice, and not if there is none', async () => {
    const { keyId } = await created({ name: 'twice', scopes: ['events:read'] });
    for (const version of [2, 2]) expect(await json(request('DELETE', `/keys/${keyId}`))).toEqual({ keyId, version });
    await expectProblem(request('DELETE', `/keys/${crypto.randomUUID()}`), 404, 'not-found');
  });

  it('is refused from its end on', async () => {
    const expiresAt = new Date(Date.now() + 60_000).toISOString();
    const { secret } = await created({ name: 'for a minute', scopes: ['events:read'], expiresAt });
    expect((await get('/events', bearer(secret))).status).toBe(200);
    ports.clockOffsetMs = 60_001;
    await expectProblem(get('/events', bearer(secret)), 401, 'unauthorized');
  });

  it('is a fault, and no access, while its object does not answer', async () => {
    const { secret } = await created({ name: 'unlucky', scopes: ['events:read'] });
    objectsFail('key', { state: overloaded });
    await expectRetryLater(get('/events', bearer(secret)), 'overloaded');
  });

  it('may have only scopes that exist, a name, and an end in the future', async () => {
    const body = { name: 'x', scopes: ['events:read'] };
    expect(await expectInvalidFields(post('/keys', { ...body, scopes: ['everything'] }))).toEqual(['/scopes/0']);
    expect(await expectInvalidFields(post('/keys', { ...body, scopes: [] }))).toEqual(['/scopes']);
    expect(await expectInvalidFields(post('/keys', { ...body, name: ' ' }))).toEqual(['/name']);
    expect(await expectInvalidFields(post('/keys', { ...body, expiresAt: '2020-01-01T00:00:00.000Z' }))).toEqual([
      '/expiresAt',
    ]);
  });

  it('cannot be given a scope by somebody who lacks it', async () => {
    const manager = bearer(await staff.token({ scope: 'keys:manage orders:read' }));
    expect((await post('/keys', { name: 'mine', scopes: ['orders:read'] }, manager)).status).toBe(201);
    const problem = await expectProblem(
      post('/keys', { name: 'more', scopes: ['operate'] }, manager),
      403,
      'forbidden',
    );
    expect(problem['scope']).toBe('operate');
  });

  it('keeps the idempotency keys of the key that it replaces', async () => {
    const make = async () => bearer((await created({ name: 'till', scopes: ['events:read'] })).secret);
    const first = await post('/tallies', { by: 3 }, { ...(await make()), 'Idempotency-Key': 'a-sale' });
    const second = await post('/tallies', { by: 3 }, { ...(await make()), 'Idempotency-Key': 'a-sale' });
    expect(await json(second.clone())).toEqual(await json(first));
    expect(second.headers.get('Idempotency-Replayed')).toBe('true');
  });
});
