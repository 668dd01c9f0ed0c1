import { describe, expect, expectTypeOf, test } from 'vitest';

import { ignored, projectionOf, rowKeyOf } from '../../../src/tidemark/projections/projection.ts';
import { streamId } from '../../../src/tidemark/domain/stream.ts';
import { SEAT, evening, guestTable, seatMap, seatTable, seatType, visitTable } from '../seats.ts';

const declared = {
  name: 'seat-map',
  revision: 1,
  group: evening,
  row: { tables: seatTable, key: 'seatId' },
} as const;

const create = () => ({ guest: null, guests: [] });

describe('a declaration', () => {
  test('gets defaults for its missing members', () => {
    const projection = projectionOf(seatType)({
      ...declared,
      handlers: { SeatReserved: { create }, SeatReleased: ignored, SeatCleaned: ignored },
    });
    expect(projection).toMatchObject({ mode: 'asynchronous', appends: {}, counters: {} });
    expect(
      projectionOf(seatType)({
        ...declared,
        mode: 'synchronous',
        handlers: { SeatReserved: { create }, SeatReleased: {}, SeatCleaned: ignored },
      }).mode,
    ).toBe('synchronous');
  });

  test('keys its rows by the aggregate’s id, or by the stream if it follows several categories', () => {
    const stream = streamId(SEAT, '12');
    expect(rowKeyOf(seatMap, stream)).toBe('12');
    expect(rowKeyOf({ ...seatMap, follows: { ...seatMap.follows, box: {} } }, stream)).toBe('seat-12');
  });
});

// `tsc` checks the tests below. If it accepted one of these declarations, the `@ts-expect-error` would be an error.
describe('it is a type error', () => {
  test('to leave out an event type', () => {
    projectionOf(seatType)({
      ...declared,
      // @ts-expect-error -- SeatCleaned is neither handled nor ignored
      handlers: { SeatReserved: { create }, SeatReleased: ignored },
    });
  });

  test('to handle an unknown event type', () => {
    projectionOf(seatType)({
      ...declared,
      // @ts-expect-error -- unknown event
      handlers: { SeatReserved: { create }, SeatReleased: ignored, SeatCleaned: ignored, SeatPainted: ignored },
    });
  });

  test('to return a row without one of its columns, or with a column of another type', () => {
    projectionOf(seatType)({
      ...declared,
      handlers: {
        // @ts-expect-error -- `guests` is missing
        SeatReserved: { create: () => ({ guest: 'Ada' }) },
        // @ts-expect-error -- `guests` is a list
        SeatReleased: { change: (row) => ({ ...row, guests: 'Ada' }) },
        SeatCleaned: ignored,
      },
    });
  });

  test('to read data that the event does not have', () => {
    projectionOf(seatType)({
      ...declared,
      handlers: {
        // @ts-expect-error -- it is called `guest`
        SeatReserved: { create: ({ data }) => ({ guest: data.visitor, guests: [] }) },
        SeatReleased: ignored,
        SeatCleaned: ignored,
      },
    });
  });

  test('to append to or count in an undeclared table, or to use wrong columns', () => {
    projectionOf(seatType)({
      ...declared,
      appends: { visits: visitTable },
      counters: { guests: { tables: guestTable, key: ['guest'] } },
      handlers: {
        SeatReserved: {
          create,
          // @ts-expect-error -- `guest` is missing
          append: () => ({ visits: [{ seatId: '12', version: 1 }] }),
          // @ts-expect-error -- counts are numbers
          count: () => ({ guests: [{ guest: 'Ada', seated: 'one' }] }),
        },
        SeatReleased: {
          // @ts-expect-error -- no such table
          append: () => ({ departures: [{ seatId: '12' }] }),
        },
        SeatCleaned: ignored,
      },
    });
  });

  test('to name a key that the table does not have', () => {
    projectionOf(seatType)({
      ...declared,
      // @ts-expect-error -- no such column
      row: { tables: seatTable, key: 'chairId' },
      handlers: { SeatReserved: { create }, SeatReleased: ignored, SeatCleaned: ignored },
    });
  });

  test('to assume a row in a counter of a stream that may have none', () => {
    projectionOf(seatType)({
      ...declared,
      counters: { guests: { tables: guestTable, key: ['guest'] } },
      handlers: {
        SeatReserved: { create },
        SeatReleased: {
          count: (_event, row) => {
            expectTypeOf(row).toEqualTypeOf<(typeof seatTable.a)['$inferSelect'] | undefined>();
            return {};
          },
        },
        SeatCleaned: ignored,
      },
    });
  });
});
