import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { RecordedEvent } from '../../../src/tidemark/domain/event.ts';
import { PoisonEventError, foldStream, sumIncrements } from '../../../src/tidemark/projections/fold.ts';
import type { Projection } from '../../../src/tidemark/projections/projection.ts';
import { streamId } from '../../../src/tidemark/domain/stream.ts';
import { storedEvents } from '../../../src/tidemark/testing/given-events.ts';
import { upcast } from '../../../src/tidemark/domain/upcaster.ts';
import { SEAT, type SeatEvent, seatMap, seatType } from '../seats.ts';

const seat12 = streamId(SEAT, '12');

const reserved = (guest: string): SeatEvent => ({ type: 'SeatReserved', data: { guest, isVip: false } });
const released: SeatEvent = { type: 'SeatReleased', data: {} };
const cleaned: SeatEvent = { type: 'SeatCleaned', data: {} };

function recorded(events: readonly SeatEvent[], fromVersion = 1): readonly RecordedEvent[] {
  return storedEvents(seatType.events, seat12, events, { fromVersion }).map((stored) =>
    upcast(seatType.events, stored),
  );
}

const adaRow = { seatId: '12', version: 1, guest: 'Ada', guests: ['Ada'] };

describe('folding a stream’s events', () => {
  test('makes the row, with the key and the version from the kernel', () => {
    expect(foldStream(seatMap, seat12, undefined, recorded([reserved('Ada')]))).toEqual({
      stream: seat12,
      before: undefined,
      after: adaRow,
      appended: { visits: [{ seatId: '12', version: 1, guest: 'Ada' }] },
      counted: { guests: [{ guest: 'Ada', seated: 1, visits: 1 }] },
    });
  });

  test('continues from the row, and passes counters the row before each event', () => {
    const changes = foldStream(seatMap, seat12, adaRow, recorded([released, reserved('Bob')], 2));
    expect(changes.before).toEqual(adaRow);
    expect(changes.after).toEqual({ seatId: '12', version: 3, guest: 'Bob', guests: ['Ada', 'Bob'] });
    expect(changes.counted['guests']).toEqual([
      { guest: 'Ada', seated: -1 },
      { guest: 'Bob', seated: 1, visits: 1 },
    ]);
  });

  test('moves the row’s version past an event that the projection ignores', () => {
    expect(foldStream(seatMap, seat12, adaRow, recorded([cleaned], 2)).after).toEqual({ ...adaRow, version: 2 });
  });

  test('makes no row for events that create none', () => {
    const changes = foldStream(seatMap, seat12, undefined, recorded([cleaned]));
    expect(changes).toEqual({ stream: seat12, before: undefined, after: undefined, appended: {}, counted: {} });
  });

  test('keys the row by the whole stream id if the projection follows several categories', () => {
    const both: Projection = { ...seatMap, follows: { ...seatMap.follows, box: seatType.events } };
    expect(foldStream(both, seat12, undefined, recorded([reserved('Ada')])).after).toMatchObject({ seatId: 'seat-12' });
  });

  test('gives the same result in one fold as in two', () => {
    const event = fc.constantFrom<SeatEvent>(reserved('Ada'), reserved('Bob'), released, cleaned);
    fc.assert(
      fc.property(fc.array(event, { maxLength: 20 }), fc.nat(20), (rest, cut) => {
        const events = recorded([reserved('Ada'), ...rest]);
        const at = Math.min(cut, events.length);
        const whole = foldStream(seatMap, seat12, undefined, events);
        const first = foldStream(seatMap, seat12, undefined, events.slice(0, at));
        const second = foldStream(seatMap, seat12, first.after, events.slice(at));
        expect(second.after).toEqual(whole.after);
        const counted = [...(first.counted['guests'] ?? []), ...(second.counted['guests'] ?? [])];
        expect(counted).toEqual(whole.counted['guests'] ?? []);
      }),
    );
  });
});

describe('an event that cannot be applied', () => {
  const { SeatReserved: _, ...others } = seatMap.handlers;
  const createOnly: Projection = {
    ...seatMap,
    handlers: { ...others, SeatReserved: { create: () => ({ guest: 'Ada', guests: [] }) } },
  };

  test.each<[string, Projection, readonly SeatEvent[], string]>([
    [
      'would create a row that exists',
      createOnly,
      [reserved('Ada'), reserved('Bob')],
      'the stream has a row already, and the handler has no change',
    ],
    [
      'would change a row that does not exist',
      seatMap,
      [released],
      'the stream has no row yet, and the handler has no create',
    ],
    [
      'has no handler',
      { ...seatMap, handlers: others },
      [reserved('Ada')],
      'the projection has no handler for this type',
    ],
  ])('because it %s names the projection, the event and its version', (_why, projection, events, reason) => {
    const last = events.length;
    expect(() => foldStream(projection, seat12, undefined, recorded(events))).toThrow(
      `seat-map cannot apply ${events[last - 1]?.type} (seat-12@${last}): Error: ${reason}`,
    );
  });

  test('carries the error of its handler, and the event', () => {
    const cause = new RangeError('too many guests');
    const create = () => {
      throw cause;
    };
    const events = recorded([cleaned, reserved('Ada')]);
    try {
      foldStream({ ...seatMap, handlers: { ...others, SeatReserved: { create } } }, seat12, undefined, events);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(PoisonEventError);
      expect((error as PoisonEventError).cause).toBe(cause);
      expect((error as PoisonEventError).event).toBe(events[1]);
    }
  });
});

describe('summing increments', () => {
  test('adds increments with the same key, column by column', () => {
    const increments = [
      { guest: 'Ada', seated: 1, visits: 1 },
      { guest: 'Bob', seated: 1, visits: 1 },
      { guest: 'Ada', seated: -1 },
      { guest: 'Ada', visits: 2 },
    ];
    expect(sumIncrements(['guest'], increments)).toEqual([
      { guest: 'Ada', seated: 0, visits: 3 },
      { guest: 'Bob', seated: 1, visits: 1 },
    ]);
  });

  test('leaves out sums of zero', () => {
    expect(
      sumIncrements(
        ['guest'],
        [
          { guest: 'Ada', seated: 1 },
          { guest: 'Ada', seated: -1 },
        ],
      ),
    ).toEqual([]);
  });

  test('treats an undefined column as absent', () => {
    const increments = [
      { guest: 'Ada', seated: 1, visits: 2 },
      { guest: 'Ada', seated: 1, visits: undefined },
    ];
    expect(sumIncrements(['guest'], increments)).toEqual([{ guest: 'Ada', seated: 2, visits: 2 }]);
  });

  test('distinguishes keys of several columns, also absent ones', () => {
    const increments = [
      { day: '1', region: null, visits: 1 },
      { day: '1', region: 'null', visits: 2 },
      { day: '1', visits: 4 },
      { day: '11', region: null, visits: 8 },
    ];
    const sums = sumIncrements(['day', 'region'], increments);
    expect(sums.map((sum) => sum['visits'])).toEqual([5, 2, 8]);
  });

  test('does not change its input', () => {
    const increments = [Object.freeze({ guest: 'Ada', seated: 1 }), Object.freeze({ guest: 'Ada', seated: 2 })];
    expect(sumIncrements(['guest'], increments)).toEqual([{ guest: 'Ada', seated: 3 }]);
  });
});
