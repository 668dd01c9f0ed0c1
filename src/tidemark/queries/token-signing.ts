import type { CausalToken } from './causal-token.ts';
import { isEqual, newWriter, writeBytes, writeNumber, written } from './token-bytes.ts';
import { readPayload1, writePayload1 } from './token-payload.ts';

/*
 * Format 1. It is signed, but readable:
 *
 *   byte 0      1
 *   bytes 1–4   key id
 *   …           payload
 *   last 16     HMAC-SHA-256 of all bytes before, cut to 128 bits
 */
export const SIGNED = 1;

const MAC_BYTES = 16;

export interface SigningKey {
  readonly id: Uint8Array;
  readonly key: CryptoKey;
}

export async function importSigningKey(id: Uint8Array, secret: Uint8Array<ArrayBuffer>): Promise<SigningKey> {
  const key = await crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return { id, key };
}

/** Makes a token in format 1. */
export async function sign({ id, key }: SigningKey, token: CausalToken): Promise<Uint8Array> {
  const writer = newWriter();
  writeNumber(writer, SIGNED);
  writeBytes(writer, id);
  writePayload1(writer, token);
  writeBytes(writer, await mac(key, written(writer)));
  return written(writer);
}

/** Reads a token in format 1. Undefined if none of the keys signed it. `now` is in ms since the epoch. */
export async function openSigned(
  keys: readonly SigningKey[],
  bytes: Uint8Array<ArrayBuffer>,
  now: number,
): Promise<CausalToken | undefined> {
  const payload = bytes.subarray(0, -MAC_BYTES);
  for (const { id, key } of keys) {
    if (!isEqual(id, payload.subarray(1, 1 + id.length))) continue;
    const expected = await mac(key, payload);
    if (crypto.subtle.timingSafeEqual(expected, bytes.subarray(-MAC_BYTES)))
      return readPayload1(payload.subarray(1 + id.length), now);
  }
  return undefined;
}

async function mac(key: CryptoKey, payload: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.sign('HMAC', key, payload), 0, MAC_BYTES);
}
