import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  type CausalToken,
  EMPTY_TOKEN,
  withBookmark,
  withVersion,
} from '../../../src/eventsourcing/read/causal-token.ts';
import { tokenCodec } from '../../../src/eventsourcing/read/token-codec.ts';
import { type StreamId, parseStreamId, streamId } from '../../../src/eventsourcing/stream.ts';

const codec = tokenCodec(['a-key']);

const uuid = fc.uuid();
const category = fc.stringMatching(/^[a-z][a-z0-9]{0,15}$/);
const id = fc.oneof(
  uuid,
  fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._~-]{0,60}$/),
  uuid.map((text) => text.toUpperCase()),
);
const version = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.maxSafeNat());
const stream = fc.tuple(category, id).map(([itsCategory, itsId]) => streamId(itsCategory, itsId));
const token = fc.record({
  streams: fc.array(fc.tuple(stream, version), { maxLength: 30 }).map((entries) => new Map(entries)),
  bookmarks: fc
    .array(fc.tuple(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' })), { maxLength: 3 })
    .map((entries) => new Map(entries)),
});

const seen: CausalToken = withBookmark(
  withVersion(
    withVersion(EMPTY_TOKEN, streamId('seat', '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a'), 3),
    streamId('box', 'left-1'),
    12,
  ),
  'evening',
  '00000001-00000002-00004e2f-0a1b',
);

/** The bytes of an encoded token. */
function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (character) => character.charCodeAt(0));
}

function textOf(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '');
}

describe('an encoded token', () => {
  test('decodes to what it was, in the same sequence, whatever is in it', async () => {
    await fc.assert(
      fc.asyncProperty(token, async (any) => {
        const text = await codec.encode(any);
        expect(text).toMatch(/^[A-Za-z0-9_-]+$/);
        const decoded = await codec.decode(text);
        expect([...(decoded?.streams ?? [])]).toEqual([...any.streams]);
        expect([...(decoded?.bookmarks ?? [])]).toEqual([...any.bookmarks]);
      }),
    );
  });

  test('holds nothing when nothing was seen', async () => {
    expect(await codec.decode(await codec.encode(EMPTY_TOKEN))).toEqual(EMPTY_TOKEN);
  });

  test('of 96 streams with UUIDs, high versions and two bookmarks fits into 4096 characters', async () => {
    const streams = Array.from({ length: 96 }, (_, index): [StreamId, number] => [
      streamId(index % 2 ? 'seat' : 'box', crypto.randomUUID()),
      1_000_000 + index,
    ]);
    const bookmark = '0000007b-0000b26e-00001538-0c3e87bb37b3db5cc52eedb93cd3b96b';
    const bookmarks = new Map([
      ['serving', bookmark],
      ['counting', bookmark],
    ]);
    expect((await codec.encode({ streams: new Map(streams), bookmarks })).length).toBeLessThanOrEqual(4096);
  });
});

