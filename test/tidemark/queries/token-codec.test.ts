import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  type CausalToken,
  EMPTY_TOKEN,
  withBookmark,
  withVersion,
} from '../../../src/tidemark/queries/causal-token.ts';
import { tokenCodec } from '../../../src/tidemark/queries/token-codec.ts';
import { type Seen, seenAt } from '../../../src/tidemark/domain/seen.ts';
import { type StreamId, parseStreamId, streamId } from '../../../src/tidemark/domain/stream.ts';
import { secretOf } from '../../support/tokens.ts';

const A_KEY = secretOf('a-key');
const codec = tokenCodec([A_KEY]);
/** Writes format 1, as the former Worker did. */
const former = tokenCodec([A_KEY], { format: 1, now: () => NOW });
const NOW = Date.parse('2026-11-23T09:00:00.000Z');

const uuid = fc.uuid();
const category = fc.stringMatching(/^[a-z][a-z0-9]{0,15}$/);
const id = fc.oneof(
  uuid,
  fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._~-]{0,60}$/),
  uuid.map((text) => text.toUpperCase()),
);
const version = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.maxSafeNat());
const stream = fc.tuple(category, id).map(([itsCategory, itsId]) => streamId(itsCategory, itsId));
const seenVersion = fc.record(
  { version, fingerprint: fc.integer({ min: 1, max: 0xffffffff }) },
  { requiredKeys: ['version'] },
);
const time = fc.integer({ min: 1, max: 2 ** 43 });
const anyStreams = fc.array(fc.tuple(stream, seenVersion), { maxLength: 30 }).map((entries) => new Map(entries));
const contents = {
  streams: anyStreams,
  bookmarks: fc
    .array(fc.tuple(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' })), { maxLength: 3 })
    .map((entries) => new Map(entries)),
};
const token = fc.record(
  { ...contents, epoch: fc.integer({ min: 1, max: 1000 }), shortenedAt: time, partialAt: time },
  { requiredKeys: ['streams', 'bookmarks'] },
);

const seen: CausalToken = withBookmark(
  withVersion(
    withVersion(EMPTY_TOKEN, streamId('seat', '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a'), 3, 'an event'),
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
  test('decodes to the same content in the same sequence', async () => {
    await fc.assert(
      fc.asyncProperty(token, async (any) => {
        const text = await codec.encode(any);
        expect(text).toMatch(/^[A-Za-z0-9_-]+$/);
        const decoded = await codec.decode(text);
        expect([...(decoded?.streams ?? [])]).toEqual([...any.streams]);
        expect([...(decoded?.bookmarks ?? [])]).toEqual([...any.bookmarks]);
        expect(decoded).toEqual(any);
      }),
    );
  });

  test('reveals nothing readable, and differs each time', async () => {
    const one = await codec.encode(seen);
    const other = await codec.encode(seen);
    const idBytes = Uint8Array.fromHex('0198c5a07b1e7c3a9d528f1e2d3c4b5a');
    for (const hidden of [
      idBytes,
      ...['seat', 'left-1', 'evening', '00004e2f'].map((text) => new TextEncoder().encode(text)),
    ])
      expect(bytesOf(one).toHex()).not.toContain(hidden.toHex());
    // Format, key id and salt stay the same. All other bytes differ.
    expect(other.slice(0, 28)).toBe(one.slice(0, 28));
    expect(other.slice(28, 44)).not.toBe(one.slice(28, 44));
  });

  test('is read by another isolate with another salt', async () => {
    const another = tokenCodec([A_KEY]);
    expect(await another.decode(await codec.encode(seen))).toEqual(seen);
    expect((await another.encode(seen)).slice(0, 28)).not.toBe((await codec.encode(seen)).slice(0, 28));
  });

  test('is empty if nothing was seen', async () => {
    expect(await codec.decode(await codec.encode(EMPTY_TOKEN))).toEqual(EMPTY_TOKEN);
  });

  test('of 96 streams with UUIDs, high versions and two bookmarks fits into 4096 characters', async () => {
    const streams = Array.from({ length: 96 }, (_, index): [StreamId, Seen] => [
      streamId(index % 2 ? 'seat' : 'box', crypto.randomUUID()),
      seenAt(1_000_000 + index, crypto.randomUUID()),
    ]);
    const bookmark = '0000007b-0000b26e-00001538-0c3e87bb37b3db5cc52eedb93cd3b96b';
    const bookmarks = new Map([
      ['serving', bookmark],
      ['counting', bookmark],
    ]);
    const full = { streams: new Map(streams), bookmarks, epoch: 9, shortenedAt: NOW, partialAt: NOW };
    for (const writing of [codec, former]) expect((await writing.encode(full)).length).toBeLessThanOrEqual(4096);
  });
});

describe('a token from elsewhere', () => {
  test.each(['', ' ', 'nonsense', '!', 'AA', 'A'.repeat(50), 'é', '='])('is refused: %j', async (text) => {
    expect(await codec.decode(text)).toBeUndefined();
  });

  test.each([
    [1, former],
    [2, codec],
  ])('is refused if any single bit differs: format %s', async (_, writing) => {
    const bytes = bytesOf(await writing.encode(seen));
    for (let at = 0; at < bytes.length; at += 1) {
      for (const bit of [1, 128]) {
        const forged = bytes.slice();
        forged[at] = (forged[at] as number) ^ bit;
        expect(await codec.decode(textOf(forged))).toBeUndefined();
      }
    }
  });

  test('is refused in another spelling of the same bytes', async () => {
    // Of three consecutive lengths, two end with a character that has spare bits.
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

  test.each([
    [1, former],
    [2, codec],
  ])('is refused if it is shorter or longer by any number of bytes: format %s', async (_, writing) => {
    const bytes = bytesOf(await writing.encode(seen));
    for (let length = 0; length < bytes.length; length += 1)
      expect(await codec.decode(textOf(bytes.slice(0, length)))).toBeUndefined();
    expect(await codec.decode(textOf(new Uint8Array([...bytes, 0])))).toBeUndefined();
  });

  test('is refused if it is any kind of garbage', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          fc.uint8Array().map(textOf),
          fc
            .tuple(fc.constantFrom(1, 2, 3), fc.uint8Array({ maxLength: 90 }))
            .map(([format, bytes]) => textOf(Uint8Array.of(format, ...bytes))),
        ),
        async (text) => {
          expect(await codec.decode(text)).toBeUndefined();
        },
      ),
    );
  });

  test('is refused if another key made it', async () => {
    for (const format of [1, 2] as const) {
      const foreign = tokenCodec([secretOf('another-key')], { format });
      expect(await codec.decode(await foreign.encode(seen))).toBeUndefined();
    }
  });
});

