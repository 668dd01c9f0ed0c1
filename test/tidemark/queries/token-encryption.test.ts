import { afterEach, describe, expect, test, vi } from 'vitest';

import { type CausalToken, EMPTY_TOKEN, withVersion } from '../../../src/tidemark/queries/causal-token.ts';
import {
  type TokenEncryptionOptions,
  importBaseKey,
  tokenEncryption,
} from '../../../src/tidemark/queries/token-encryption.ts';
import { streamId } from '../../../src/tidemark/domain/stream.ts';

const seen: CausalToken = withVersion(EMPTY_TOKEN, streamId('seat', '12'), 3, 'an event');
const SECRET = new Uint8Array(32).fill(5);
const base = () => importBaseKey(Uint8Array.of(1, 2, 3, 4), SECRET);

afterEach(() => {
  vi.restoreAllMocks();
});

/** Encrypts and decrypts with one secret, as an isolate does. */
async function isolate(options: TokenEncryptionOptions = {}) {
  const encryption = tokenEncryption(options);
  const key = await base();
  return {
    encrypt: async () => new Uint8Array(await encryption.encrypt(key, seen)),
    decrypt: (bytes: Uint8Array<ArrayBuffer>) => encryption.decrypt([key], bytes),
  };
}

const saltOf = (bytes: Uint8Array) => bytes.slice(5, 21).toHex();
const nonceOf = (bytes: Uint8Array) => bytes.slice(21, 33).toHex();

describe('a salt', () => {
  test('serves a fixed number of tokens, each with its own nonce, and then another salt is drawn', async () => {
    const { encrypt, decrypt } = await isolate({ tokensOfASalt: 3 });
    const tokens: Uint8Array<ArrayBuffer>[] = [];
    while (tokens.length < 7) tokens.push(await encrypt());
    const salts = tokens.map(saltOf);
    expect(salts.map((salt) => salts.indexOf(salt))).toEqual([0, 0, 0, 3, 3, 3, 6]);
    expect(new Set(tokens.map(nonceOf)).size).toBe(7);
    for (const token of tokens) expect(await decrypt(token)).toEqual(seen);
  });
});

describe('a secret that replaces another', () => {
  test('encrypts all later tokens', async () => {
    const encryption = tokenEncryption();
    const [former, present] = [await base(), await importBaseKey(Uint8Array.of(5, 6, 7, 8), SECRET)];
    await encryption.encrypt(former, seen);
    const bytes = new Uint8Array(await encryption.encrypt(present, seen));
    expect(bytes.slice(1, 5)).toEqual(present.id);
    expect(await encryption.decrypt([present], bytes)).toEqual(seen);
  });
});

describe('a derived key', () => {
  test('is derived once for each salt, and kept if it was used recently', async () => {
    const others = await Promise.all([isolate(), isolate(), isolate()]);
    const [one, two, three] = (await Promise.all(others.map(({ encrypt }) => encrypt()))) as [
      Uint8Array<ArrayBuffer>,
      Uint8Array<ArrayBuffer>,
      Uint8Array<ArrayBuffer>,
    ];
    const { decrypt } = await isolate({ maxKeptKeys: 2 });
    const derive = vi.spyOn(crypto.subtle, 'deriveKey');
    for (const token of [one, two, one, two, one]) expect(await decrypt(token)).toEqual(seen);
    expect(derive).toHaveBeenCalledTimes(2);
    // The third displaces the second, the least recently used.
    for (const token of [three, one]) await decrypt(token);
    expect(derive).toHaveBeenCalledTimes(3);
    await decrypt(two);
    expect(derive).toHaveBeenCalledTimes(4);
  });

  test('is not kept for a forged token, so forged salts displace nothing', async () => {
    const token = await (await isolate()).encrypt();
    const { decrypt } = await isolate({ maxKeptKeys: 1 });
    await decrypt(token);
    for (let salt = 0; salt < 5; salt += 1) {
      const forged = token.slice();
      forged[5] = (token[5] ?? 0) ^ (salt + 1);
      expect(await decrypt(forged)).toBeUndefined();
    }
    const derive = vi.spyOn(crypto.subtle, 'deriveKey');
    expect(await decrypt(token)).toEqual(seen);
    expect(derive).not.toHaveBeenCalled();
  });
});