describe('a token that was not made here', () => {
  test.each(['', ' ', 'nonsense', '!', 'AA', 'A'.repeat(50), 'é', '='])('is refused: %j', async (text) => {
    expect(await codec.decode(text)).toBeUndefined();
  });

  test('is refused when a single bit differs, wherever it is', async () => {
    const bytes = bytesOf(await codec.encode(seen));
    for (let at = 0; at < bytes.length; at += 1) {
      for (const bit of [1, 128]) {
        const forged = bytes.slice();
        forged[at] = (forged[at] as number) ^ bit;
        expect(await codec.decode(textOf(forged))).toBeUndefined();
      }
    }
  });

  test('is refused when it is spelt otherwise, though it stands for the same bytes', async () => {
    // Of three lengths in a row, two end with a character that has bits to spare.
    const texts = await Promise.all(
      ['', 'e', 'ev'].map((name) => codec.encode(withBookmark(seen, `evening${name}`, 'b'))),
    );
    const spare = texts.filter((text) => text.length % 4 !== 0);
    expect(spare.length).toBeGreaterThan(0);
    for (const text of spare) {
      const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
      const last = alphabet[alphabet.indexOf(text.at(-1) ?? '') + 1];
      const other = `${text.slice(0, -1)}${last}`;
      expect(bytesOf(other)).toEqual(bytesOf(text));
      for (const spelling of [other, `${text}${'='.repeat(4 - (text.length % 4))}`, ` ${text}`, `${text}\n`])
        expect(await codec.decode(spelling)).toBeUndefined();
      expect(await codec.decode(text)).toBeDefined();
    }
  });

  test('is refused when it is cut short or lengthened by any number of bytes', async () => {
    const bytes = bytesOf(await codec.encode(seen));
    for (let length = 0; length < bytes.length; length += 1)
      expect(await codec.decode(textOf(bytes.slice(0, length)))).toBeUndefined();
    expect(await codec.decode(textOf(new Uint8Array([...bytes, 0])))).toBeUndefined();
  });

  test('is refused when it is garbage of any kind', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          fc.uint8Array().map(textOf),
          fc.uint8Array().map((bytes) => textOf(Uint8Array.of(1, ...bytes))),
        ),
        async (text) => {
          expect(await codec.decode(text)).toBeUndefined();
        },
      ),
    );
  });

  test('is refused when another key signed it', async () => {
    expect(await codec.decode(await tokenCodec(['another-key']).encode(seen))).toBeUndefined();
  });
});

describe('while keys are rotated', () => {
  const rotating = tokenCodec(['the-new-key', 'a-key']);

  test('tokens of both keys are accepted, and new ones are signed with the first', async () => {
    expect(await rotating.decode(await codec.encode(seen))).toEqual(seen);
    const signedAnew = await rotating.encode(seen);
    expect(await rotating.decode(signedAnew)).toEqual(seen);
    expect(await codec.decode(signedAnew)).toBeUndefined();
    expect(await tokenCodec(['the-new-key']).decode(signedAnew)).toEqual(seen);
  });

  test('tokens of the former key are refused once it is gone', async () => {
    expect(await tokenCodec(['the-new-key']).decode(await codec.encode(seen))).toBeUndefined();
  });
});

describe('a token that was signed here and yet cannot be read', () => {
  /** Signs any payload as the codec does: format, key id, flags, payload, the first 16 bytes of the HMAC. */
  async function signed(payload: readonly number[], flags = 0): Promise<string> {
    const secret = new TextEncoder().encode('a-key');
    const key = await crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
    const keyId = new Uint8Array(await crypto.subtle.digest('SHA-256', secret), 0, 4);
    const whole = Uint8Array.of(1, ...keyId, flags, ...payload);
    return textOf(Uint8Array.of(...whole, ...new Uint8Array(await crypto.subtle.sign('HMAC', key, whole), 0, 16)));
  }

  test('would be read if it were well made', async () => {
    const oneStream = [1, 1, 0x61, 1, 0, 1, 0x62, 7, 0];
    expect(await codec.decode(await signed(oneStream))).toEqual({
      streams: new Map([[parseStreamId('a-b'), 7]]),
      bookmarks: new Map(),
    });
  });

  test('keeps what was said about streams that were left out', async () => {
    const shortened = { ...EMPTY_TOKEN, isShortened: true } as const;
    const partial = { ...shortened, isPartial: true } as const;
    expect(await codec.decode(await codec.encode(shortened))).toEqual(shortened);
    expect(await codec.decode(await codec.encode(partial))).toEqual(partial);
  });

  test('is refused: a flag that this code does not know', async () => {
    expect(await codec.decode(await signed([0, 0, 0], 4))).toBeUndefined();
  });

  test.each<[string, readonly number[]]>([
    ['nothing in it', []],
    ['more categories than bytes', [200, 1]],
    ['a text longer than the rest', [1, 99, 0x61]],
    ['a number without end', [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]],
    ['a stream of a category that is not listed', [0, 1, 0, 1, 0x62, 7, 0]],
    ['a stream id that is none', [1, 1, 0x41, 1, 0, 1, 0x62, 7, 0]],
    ['something after its end', [0, 0, 0, 0]],
  ])('is refused: %s', async (_, payload) => {
    expect(await codec.decode(await signed(payload))).toBeUndefined();
  });
});
