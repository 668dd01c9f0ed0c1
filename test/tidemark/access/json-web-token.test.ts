import { SignJWT, UnsecuredJWT, exportJWK, exportSPKI, generateKeyPair } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';

import { accessTable } from '../../../src/tidemark/access/access.ts';
import { type Issuer, parseIssuers } from '../../../src/tidemark/access/issuer.ts';
import { tokenCheck } from '../../../src/tidemark/access/json-web-token.ts';

const NOW = Date.parse('2026-11-23T09:00:00.000Z');
const SECONDS = NOW / 1_000;

const table = accessTable({
  scopes: { 'seats:read': 'See seats.', 'seats:write': 'Change seats.' },
  roles: { usher: { scopes: ['seats:read', 'seats:write'] }, guest: { scopes: ['seats:read'], isForCustomers: true } },
});

const base = { name: 'house', issuer: 'https://id.example', audience: 'tidemark', jwks: 'https://id.example/keys' };
const issuersOf = (...issuers: readonly object[]) => parseIssuers(issuers) as readonly Issuer[];

let keys: Awaited<ReturnType<typeof generateKeyPair>>;
let check: ReturnType<typeof tokenCheck>;
beforeAll(async () => {
  keys = await generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'one', alg: 'ES256', use: 'sig' };
  const fetchKeys = (async () => Response.json({ keys: [jwk] })) as unknown as typeof fetch;
  check = tokenCheck(table, { now: () => NOW, fetch: fetchKeys, pauseMs: 10 });
});

interface Made {
  readonly claims?: object;
  readonly header?: object;
}

function token({ claims = {}, header = {} }: Made = {}): Promise<string> {
  const all = { iss: base.issuer, aud: base.audience, sub: 'ada', iat: SECONDS, exp: SECONDS + 300, ...claims };
  const present = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  return new SignJWT(present).setProtectedHeader({ alg: 'ES256', kid: 'one', ...header }).sign(keys.privateKey);
}

async function callerOf(text: string, ...issuers: readonly object[]) {
  const all = issuersOf(...(issuers.length === 0 ? [base] : issuers));
  return check.callerOf(text, all, () => undefined);
}

describe('a token of a known issuer', () => {
  it('makes a user of it, with the scopes and the roles that it claims', async () => {
    const caller = await callerOf(await token({ claims: { scope: 'usher seats:read openid' } }));
    expect(caller).toEqual({
      kind: 'user',
      id: 'house/ada',
      owner: '["user","https://id.example","ada"]',
      scopes: new Set(['seats:read', 'seats:write']),
    });
  });

  it('may hold its scopes in a list, and in a claim within another one', async () => {
    const claims = { realm: { roles: ['usher', 7] }, 'https://shop.example/roles': ['seats:read'] };
    const nested = await callerOf(await token({ claims }), { ...base, scopesClaim: 'realm.roles' });
    expect([...(nested?.scopes ?? [])]).toEqual(['seats:read', 'seats:write']);
    const named = await callerOf(await token({ claims }), { ...base, scopesClaim: 'https://shop.example/roles' });
    expect([...(named?.scopes ?? [])]).toEqual(['seats:read']);
  });

  it('gets what its issuer grants to everybody', async () => {
    const caller = await callerOf(await token(), { ...base, grants: ['usher'] });
    expect([...(caller?.scopes ?? [])]).toEqual(['seats:read', 'seats:write']);
  });

  it('may name several audiences', async () => {
    expect(await callerOf(await token({ claims: { aud: ['other', 'tidemark'] } }))).toBeDefined();
  });

  it('may differ from this clock by half a minute', async () => {
    for (const claims of [{ exp: SECONDS - 29 }, { nbf: SECONDS + 29 }, { iat: SECONDS + 29 }])
      expect(await callerOf(await token({ claims })), JSON.stringify(claims)).toBeDefined();
  });

  it.each([
    ['expired', { claims: { exp: SECONDS - 31 } }],
    ['without an end', { claims: { exp: undefined } }],
    ['not yet valid', { claims: { nbf: SECONDS + 31 } }],
    ['issued in the future', { claims: { iat: SECONDS + 31 } }],
    ['of another issuer', { claims: { iss: 'https://evil.example' } }],
    ['without an issuer', { claims: { iss: undefined } }],
    ['for another audience', { claims: { aud: 'other' } }],
    ['without an audience', { claims: { aud: undefined } }],
    ['without a subject', { claims: { sub: undefined } }],
    ['with an empty subject', { claims: { sub: '' } }],
    ['with a subject of 256 characters', { claims: { sub: 'x'.repeat(256) } }],
    ['with an unknown key', { header: { kid: 'two' } }],
  ] satisfies readonly (readonly [string, Made])[])('is refused %s', async (_, made) => {
    expect(await callerOf(await token(made))).toBeUndefined();
  });

  it('is refused without a signature, and with a symmetric one', async () => {
    const claims = { iss: base.issuer, aud: base.audience, sub: 'ada', iat: SECONDS, exp: SECONDS + 300 };
    expect(await callerOf(new UnsecuredJWT(claims).encode())).toBeUndefined();
    const publicKey = new TextEncoder().encode(await exportSPKI(keys.publicKey));
    const forged = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'one' }).sign(publicKey);
    expect(await callerOf(forged)).toBeUndefined();
  });

  it('is refused with an extension that has to be understood', async () => {
    const claims = { iss: base.issuer, aud: base.audience, sub: 'ada', exp: SECONDS + 300 };
    const header = { alg: 'ES256', kid: 'one', crit: ['urgent'], urgent: true };
    const text = await new SignJWT(claims).setProtectedHeader(header).sign(keys.privateKey, { crit: { urgent: true } });
    expect(await callerOf(text)).toBeUndefined();
  });

  it('is refused if one character of it is another', async () => {
    const text = await token();
    for (const at of [3, text.indexOf('.') + 3, text.lastIndexOf('.') + 3]) {
      const changed = `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`;
      expect(await callerOf(changed), String(at)).toBeUndefined();
    }
  });

  it.each(['', '.', '..', 'a.b.c', 'eyJhbGciOiJFUzI1NiJ9..', '\u{1F600}.\u{1F600}.x', `${'x'.repeat(9_000)}.y.z`])(
    'is refused if it is none: %j',
    async (text) => {
      expect(await callerOf(text)).toBeUndefined();
    },
  );
});

