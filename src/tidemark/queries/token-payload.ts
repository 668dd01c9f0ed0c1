import type { Seen } from '../domain/seen.ts';
import { type StreamId, categoryOf, idOf, streamId } from '../domain/stream.ts';
import type { CausalToken } from './causal-token.ts';
import {
  type Reader,
  type Writer,
  readId,
  readNumber,
  readText,
  readUint32,
  writeId,
  writeNumber,
  writeText,
  writeUint32,
} from './token-bytes.ts';

/*
 * The content of a token, before it is signed or encrypted.
 *
 *   format 1    flags: 1 shortened, 2 partial; streams; bookmarks
 *   format 2    tenant (text, empty: for later use); restore epoch; time of the last shortening, of the last cut, both in ms since the epoch and
 *               0 for never; streams; bookmarks
 *
 * Streams: the number of categories, each as text; then the number of streams, each as (category index, id, version). In format 2 the stream's
 * fingerprint follows in four bytes, 0 if unknown. Bookmarks: their number, each as (database, bookmark).
 */

const SHORTENED = 1;
const PARTIAL = 2;

const NO_TENANT = '';

/** Writes format 1. It has no place for fingerprints, the restore epoch and times. */
export function writePayload1(writer: Writer, token: CausalToken): void {
  writeNumber(
    writer,
    (token.shortenedAt === undefined ? 0 : SHORTENED) + (token.partialAt === undefined ? 0 : PARTIAL),
  );
  writeStreams(writer, token.streams, () => undefined);
  writeBookmarks(writer, token.bookmarks);
}

/** Reads format 1. If the flags say that streams were left out, the time of that is taken as `now` (ms since the epoch), the latest possible. */
export function readPayload1(bytes: Uint8Array, now: number): CausalToken | undefined {
  return readWhole(bytes, (reader) => {
    const flags = readNumber(reader);
    if (flags > SHORTENED + PARTIAL) return undefined;
    return {
      streams: readStreams(reader, () => 0),
      bookmarks: readBookmarks(reader),
      ...((flags & SHORTENED) > 0 && { shortenedAt: now }),
      ...((flags & PARTIAL) > 0 && { partialAt: now }),
    };
  });
}

export function writePayload2(writer: Writer, token: CausalToken): void {
  writeText(writer, NO_TENANT);
  writeNumber(writer, token.epoch ?? 0);
  writeNumber(writer, token.shortenedAt ?? 0);
  writeNumber(writer, token.partialAt ?? 0);
  writeStreams(writer, token.streams, ({ fingerprint = 0 }) => writeUint32(writer, fingerprint));
  writeBookmarks(writer, token.bookmarks);
}

export function readPayload2(bytes: Uint8Array): CausalToken | undefined {
  return readWhole(bytes, (reader) => {
    // This code serves no tenants, so it does not accept a tenant's token.
    if (readText(reader) !== NO_TENANT) return undefined;
    const epoch = readNumber(reader);
    const shortenedAt = readNumber(reader);
    const partialAt = readNumber(reader);
    return {
      streams: readStreams(reader, readUint32),
      bookmarks: readBookmarks(reader),
      ...(epoch > 0 && { epoch }),
      ...(shortenedAt > 0 && { shortenedAt }),
      ...(partialAt > 0 && { partialAt }),
    };
  });
}

/** Reads all bytes. Undefined if that fails: the bytes are authentic, but a later version of the code wrote them. */
function readWhole(bytes: Uint8Array, read: (reader: Reader) => CausalToken | undefined): CausalToken | undefined {
  const reader = { bytes, at: 0 };
  try {
    const token = read(reader);
    return reader.at === bytes.length ? token : undefined;
  } catch {
    return undefined;
  }
}

function writeStreams(writer: Writer, streams: ReadonlyMap<StreamId, Seen>, writeMore: (seen: Seen) => void): void {
  const categories = [...new Set([...streams.keys()].map(categoryOf))];
  writeNumber(writer, categories.length);
  for (const category of categories) writeText(writer, category);
  writeNumber(writer, streams.size);
  for (const [stream, seen] of streams) {
    writeNumber(writer, categories.indexOf(categoryOf(stream)));
    writeId(writer, idOf(stream));
    writeNumber(writer, seen.version);
    writeMore(seen);
  }
}

function readStreams(reader: Reader, readFingerprint: (reader: Reader) => number): ReadonlyMap<StreamId, Seen> {
  const categories = Array.from({ length: readNumber(reader) }, () => readText(reader));
  const streams = new Map<StreamId, Seen>();
  for (let left = readNumber(reader); left > 0; left -= 1) {
    const stream = streamId(categories[readNumber(reader)] ?? '', readId(reader));
    const version = readNumber(reader);
    const fingerprint = readFingerprint(reader);
    streams.set(stream, fingerprint === 0 ? { version } : { version, fingerprint });
  }
  return streams;
}

function writeBookmarks(writer: Writer, bookmarks: ReadonlyMap<string, string>): void {
  writeNumber(writer, bookmarks.size);
  for (const [database, bookmark] of bookmarks) {
    writeText(writer, database);
    writeText(writer, bookmark);
  }
}

function readBookmarks(reader: Reader): ReadonlyMap<string, string> {
  const bookmarks = new Map<string, string>();
  for (let left = readNumber(reader); left > 0; left -= 1) bookmarks.set(readText(reader), readText(reader));
  return bookmarks;
}
