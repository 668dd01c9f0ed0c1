import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { StoredEvent } from '../../../src/tidemark/domain/event.ts';
import {
  type Hint,
  MAX_MESSAGE_BYTES,
  packHints,
  packMessages,
  parseMessage,
} from '../../../src/tidemark/write/message.ts';
import { streamId } from '../../../src/tidemark/domain/stream.ts';
import { storedEvents } from '../../../src/tidemark/testing/given-events.ts';
import { SEAT, seatType } from '../seats.ts';

const seat12 = streamId(SEAT, '12');

/** Events of one stream, each with a guest’s name of this many bytes. */
function eventsOf(sizes: readonly number[], fromVersion = 1): readonly StoredEvent[] {
  const events = sizes.map(
    (size) => ({ type: 'SeatReserved', data: { guest: 'x'.repeat(size), isVip: false } }) as const,
  );
  return storedEvents(seatType.events, seat12, events, { fromVersion });
}

const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value)).byteLength;

describe('packing events into hints', () => {
  test('makes one hint of events that fit into one', () => {
    const events = eventsOf([10, 10, 10], 5);
    expect(packHints(events, 'the-id-before')).toEqual([
      { stream: seat12, fromVersion: 5, toVersion: 7, previousId: 'the-id-before', events },
    ]);
  });

  test('makes no hint of no events', () => {
    expect(packHints([], 'the-id-before')).toEqual([]);
  });

  test('starts another hint if the next event does not fit, tied to the one before by its last id', () => {
    const events = eventsOf([400, 400, 400]);
    const two = bytesOf(events[0]) + bytesOf(events[1]) + 2;
    expect(packHints(events, null, two)).toEqual([
      { stream: seat12, fromVersion: 1, toVersion: 2, previousId: null, events: events.slice(0, 2) },
      { stream: seat12, fromVersion: 3, toVersion: 3, previousId: events[1]?.id, events: events.slice(2) },
    ]);
    expect(packHints(events, null, two - 1)).toHaveLength(3);
  });

  test('sends an event that is too large as a range without payload, and keeps the chain of ids across it', () => {
    const events = eventsOf([10, 5_000, 10]);
    expect(packHints(events, null, 2_000)).toEqual([
      { stream: seat12, fromVersion: 1, toVersion: 1, previousId: null, events: events.slice(0, 1) },
      { stream: seat12, fromVersion: 2, toVersion: 2 },
      { stream: seat12, fromVersion: 3, toVersion: 3, previousId: events[1]?.id, events: events.slice(2) },
    ]);
  });

  test('counts bytes, not characters', () => {
    const [event] = storedEvents(seatType.events, seat12, [
      { type: 'SeatReserved', data: { guest: '潮'.repeat(1_000), isVip: false } },
    ]);
    const characters = JSON.stringify(event).length;
    expect(packHints([event as StoredEvent], null, characters + 1)[0]?.events).toBeUndefined();
  });

  test('loses nothing, doubles nothing, chains every hint and never exceeds the limit', () => {
    const limit = 3_000;
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 4_000 }), { maxLength: 30 }), (sizes) => {
        const events = eventsOf(sizes);
        const hints = packHints(events, null, limit);
        expect(hints.flatMap(({ fromVersion, toVersion }) => range(fromVersion, toVersion))).toEqual(
          events.map(({ version }) => version),
        );
        for (const hint of hints) {
          if (!hint.events) {
            expect(hint.fromVersion).toBe(hint.toVersion);
            expect(bytesOf(events[hint.fromVersion - 1])).toBeGreaterThanOrEqual(limit);
            continue;
          }
          expect(hint.events).toEqual(events.slice(hint.fromVersion - 1, hint.toVersion));
          expect(hint.previousId).toBe(events[hint.fromVersion - 2]?.id ?? null);
          expect(bytesOf(hint.events)).toBeLessThanOrEqual(limit + 1);
        }
      }),
    );
  });

  test('makes as few hints as possible: no two neighbours would fit into one', () => {
    const limit = 3_000;
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 2_000 }), { maxLength: 30 }), (sizes) => {
        const hints = packHints(eventsOf(sizes), null, limit).map(({ events = [] }) => events);
        for (const [index, events] of hints.slice(1).entries()) {
          const before = hints[index] ?? [];
          expect(bytesOf([...before, ...events.slice(0, 1)])).toBeGreaterThan(limit);
        }
      }),
    );
  });

  test('leaves room below the queue’s 128 kB in a message of the default size', () => {
    const hints = packHints(eventsOf(Array.from({ length: 200 }, () => 2_000)), null);
    expect(Math.max(...hints.map(bytesOf))).toBeLessThan(128_000);
    expect(Math.max(...hints.map(bytesOf))).toBeGreaterThan(MAX_MESSAGE_BYTES - 3_000);
  });
});

describe('packing hints about many streams into messages', () => {
  const hintOf = (id: string, size: number): Hint => {
    const stream = streamId(SEAT, id);
    const event = { type: 'SeatReserved', data: { guest: 'x'.repeat(size), isVip: false } } as const;
    return packHints(storedEvents(seatType.events, stream, [event]), null)[0] as Hint;
  };

  test('makes one message of hints that fit into one, and names the sender', () => {
    const hints = ['1', '2', '3'].map((id) => hintOf(id, 10));
    expect(packMessages(hints, 'group')).toEqual([{ sender: 'group', hints }]);
    expect(packMessages([], 'group')).toEqual([]);
  });

  test('loses no hint, exceeds no limit, and drops the payload of a hint that is too large', () => {
    const limit = 3_000;
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 4_000 }), { maxLength: 30 }), (sizes) => {
        const hints = sizes.map((size, index) => hintOf(String(index), size));
        const messages = packMessages(hints, 'group', limit);
        const packed = messages.flatMap((message) => message.hints);
        expect(packed.map(({ stream }) => stream)).toEqual(hints.map(({ stream }) => stream));
        for (const message of messages) expect(bytesOf(message.hints)).toBeLessThanOrEqual(limit + 1);
        for (const [index, hint] of packed.entries()) {
          if (!hint.events) expect(bytesOf(hints[index])).toBeGreaterThanOrEqual(limit);
        }
      }),
    );
  });
});

describe('reading a message', () => {
  const hint: Hint = { stream: seat12, fromVersion: 1, toVersion: 2 };

  test('accepts a hint with or without events', () => {
    const plain = { sender: 'relay', hints: [hint] };
    expect(parseMessage(plain)).toEqual(plain);
    const [packed] = packMessages(packHints(eventsOf([1, 1]), null), 'group');
    expect(parseMessage(JSON.parse(JSON.stringify(packed)))).toEqual(packed);
  });

  test.each([
    undefined,
    null,
    'seat-12',
    42,
    [],
    {},
    { ...hint, stream: 'not a stream' },
    { ...hint, stream: 12 },
    { ...hint, fromVersion: '1' },
    { ...hint, toVersion: 1.5 },
    { ...hint, toVersion: undefined },
    { ...hint, events: 'none' },
  ])('refuses %j', (body) => {
    expect(parseMessage(body)).toBeUndefined();
    expect(parseMessage({ sender: 'relay', hints: [hint, body] })).toBeUndefined();
  });
});

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}
