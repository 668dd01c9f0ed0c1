import { type StreamId, categoryOf, idOf, streamId } from '../stream.ts';
import type { CausalToken } from './causal-token.ts';

/*
 * The wire format, before base64url:
 *
 *   byte 0      format version (1)
 *   bytes 1–4   key id: the first bytes of SHA-256 of the key
 *   byte 5      flags: 1 shortened, 2 partial
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

const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder();

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
      const writer: Writer = { bytes: new Uint8Array(INITIAL_BYTES), length: 0 };
      writeNumber(writer, FORMAT);
      writeBytes(writer, id);
      writeToken(writer, token);
      writeBytes(writer, await mac(key, writer.bytes.subarray(0, writer.length)));
      return writer.bytes.subarray(0, writer.length).toBase64({ alphabet: 'base64url', omitPadding: true });
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
  const bytes = textEncoder.encode(secret);
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const digest = await crypto.subtle.digest('SHA-256', bytes);
  return { id: new Uint8Array(digest, 0, KEY_ID_BYTES), key };
}

async function mac(key: CryptoKey, payload: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.sign('HMAC', key, payload), 0, MAC_BYTES);
}

const SHORTENED = 1;
const PARTIAL = 2;

/** Holds a token of one stream and a bookmark for each database; it grows where that is not enough. */
const INITIAL_BYTES = 512;

interface Writer {
  bytes: Uint8Array;
  length: number;
}

function writeToken(writer: Writer, token: CausalToken): void {
  writeNumber(writer, (token.isShortened ? SHORTENED : 0) + (token.isPartial ? PARTIAL : 0));
  const categories = [...new Set([...token.streams.keys()].map(categoryOf))];
  writeNumber(writer, categories.length);
  for (const category of categories) writeText(writer, category);
  writeNumber(writer, token.streams.size);
  for (const [stream, version] of token.streams) {
    writeNumber(writer, categories.indexOf(categoryOf(stream)));
    writeId(writer, idOf(stream));
    writeNumber(writer, version);
  }
  writeNumber(writer, token.bookmarks.size);
  for (const [database, bookmark] of token.bookmarks) {
    writeText(writer, database);
    writeText(writer, bookmark);
  }
}

function decodePayload(bytes: Uint8Array): CausalToken | undefined {
  const reader = { bytes, at: 0 };
  try {
    const flags = readNumber(reader);
    const categories = Array.from({ length: readNumber(reader) }, () => readText(reader));
    const streams = new Map<StreamId, number>();
    for (let left = readNumber(reader); left > 0; left -= 1) {
      const stream = streamId(categories[readNumber(reader)] ?? '', readId(reader));
      streams.set(stream, readNumber(reader));
    }
    const bookmarks = new Map<string, string>();
    for (let left = readNumber(reader); left > 0; left -= 1) bookmarks.set(readText(reader), readText(reader));
    if (reader.at !== bytes.length || flags > SHORTENED + PARTIAL) return undefined;
    return {
      streams,
      bookmarks,
      ...((flags & SHORTENED) > 0 && { isShortened: true }),
      ...((flags & PARTIAL) > 0 && { isPartial: true }),
    };
  } catch {
    // Signed by us and yet not readable: written by a version of the format that this code does not know.
    return undefined;
  }
}

interface Reader {
  readonly bytes: Uint8Array;
  at: number;
}

function reserve(writer: Writer, length: number): void {
  if (writer.length + length <= writer.bytes.length) return;
  const larger = new Uint8Array(2 * (writer.length + length));
  larger.set(writer.bytes.subarray(0, writer.length));
  writer.bytes = larger;
}

function writeByte(writer: Writer, byte: number): void {
  reserve(writer, 1);
  writer.bytes[writer.length] = byte;
  writer.length += 1;
}

function writeBytes(writer: Writer, bytes: Uint8Array): void {
  reserve(writer, bytes.length);
  writer.bytes.set(bytes, writer.length);
  writer.length += bytes.length;
}

function writeNumber(writer: Writer, value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    writeByte(writer, (rest % 0x80) + 0x80);
    rest = Math.floor(rest / 0x80);
  }
  writeByte(writer, rest);
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

function writeText(writer: Writer, text: string): void {
  const encoded = textEncoder.encode(text);
  writeNumber(writer, encoded.length);
  writeBytes(writer, encoded);
}

function readText(reader: Reader): string {
  return textDecoder.decode(readBytes(reader, readNumber(reader)));
}

function readBytes(reader: Reader, length: number): Uint8Array {
  const end = reader.at + length;
  if (end > reader.bytes.length) throw new Error('cut short');
  const bytes = reader.bytes.subarray(reader.at, end);
  reader.at = end;
  return bytes;
}

function writeId(writer: Writer, id: string): void {
  if (!UUID.test(id)) {
    writeText(writer, id);
    return;
  }
  writeByte(writer, 0);
  writeBytes(writer, Uint8Array.fromHex(id.replaceAll('-', '')));
}

function readId(reader: Reader): string {
  const length = readNumber(reader);
  if (length > 0) return textDecoder.decode(readBytes(reader, length));
  const hex = readBytes(reader, 16).toHex();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

function fromBase64Url(text: string): Uint8Array | undefined {
  try {
    const bytes = Uint8Array.fromBase64(text, { alphabet: 'base64url' });
    // It is lenient with white space, padding, and bits past the last byte: a token has one spelling.
    return bytes.toBase64({ alphabet: 'base64url', omitPadding: true }) === text ? bytes : undefined;
  } catch {
    return undefined;
  }
}