describe('while keys are rotated', () => {
  const THE_NEW_KEY = secretOf('the-new-key');
  const rotating = tokenCodec([THE_NEW_KEY, A_KEY]);

  test('tokens of both keys are accepted, and the first key makes new ones', async () => {
    expect(await rotating.decode(await codec.encode(seen))).toEqual(seen);
    expect(await rotating.decode(await former.encode(seen))).toMatchObject({ bookmarks: seen.bookmarks });
    const madeAnew = await rotating.encode(seen);
    expect(await rotating.decode(madeAnew)).toEqual(seen);
    expect(await codec.decode(madeAnew)).toBeUndefined();
    expect(await tokenCodec([THE_NEW_KEY]).decode(madeAnew)).toEqual(seen);
  });

  test('tokens of the former key are refused after its removal', async () => {
    expect(await tokenCodec([THE_NEW_KEY]).decode(await codec.encode(seen))).toBeUndefined();
  });
});

describe('a secret', () => {
  test.each(['', 'a-key', 'x'.repeat(31), 'é'.repeat(15)])('of fewer than 32 bytes makes no tokens: %j', (secret) => {
    expect(() => tokenCodec([secret])).toThrow('at least 32 bytes');
  });

  test('of 32 bytes makes tokens, and one that only verifies may be shorter', async () => {
    const rotated = tokenCodec(['é'.repeat(16), 'a short one from before']);
    expect(await rotated.decode(await rotated.encode(seen))).toEqual(seen);
  });
});

describe('a token of format 1', () => {
  /** A token from the release before format 2. */
  const FORMER =
    'AQi4a14BAgRzZWF0A2JveAIAAAGYxaB7Hnw6nVKPHi08S1oDAQZsZWZ0LTEMAQdldmVuaW5nHzAwMDAwMDAxLTAwMDAwMDAyLTAwMDA0ZTJmLTBhMWIyPZalqCU4W72NSpnkCroX';

  test('is read, and has no fingerprints', async () => {
    expect(await tokenCodec([A_KEY], { now: () => NOW }).decode(FORMER)).toEqual({
      streams: new Map([
        [streamId('seat', '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a'), { version: 3 }],
        [streamId('box', 'left-1'), { version: 12 }],
      ]),
      bookmarks: new Map([['evening', '00000001-00000002-00004e2f-0a1b']]),
      shortenedAt: NOW,
    });
  });

  test('is written unchanged if the format is set to 1', async () => {
    expect(await former.encode({ ...seen, epoch: 3, shortenedAt: 1 })).toBe(FORMER);
  });

  test('says that streams were left out, and its reader takes that as just now', async () => {
    expect(await codec.decode(await former.encode({ ...EMPTY_TOKEN, partialAt: 1 }))).toEqual({
      ...EMPTY_TOKEN,
      partialAt: expect.any(Number) as number,
    });
    const both = { ...EMPTY_TOKEN, shortenedAt: 5, partialAt: 7 };
    expect(await former.decode(await former.encode(both))).toEqual({ ...both, shortenedAt: NOW, partialAt: NOW });
  });
});

