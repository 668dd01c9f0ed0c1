import type { Clock } from '../platform/clock.ts';
import { sha256 } from '../platform/sha256.ts';
import { fromBase64Url, toBase64Url } from '../queries/token-bytes.ts';

/*
 * `tm_<id>_<secret>`: the id of the key's aggregate as 32 hexadecimal digits, and base64url of 256 random bits with a MAC of 128 bits. The MAC covers
 * the id and the random bits, so nobody can make a key that wakes an object without the deployment's secret API_KEY_SECRET.
 */
const PREFIX = 'tm_';
const FORM = /^tm_([0-9a-f]{32})_([A-Za-z0-9_-]{64})$/;
const RANDOM_BYTES = 32;
const MAC_BYTES = 16;

export function isApiKey(credential: string): boolean {
  return credential.startsWith(PREFIX);
}

/** Makes an API key for a new aggregate's id. */
export async function newApiKey(
  clock: Pick<Clock, 'randomBytes'>,
  id: string,
  secret: string,
): Promise<{ readonly text: string; readonly digest: string }> {
  const random = clock.randomBytes(RANDOM_BYTES);
  const mac = await macOf(await importSecret(secret), id, random);
  const text = `${PREFIX}${id.replaceAll('-', '')}_${toBase64Url(joined(random, mac))}`;
  return { text, digest: await digestOf(text) };
}

/** The id of the aggregate of an API key: a UUID. Undefined unless the key was made with one of these secrets. */
export async function parseApiKey(text: string, secrets: readonly string[]): Promise<string | undefined> {
  const [, digits = '', encoded = ''] = FORM.exec(text) ?? [];
  const bytes = fromBase64Url(encoded);
  if (bytes?.byteLength !== RANDOM_BYTES + MAC_BYTES) return undefined;
  const id = digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  const random = bytes.slice(0, RANDOM_BYTES);
  const mac = bytes.slice(RANDOM_BYTES);
  for (const secret of secrets) {
    const expected = await macOf(await importSecret(secret), id, random);
    if (crypto.subtle.timingSafeEqual(expected, mac)) return id;
  }
  return undefined;
}

/** SHA-256 of the whole key, in hexadecimal digits. Only this is stored. */
export function digestOf(text: string): Promise<string> {
  return sha256(new TextEncoder().encode(text));
}

function importSecret(secret: string): Promise<CryptoKey> {
  const bytes = new TextEncoder().encode(secret);
  return crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
}

async function macOf(key: CryptoKey, id: string, random: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const signed = joined(new TextEncoder().encode(`tidemark api key ${id} `), random);
  return new Uint8Array(await crypto.subtle.sign('HMAC', key, signed)).slice(0, MAC_BYTES);
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(one.byteLength + other.byteLength);
  whole.set(one);
  whole.set(other, one.byteLength);
  return whole;
}