describe('a token that was verified', () => {
  it('is not verified again for twenty seconds, and never accepted beyond its end', async () => {
    let [time, reads] = [NOW, 0];
    const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'one', alg: 'ES256', use: 'sig' };
    const fetchKeys = (async () => {
      reads += 1;
      return Response.json({ keys: [jwk] });
    }) as unknown as typeof fetch;
    const own = tokenCheck(table, { now: () => time, fetch: fetchKeys, pauseMs: 10, freshMs: 0 });
    const issuers = issuersOf(base);
    const lets = async (text: string) => (await own.callerOf(text, issuers, () => undefined)) !== undefined;
    const [long, short] = [await token(), await token({ claims: { exp: SECONDS + 5 } })];
    expect([await lets(long), await lets(short)]).toEqual([true, true]);
    const before = reads;
    time += 4_999;
    expect([await lets(long), await lets(short), reads]).toEqual([true, true, before]);
    // The clocks may differ by half a minute. What is accepted within that is not kept.
    time = NOW + 34_000;
    expect(await lets(short)).toBe(true);
    time = NOW + 36_000;
    expect(await lets(short)).toBe(false);
    expect([await lets(long), reads > before]).toEqual([true, true]);
  });

  it('is verified again for another issuer', async () => {
    const text = await token();
    expect(await callerOf(text)).toBeDefined();
    expect(await callerOf(text, { ...base, audience: 'another' })).toBeUndefined();
  });
});

describe('the customer of a token', () => {
  const customers = { ...base, customerClaim: 'customer_id', grants: ['guest'] };

  it('limits its user to that customer', async () => {
    const caller = await callerOf(await token({ claims: { customer_id: 'c-1' } }), customers);
    expect(caller).toMatchObject({ customerId: 'c-1', scopes: new Set(['seats:read']) });
  });

  it.each([undefined, '', 7, null, ['c-1'], 'x'.repeat(256)])('that is %j makes the token invalid', async (claim) => {
    expect(await callerOf(await token({ claims: { customer_id: claim } }), customers)).toBeUndefined();
  });

  it('may be missing only where the issuer says so; then the user is staff, without what customers are granted', async () => {
    const optional = { ...customers, isCustomerOptional: true };
    const staff = await callerOf(await token(), optional);
    expect(staff).toMatchObject({ id: 'house/ada', scopes: new Set() });
    expect(staff).not.toHaveProperty('customerId');
    for (const claim of ['', 7, null])
      expect(await callerOf(await token({ claims: { customer_id: claim } }), optional)).toBeUndefined();
  });

  it('is not looked for unless the issuer names its claim', async () => {
    expect(await callerOf(await token({ claims: { customer_id: 'c-1' } }))).not.toHaveProperty('customerId');
  });
});