describe('an authentic token that cannot be read', () => {
  const secret = new TextEncoder().encode(A_KEY);

  async function keyId(): Promise<Uint8Array> {
    return new Uint8Array(await crypto.subtle.digest('SHA-256', secret), 0, 4);
  }

  /** Signs any payload in format 1: format, key id, flags, payload, the first 16 bytes of the HMAC. */
  async function signed(payload: readonly number[], flags = 0): Promise<string> {
    const key = await crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
    const whole = Uint8Array.of(1, ...(await keyId()), flags, ...payload);
    return textOf(Uint8Array.of(...whole, ...new Uint8Array(await crypto.subtle.sign('HMAC', key, whole), 0, 16)));
  }

  /** Encrypts any payload in format 2: format, key id, salt, nonce, the payload after tenant, epoch and times, the tag. */
  async function encrypted(payload: readonly number[], start: readonly number[] = [0, 0, 0, 0]): Promise<string> {
    const salt = new Uint8Array(16).fill(7);
    const info = new TextEncoder().encode('tidemark causal token');
    const base = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveKey']);
    const derivation = { name: 'HKDF', hash: 'SHA-256', salt, info };
    const key = await crypto.subtle.deriveKey(derivation, base, { name: 'AES-GCM', length: 256 }, false, ['encrypt']);
    const iv = new Uint8Array(12).fill(9);
    const head = Uint8Array.of(2, ...(await keyId()), ...salt, ...iv);
    const algorithm = { name: 'AES-GCM', iv, additionalData: head };
    const sealed = await crypto.subtle.encrypt(algorithm, key, Uint8Array.of(...start, ...payload));
    return textOf(Uint8Array.of(...head, ...new Uint8Array(sealed)));
  }

  test('would be read with a valid payload', async () => {
    const inCategoryA = [1, 1, 0x61];
    const oneStream = [1, 0, 1, 0x62, 7];
    expect(await codec.decode(await signed([...inCategoryA, ...oneStream, 0]))).toEqual({
      streams: new Map([[parseStreamId('a-b'), { version: 7 }]]),
      bookmarks: new Map(),
    });
    expect(await codec.decode(await encrypted([...inCategoryA, ...oneStream, 1, 2, 3, 4, 0], [0, 5, 6, 7]))).toEqual({
      streams: new Map([[parseStreamId('a-b'), { version: 7, fingerprint: 0x01020304 }]]),
      bookmarks: new Map(),
      epoch: 5,
      shortenedAt: 6,
      partialAt: 7,
    });
  });

  test('is refused: an unknown flag', async () => {
    expect(await codec.decode(await signed([0, 0, 0], 4))).toBeUndefined();
  });

  test('is refused: a tenant', async () => {
    expect(await codec.decode(await encrypted([0, 0, 0], [1, 0x61, 0, 0, 0]))).toBeUndefined();
  });

  test.each<[string, readonly number[]]>([
    ['nothing in it', []],
    ['more categories than bytes', [200, 1]],
    ['a text longer than the rest', [1, 99, 0x61]],
    ['a number without end', [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]],
    ['a stream of a category that is not listed', [0, 1, 0, 1, 0x62, 7, 0, 0, 0, 0, 0]],
    ['a stream id that is none', [1, 1, 0x41, 1, 0, 1, 0x62, 7, 0, 0, 0, 0, 0]],
    ['a fingerprint that is cut', [1, 1, 0x61, 1, 0, 1, 0x62, 7, 1, 2]],
    ['something after its end', [0, 0, 0, 0]],
  ])('is refused: %s', async (_, payload) => {
    expect(await codec.decode(await signed(payload))).toBeUndefined();
    expect(await codec.decode(await encrypted(payload))).toBeUndefined();
  });
});
