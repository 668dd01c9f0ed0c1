import type { CausalToken } from './causal-token.ts';
import { fromBase64Url, toBase64Url } from './token-bytes.ts';
import { type BaseKey, ENCRYPTED, importBaseKey, tokenEncryption } from './token-encryption.ts';
import { SIGNED, type SigningKey, importSigningKey, openSigned, sign } from './token-signing.ts';

/** The shortest secret that signs or encrypts, in bytes of UTF-8. */
export const MIN_SECRET_BYTES = 32;

/** The first bytes of SHA-256 of the secret. Readable in each token, so that keys can be rotated. */
const KEY_ID_BYTES = 4;

const textEncoder = new TextEncoder();

/** How tokens are written: 1 signed and readable, 2 encrypted, with fingerprints. */
export type TokenFormat = 1 | 2;

export interface TokenCodecOptions {
  /** What is written; both are read. Default: 2. */
  readonly format?: TokenFormat;
  /** Milliseconds since the Unix epoch: a token of format 1 does not say when streams were left out of it. */
  readonly now?: () => number;
}

/** Makes tokens that a client cannot make or change, and reads them. */
export interface TokenCodec {
  readonly encode: (token: CausalToken) => Promise<string>;
  /** The token, or undefined when the text is malformed, cut short, forged, or made with a key that is no longer accepted. */
  readonly decode: (text: string) => Promise<CausalToken | undefined>;
}

interface Keys {
  readonly signing: readonly [SigningKey, ...SigningKey[]];
  readonly bases: readonly [BaseKey, ...BaseKey[]];
}

/** Whether a secret is long enough to make tokens with. */
export function isStrong(secret: string): boolean {
  return textEncoder.encode(secret).length >= MIN_SECRET_BYTES;
}

/**
 * Makes tokens with the first secret and accepts those of all of them, so that a key is rotated by putting the new one in front for a while.
 * Throws where the first one is too short: it could be found by trying.
 */
export function tokenCodec(
  secrets: readonly [string, ...string[]],
  { format = 2, now = () => Date.now() }: TokenCodecOptions = {},
): TokenCodec {
  if (!isStrong(secrets[0])) throw new Error(`a secret for tokens must have at least ${MIN_SECRET_BYTES} bytes`);
  const encryption = tokenEncryption();
  let imported: Keys | undefined;

  /** Imported once. Not a promise that is kept: one request would wait for another's. */
  async function keys(): Promise<Keys> {
    imported ??= await importKeys(secrets);
    return imported;
  }

  return {
    async encode(token) {
      const { signing, bases } = await keys();
      return toBase64Url(await (format === 1 ? sign(signing[0], token) : encryption.encrypt(bases[0], token)));
    },

    async decode(text) {
      const bytes = fromBase64Url(text);
      if (!bytes) return undefined;
      const { signing, bases } = await keys();
      if (bytes[0] === SIGNED) return openSigned(signing, bytes, now());
      return bytes[0] === ENCRYPTED ? encryption.decrypt(bases, bytes) : undefined;
    },
  };
}

async function importKeys(secrets: readonly string[]): Promise<Keys> {
  const all = await Promise.all(
    secrets.map(async (secret) => {
      const bytes = new Uint8Array(textEncoder.encode(secret));
      const id = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes), 0, KEY_ID_BYTES);
      return { signing: await importSigningKey(id, bytes), base: await importBaseKey(id, bytes) };
    }),
  );
  return {
    signing: all.map(({ signing }) => signing) as unknown as Keys['signing'],
    bases: all.map(({ base }) => base) as unknown as Keys['bases'],
  };
}
