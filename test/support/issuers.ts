import { type CryptoKey, type JWTPayload, SignJWT, exportJWK, generateKeyPair } from 'jose';

import { keyServer } from './key-server.ts';
import { ports } from './platform.ts';

/** Stands in for an OpenID provider: signs tokens, and answers at the address of its keys. */
export interface TestIssuer {
  readonly issuer: string;
  /** A token of a user. `claims` replaces or, with undefined, removes claims; `header` and `key` what it is signed with. */
  token(claims?: JWTPayload, options?: { header?: Readonly<Record<string, string>>; key?: CryptoKey }): Promise<string>;
  /** Signs with a new key from now on. Published: the keys that the address answers. */
  rotate(options?: { keepsFormer?: boolean }): Promise<void>;
  readonly publicKey: CryptoKey;
  readonly privateKey: CryptoKey;
  /** How often its keys were asked for. */
  readonly reads: number;
}

/** As the variable JWT_ISSUERS of the tests names it. */
export async function testIssuer(name: 'staff' | 'customers'): Promise<TestIssuer> {
  const issuer = `https://${name}.example`;
  let serial = 0;
  let reads = 0;
  let pair = await newPair();
  let published = [pair];

  async function newPair() {
    serial += 1;
    return { ...(await generateKeyPair('ES256', { extractable: true })), kid: `${name}-${serial}` };
  }

  keyServer.set(`${issuer}/keys`, async () => {
    reads += 1;
    const keys = await Promise.all(
      published.map(async ({ publicKey, kid }) => ({ ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' })),
    );
    return Response.json({ keys });
  });

  return {
    issuer,
    async token(claims = {}, { header = {}, key = pair.privateKey } = {}) {
      const now = Math.floor((Date.now() + ports.clockOffsetMs) / 1_000);
      const all = { iss: issuer, aud: 'tidemark', sub: 'ada', iat: now, exp: now + 300, ...claims };
      const present = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
      return new SignJWT(present).setProtectedHeader({ alg: 'ES256', kid: pair.kid, ...header }).sign(key);
    },
    async rotate({ keepsFormer = false } = {}) {
      const former = pair;
      pair = await newPair();
      published = keepsFormer ? [former, pair] : [pair];
    },
    get publicKey() {
      return pair.publicKey;
    },
    get privateKey() {
      return pair.privateKey;
    },
    get reads() {
      return reads;
    },
  };
}

export function bearer(credential: string): { readonly Authorization: string } {
  return { Authorization: `Bearer ${credential}` };
}
