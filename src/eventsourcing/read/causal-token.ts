import { type StreamId, categoryOf, idOf, parseStreamId, streamId } from '../stream.ts';

/**
 * What a client did and saw: stream versions, most recently touched last, and for each database the bookmark up to which it has read.
 * To the client it is an opaque, signed string.
 */
export interface CausalToken {
  readonly streams: ReadonlyMap<StreamId, number>;
  readonly bookmarks: ReadonlyMap<string, string>;
}

export const EMPTY_TOKEN: CausalToken = { streams: new Map(), bookmarks: new Map() };

/** The token with a stream's version in it, as the most recent entry. A version never goes down. */
export function withVersion(token: CausalToken, stream: StreamId, version: number): CausalToken {
  const streams = new Map(token.streams);
  const known = streams.get(stream) ?? 0;
  streams.delete(stream);
  streams.set(stream, Math.max(known, version));
  return { ...token, streams };
}

/** The token with a database's bookmark, unless it has a later one. (D1's bookmarks sort as text.) */
export function withBookmark(token: CausalToken, database: string, bookmark: string | null): CausalToken {
  if (bookmark === null || (token.bookmarks.get(database) ?? '') >= bookmark) return token;
  return { ...token, bookmarks: new Map(token.bookmarks).set(database, bookmark) };
}

/** The token without some streams: they are confirmed everywhere, and the bookmarks vouch for them from now on. */
export function withoutStreams(token: CausalToken, confirmed: Iterable<StreamId>): CausalToken {
  const streams = new Map(token.streams);
  for (const stream of confirmed) streams.delete(stream);
  return { ...token, streams };
}

/** The token cut to `maxStreams` entries: the oldest go, never the newest. */
export function cutToSize(
  token: CausalToken,
  maxStreams: number,
): { readonly token: CausalToken; readonly isPartial: boolean } {
  const surplus = token.streams.size - maxStreams;
  if (surplus <= 0) return { token, isPartial: false };
  return { token: withoutStreams(token, [...token.streams.keys()].slice(0, surplus)), isPartial: true };
}

/*
 * The wire format, before base64url:
 *
 *   byte 0      format version (1)
 *   bytes 1–4   key id: the first bytes of SHA-256 of the key
 *   …           number of categories, each as text; number of streams, each as (category index, id, version);
 *               number of bookmarks, each as (database, bookmark)
 *   last 16     HMAC-SHA-256 of all before, cut to 128 bits
 *
 * Numbers are LEB128 varints. Texts are a varint length and UTF-8. An id is a varint length and UTF-8, or length 0 and the 16 bytes
 * of a UUID, which is what lets 96 streams fit into a header.
 */
const FORMAT = 1;
const KEY_ID_BYTES = 4;
const MAC_BYTES = 16;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Signs and verifies tokens with HMAC-SHA-256. */
export interface TokenCodec {
  readonly encode: (token: CausalToken) => Promise<string>;
  /** The token, or undefined when the text is malformed, cut short, forged, or signed with a key that is no longer accepted. */
  readonly decode: (text: string) => Promise<CausalToken | undefined>;
}

/** Signs with the first secret and accepts all of them, so that a key is rotated by putting the new one in front for a while. */
export function tokenCodec(secrets: readonly [string, ...string[]]): TokenCodec {
  const keys = secrets.map(importKey);
  return {
    async encode(token) {
      const { id, key } = await (keys[0] as Promise<SigningKey>);
      const payload = concat(Uint8Array.of(FORMAT), id, encodePayload(token));
      return toBase64Url(concat(payload, await mac(key, payload)));
    },

    async decode(text) {
      const bytes = fromBase64Url(text);
      if (!bytes || bytes.length < 1 + KEY_ID_BYTES + MAC_BYTES || bytes[0] !== FORMAT) return undefined;
      const payload = bytes.subarray(0, -MAC_BYTES);
      for (const { id, key } of await Promise.all(keys)) {
        if (!isEqual(id, payload.subarray(1, 1 + KEY_ID_BYTES))) continue;
        const expected = await mac(key, payload);
        if (crypto.subtle.timingSafeEqual(expected, bytes.subarray(-MAC_BYTES)))
          return decodePayload(payload.subarray(1 + KEY_ID_BYTES));
      }
      return undefined;
    },
  };
}

