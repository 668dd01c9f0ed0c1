import { keepNewest } from '../platform/keep-newest.ts';
import type { CausalToken } from './causal-token.ts';
import { isEqual, newWriter, toBase64Url, writeBytes, writeNumber, written } from './token-bytes.ts';
import { readPayload2, writePayload2 } from './token-payload.ts';

/*
 * Format 2. Only the id of its key is readable:
 *
 *   byte 0        2
 *   bytes 1–4     key id
 *   bytes 5–20    salt
 *   bytes 21–32   nonce
 *   …             payload, encrypted with AES-256-GCM; all bytes before it are authenticated
 *   last 16       the tag
 *
 * HKDF-SHA-256 derives the key from the secret and the salt. An isolate draws one random salt for its next 2^20 tokens. Each token has a random nonce
 * of 96 bits.
 *
 * Two of n tokens share a nonce with a chance of n²/2^97. For 2^20 tokens that is 2^-57. AES-GCM allows 2^-32 for a key (NIST SP 800-38D). A million
 * tokens each second for 35 years are 2^50 tokens under 2^30 keys, with a chance of 2^-27 over all keys. Two isolates draw the same salt with a chance
 * of s²/2^129, which is 2^-49 for 2^40 salts. With one key for all tokens, 2^32 tokens would use up the allowed 2^-32.
 */
export const ENCRYPTED = 2;

const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

const INFO = new TextEncoder().encode('tidemark causal token');

/** A secret, in the form from which keys are derived. */
export interface BaseKey {
  readonly id: Uint8Array;
  readonly key: CryptoKey;
}

export async function importBaseKey(id: Uint8Array, secret: Uint8Array<ArrayBuffer>): Promise<BaseKey> {
  return { id, key: await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveKey']) };
}

/** Encrypts tokens with one secret and decrypts tokens of several. It keeps derived keys, since deriving a key costs more than all other steps. */
export interface TokenEncryption {
  /** Makes a token in format 2. */
  readonly encrypt: (base: BaseKey, token: CausalToken) => Promise<Uint8Array>;
  /** Reads a token in format 2. Undefined if none of these secrets made it. */
  readonly decrypt: (bases: readonly BaseKey[], bytes: Uint8Array<ArrayBuffer>) => Promise<CausalToken | undefined>;
}

export interface TokenEncryptionOptions {
  /** How many tokens share a salt. Default: 2^20. */
  readonly tokensOfASalt?: number;
  /** How many derived keys are kept. Clients bring tokens with the salts of other isolates. Each key takes some hundred bytes. Default: 1000. */
  readonly maxKeptKeys?: number;
}

/** The key that this isolate encrypts with. `prefix` holds the format, key id and salt at the start of each token. */
interface Sealing {
  readonly base: BaseKey;
  readonly prefix: Uint8Array;
  readonly key: CryptoKey;
  tokensLeft: number;
}

export function tokenEncryption(options: TokenEncryptionOptions = {}): TokenEncryption {
  const { tokensOfASalt = 2 ** 20, maxKeptKeys = 1_000 } = options;
  let sealing: Sealing | undefined;
  /** Keys by key id and salt. The most recently used one is last. */
  const kept = new Map<string, CryptoKey>();

  async function newSealing(base: BaseKey): Promise<Sealing> {
    const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
    const writer = newWriter();
    writeNumber(writer, ENCRYPTED);
    writeBytes(writer, base.id);
    writeBytes(writer, salt);
    const prefix = written(writer);
    const key = await derive(base, salt);
    keepNewest(kept, nameOf(prefix), key, maxKeptKeys);
    return { base, prefix, key, tokensLeft: tokensOfASalt };
  }

  return {
    async encrypt(base, token) {
      if (sealing?.base !== base || sealing.tokensLeft === 0) sealing = await newSealing(base);
      const { prefix, key } = sealing;
      sealing.tokensLeft -= 1;
      const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
      const payload = newWriter();
      writePayload2(payload, token);
      const sealed = newWriter();
      writeBytes(sealed, prefix);
      writeBytes(sealed, nonce);
      const algorithm = { name: 'AES-GCM', iv: nonce, additionalData: written(sealed) };
      writeBytes(sealed, new Uint8Array(await crypto.subtle.encrypt(algorithm, key, written(payload))));
      return written(sealed);
    },

    async decrypt(bases, bytes) {
      for (const base of bases) {
        const saltAt = 1 + base.id.length;
        const nonceAt = saltAt + SALT_BYTES;
        const sealedAt = nonceAt + NONCE_BYTES;
        if (bytes.length < sealedAt + TAG_BYTES) return undefined;
        if (!isEqual(base.id, bytes.subarray(1, saltAt))) continue;
        const name = nameOf(bytes.subarray(0, nonceAt));
        const key = kept.get(name) ?? (await derive(base, bytes.subarray(saltAt, nonceAt)));
        const algorithm = {
          name: 'AES-GCM',
          iv: bytes.subarray(nonceAt, sealedAt),
          additionalData: bytes.subarray(0, sealedAt),
        };
        let payload: ArrayBuffer;
        try {
          payload = await crypto.subtle.decrypt(algorithm, key, bytes.subarray(sealedAt));
        } catch {
          continue;
        }
        // Only after decryption has succeeded: forged salts must not displace those of real tokens.
        keepNewest(kept, name, key, maxKeptKeys);
        return readPayload2(new Uint8Array(payload));
      }
      return undefined;
    },
  };
}

function nameOf(prefix: Uint8Array): string {
  return toBase64Url(prefix);
}

function derive(base: BaseKey, salt: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  const algorithm = { name: 'HKDF', hash: 'SHA-256', salt, info: INFO };
  return crypto.subtle.deriveKey(algorithm, base.key, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
}
