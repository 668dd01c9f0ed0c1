/* The encoding of tokens in bytes. Numbers are LEB128 varints. A text is a varint length followed by UTF-8. */

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder();

/** Enough for a token of one stream and a bookmark for each database. A larger token makes the buffer grow. */
const INITIAL_BYTES = 512;

/** A buffer to write to. It grows as needed. */
export interface Writer {
  bytes: Uint8Array<ArrayBuffer>;
  length: number;
}

/** A position in bytes to read. A read past their end throws. */
export interface Reader {
  readonly bytes: Uint8Array;
  at: number;
}

export function newWriter(): Writer {
  return { bytes: new Uint8Array(INITIAL_BYTES), length: 0 };
}

/** The bytes written so far. */
export function written(writer: Writer): Uint8Array<ArrayBuffer> {
  return writer.bytes.subarray(0, writer.length);
}

function reserve(writer: Writer, length: number): void {
  if (writer.length + length <= writer.bytes.length) return;
  const larger = new Uint8Array(2 * (writer.length + length));
  larger.set(written(writer));
  writer.bytes = larger;
}

function writeByte(writer: Writer, byte: number): void {
  reserve(writer, 1);
  writer.bytes[writer.length] = byte;
  writer.length += 1;
}

export function writeBytes(writer: Writer, bytes: Uint8Array): void {
  reserve(writer, bytes.length);
  writer.bytes.set(bytes, writer.length);
  writer.length += bytes.length;
}

function readBytes(reader: Reader, length: number): Uint8Array {
  const end = reader.at + length;
  if (end > reader.bytes.length) throw new Error('cut short');
  const bytes = reader.bytes.subarray(reader.at, end);
  reader.at = end;
  return bytes;
}

export function writeNumber(writer: Writer, value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    writeByte(writer, (rest % 0x80) + 0x80);
    rest = Math.floor(rest / 0x80);
  }
  writeByte(writer, rest);
}

export function readNumber(reader: Reader): number {
  let value = 0;
  for (let scale = 1; ; scale *= 0x80) {
    const byte = reader.bytes[reader.at];
    if (byte === undefined || scale > Number.MAX_SAFE_INTEGER) throw new Error('cut short');
    reader.at += 1;
    value += (byte % 0x80) * scale;
    if (byte < 0x80) return value;
  }
}

/** Always four bytes. */
export function writeUint32(writer: Writer, value: number): void {
  for (let scale = 0x1000000; scale >= 1; scale /= 0x100) writeByte(writer, Math.floor(value / scale) % 0x100);
}

export function readUint32(reader: Reader): number {
  return readBytes(reader, 4).reduce((value, byte) => value * 0x100 + byte, 0);
}

export function writeText(writer: Writer, text: string): void {
  const encoded = textEncoder.encode(text);
  writeNumber(writer, encoded.length);
  writeBytes(writer, encoded);
}

export function readText(reader: Reader): string {
  return textDecoder.decode(readBytes(reader, readNumber(reader)));
}

/** Writes a text. For a UUID it writes length 0 and 16 bytes, so that 96 streams fit into a header. */
export function writeId(writer: Writer, id: string): void {
  if (!UUID.test(id)) {
    writeText(writer, id);
    return;
  }
  writeByte(writer, 0);
  writeBytes(writer, Uint8Array.fromHex(id.replaceAll('-', '')));
}

export function readId(reader: Reader): string {
  const length = readNumber(reader);
  if (length > 0) return textDecoder.decode(readBytes(reader, length));
  const hex = readBytes(reader, 16).toHex();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

export function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

export function toBase64Url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: 'base64url', omitPadding: true });
}

/** The bytes of a text in base64url. Undefined if the text is not base64url, or not the spelling that `toBase64Url` produces. */
export function fromBase64Url(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const bytes = Uint8Array.fromBase64(text, { alphabet: 'base64url' });
    // `fromBase64` tolerates white space, padding, and bits past the last byte. A token must have only one spelling.
    return toBase64Url(bytes) === text ? bytes : undefined;
  } catch {
    return undefined;
  }
}