interface SigningKey {
  readonly id: Uint8Array;
  readonly key: CryptoKey;
}

async function importKey(secret: string): Promise<SigningKey> {
  const bytes = new TextEncoder().encode(secret);
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const digest = await crypto.subtle.digest('SHA-256', bytes);
  return { id: new Uint8Array(digest, 0, KEY_ID_BYTES), key };
}

async function mac(key: CryptoKey, payload: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.sign('HMAC', key, payload), 0, MAC_BYTES);
}

function encodePayload(token: CausalToken): Uint8Array {
  const bytes: number[] = [];
  const categories = [...new Set([...token.streams.keys()].map(categoryOf))];
  writeNumber(bytes, categories.length);
  for (const category of categories) writeText(bytes, category);
  writeNumber(bytes, token.streams.size);
  for (const [stream, version] of token.streams) {
    writeNumber(bytes, categories.indexOf(categoryOf(stream)));
    writeId(bytes, idOf(stream));
    writeNumber(bytes, version);
  }
  writeNumber(bytes, token.bookmarks.size);
  for (const [database, bookmark] of token.bookmarks) {
    writeText(bytes, database);
    writeText(bytes, bookmark);
  }
  return Uint8Array.from(bytes);
}

function decodePayload(bytes: Uint8Array): CausalToken | undefined {
  const reader = { bytes, at: 0 };
  try {
    const categories = Array.from({ length: readNumber(reader) }, () => readText(reader));
    const streams = new Map<StreamId, number>();
    for (let left = readNumber(reader); left > 0; left -= 1) {
      const stream = streamId(categories[readNumber(reader)] ?? '', readId(reader));
      streams.set(stream, readNumber(reader));
    }
    const bookmarks = new Map<string, string>();
    for (let left = readNumber(reader); left > 0; left -= 1) bookmarks.set(readText(reader), readText(reader));
    const isWhole =
      reader.at === bytes.length && [...streams.keys()].every((stream) => parseStreamId(stream) !== undefined);
    return isWhole ? { streams, bookmarks } : undefined;
  } catch {
    // Signed by us and yet not readable: written by a version of the format that this code does not know.
    return undefined;
  }
}

interface Reader {
  readonly bytes: Uint8Array;
  at: number;
}

function writeNumber(bytes: number[], value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) + 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
}

function readNumber(reader: Reader): number {
  let value = 0;
  for (let scale = 1; ; scale *= 0x80) {
    const byte = reader.bytes[reader.at];
    if (byte === undefined || scale > Number.MAX_SAFE_INTEGER) throw new Error('cut short');
    reader.at += 1;
    value += (byte % 0x80) * scale;
    if (byte < 0x80) return value;
  }
}

function writeText(bytes: number[], text: string): void {
  const encoded = new TextEncoder().encode(text);
  writeNumber(bytes, encoded.length);
  bytes.push(...encoded);
}

function readText(reader: Reader): string {
  return new TextDecoder().decode(readBytes(reader, readNumber(reader)));
}

function readBytes(reader: Reader, length: number): Uint8Array {
  const end = reader.at + length;
  if (end > reader.bytes.length) throw new Error('cut short');
  const bytes = reader.bytes.subarray(reader.at, end);
  reader.at = end;
  return bytes;
}

function writeId(bytes: number[], id: string): void {
  if (!UUID.test(id)) return writeText(bytes, id);
  const hex = id.replaceAll('-', '');
  bytes.push(0);
  for (let at = 0; at < hex.length; at += 2) bytes.push(Number.parseInt(hex.slice(at, at + 2), 16));
}

function readId(reader: Reader): string {
  const length = readNumber(reader);
  if (length > 0) return new TextDecoder().decode(readBytes(reader, length));
  const hex = Array.from(readBytes(reader, 16), (byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

function toBase64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '');
}

function fromBase64Url(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9_-]+$/.test(text)) return undefined;
  try {
    return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (character) =>
      character.charCodeAt(0),
    );
  } catch {
    return undefined;
  }
}
