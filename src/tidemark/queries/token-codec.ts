import type { CausalToken } from './causal-token.ts';
import { fromBase64Url, toBase64Url } from './token-bytes.ts';
import { type BaseKey, ENCRYPTED, importBaseKey, tokenEncryption } from './token-encryption.ts';
import { SIGNED, type SigningKey, importSigningKey, openSigned, sign } from './token-signing.ts';

/** The length of the shortest allowed secret, in bytes of UTF-8. */
export const MIN_SECRET_BYTES = 32;

/** The key id is this many first bytes of the secret's SHA-256. Each token contains it unencrypted, so that keys can be rotated. */
const KEY_ID_BYTES = 4;

const textEncoder = new TextEncoder();

/** The format of a token. 1: signed and readable. 2: encrypted, with fingerprints. */
export type TokenFormat = 1 | 2;

export interface TokenCodecOptions {
  /** The format to write. The codec reads both. Default: 2. */
  readonly format?: TokenFormat;
  /** Milliseconds since the Unix epoch. A token of format 1 does not hold the time when streams were left out of it. */
  readonly now?: () => number;
}

/** Makes and reads tokens. A client can neither make nor change one. */
export interface TokenCodec {
  readonly encode: (token: CausalToken) => Promise<string>;
  /** Reads a token. Undefined if the text is malformed, truncated or forged, or its key is no longer accepted. */
  readonly decode: (text: string) => Promise<CausalToken | undefined>;
}

interface Keys {
  readonly signing: readonly [SigningKey, ...SigningKey[]];
  readonly bases: readonly [BaseKey, ...BaseKey[]];
}

/** Whether a secret is long enough for tokens. */
export function isStrong(secret: string): boolean {
  return textEncoder.encode(secret).length >= MIN_SECRET_BYTES;
}

/**
 * Makes tokens with the first secret and accepts tokens of every secret. To rotate keys, put the new one in front for a while. Throws if the first
 * secret is too short, because an attacker could find it by trial.
 */
export function tokenCodec(
  secrets: readonly [string, ...string[]],
  { format = 2, now = () => Date.now() }: TokenCodecOptions = {},
): TokenCodec {
  if (!isStrong(secrets[0])) throw new Error(`a secret for tokens must have at least ${MIN_SECRET_BYTES} bytes`);
  const encryption = tokenEncryption();
  let imported: Keys | undefined;

  /** Imports the keys once. It keeps no promise, since a request would then wait for another request's import. */
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
