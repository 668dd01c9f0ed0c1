import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import { describe, expect, test } from 'vitest';

import type { RecordedEvent } from '../../../src/tidemark/domain/event.ts';
import { type Handler, ignored, projectionOf } from '../../../src/tidemark/projections/projection.ts';
import { slotTables } from '../../../src/tidemark/projections/slot-tables.ts';
import { streamId } from '../../../src/tidemark/domain/stream.ts';
import { storedEvents } from '../../../src/tidemark/testing/given-events.ts';
import { project } from '../../../src/tidemark/testing/projection-harness.ts';
import { SEAT, type SeatEvent, evening, seatMap, seatType } from '../seats.ts';

const reserved = (guest: string): SeatEvent => ({ type: 'SeatReserved', data: { guest, isVip: false } });
const released: SeatEvent = { type: 'SeatReleased', data: {} };
const cleaned: SeatEvent = { type: 'SeatCleaned', data: {} };

/** seat-map with another handler of SeatReserved, or with parts of one. */
function withReserved(parts: Handler) {
  const { SeatReserved } = seatMap.handlers;
  return project({
    ...seatMap,
    handlers: { ...seatMap.handlers, SeatReserved: { ...(SeatReserved as Handler), ...parts } },
  });
}

const anEvening = project(seatMap)
  .events(seatType, '12', [reserved('Ada'), released, cleaned, reserved('Bob')])
  .events(seatType, '14', [reserved('Ada')])
  .events(seatType, '16', [reserved('Bob'), released]);

describe('a projection in memory', () => {
  test('gives rows, appended rows and counters', () => {
    expect(anEvening.rows()).toEqual([
      { seatId: '12', version: 4, guest: 'Bob', guests: ['Ada', 'Bob'] },
      { seatId: '14', version: 1, guest: 'Ada', guests: ['Ada'] },
      { seatId: '16', version: 2, guest: null, guests: ['Bob'] },
    ]);
    expect(anEvening.row(seatType, '14')).toEqual({ seatId: '14', version: 1, guest: 'Ada', guests: ['Ada'] });
    expect(anEvening.row(seatType, '99')).toBeUndefined();
    expect(anEvening.appended('visits')).toEqual([
      { seatId: '12', version: 1, guest: 'Ada' },
      { seatId: '12', version: 4, guest: 'Bob' },
      { seatId: '14', version: 1, guest: 'Ada' },
      { seatId: '16', version: 1, guest: 'Bob' },
    ]);
    expect(anEvening.counters('guests')).toEqual([
      { guest: 'Ada', seated: 1, visits: 2 },
      { guest: 'Bob', seated: 1, visits: 2 },
    ]);
  });

  test('continues a stream', () => {
    const more = anEvening.events(seatType, '12', [released]);
    expect(more.row(seatType, '12')).toMatchObject({ version: 5, guest: null });
    expect(anEvening.row(seatType, '12')).toMatchObject({ version: 4, guest: 'Bob' });
  });

  test('takes stored events, also in an earlier shape', () => {
    const stored = storedEvents(seatType.events, streamId(SEAT, '18'), [
      { type: 'SeatReserved', schemaVersion: 2, data: { guest: 'Cleo' } },
    ]);
    expect(project(seatMap).stored(stored).rows()).toEqual([
      { seatId: '18', version: 1, guest: 'Cleo', guests: ['Cleo'] },
    ]);
  });

  test('leaves out stored events of streams that it does not follow, and refuses to add such a stream', () => {
    const elsewhere = storedEvents(seatType.events, streamId('box', '1'), [reserved('Ada')]);
    expect(project(seatMap).stored(elsewhere).rows()).toEqual([]);
    expect(() => project(seatMap).events({ ...seatType, category: 'box' }, '1', [reserved('Ada')])).toThrow(
      'seat-map does not follow "box"',
    );
  });

  test('leaves out counters that returned to zero', () => {
    const nobody = project({
      ...seatMap,
      handlers: { ...seatMap.handlers, SeatReserved: seatedOnly, SeatReleased: unseated },
    });
    expect(nobody.events(seatType, '12', [reserved('Ada'), released]).counters('guests')).toEqual([]);
    expect(nobody.events(seatType, '12', [reserved('Ada')]).counters('guests')).toEqual([
      { guest: 'Ada', seated: 1, visits: 0 },
    ]);
  });

  test('names its tables if a test asks for another one', () => {
    expect(() => anEvening.counters('ghosts')).toThrow('seat-map declares no "ghosts"; it has: guests');
  });

  test('refuses what the database would refuse: a missing value, a second row with the same key', () => {
    const careless = withReserved({ create: () => ({ guest: 'Ada' }) }).events(seatType, '12', [reserved('Ada')]);
    expect(() => careless.rows()).toThrow(
      'NOT NULL constraint failed: seat_map_a.guests ("guests" was left out or is null)',
    );
    const twice = withReserved({ append: () => ({ visits: [{ seatId: '12', version: 1, guest: 'Ada' }] }) });
    expect(() => twice.events(seatType, '12', [reserved('Ada'), reserved('Bob')]).rows()).toThrow(
      'UNIQUE constraint failed: seat_visits_a',
    );
  });

  test('passes a handler its row as from the database: decoded, and only with declared columns', () => {
    let seen: unknown;
    const handlers = {
      ...seatMap.handlers,
      SeatReserved: { create: () => ({ guest: undefined, guests: ['Ada'], mood: 'cheerful' }) },
      SeatReleased: {
        change: (row: object) => {
          seen = row;
          return row as Record<string, unknown>;
        },
      },
    };
    project({ ...seatMap, handlers })
      .events(seatType, '12', [reserved('Ada'), released])
      .rows();
    expect(seen).toEqual({ seatId: '12', version: 1, guest: null, guests: ['Ada'] });
  });
});

const seatedOnly = {
  create: () => ({ guest: null, guests: [] }),
  count: () => ({ guests: [{ guest: 'Ada', seated: 1 }] }),
};
const unseated = { count: () => ({ guests: [{ guest: 'Ada', seated: -1 }] }) };

describe('interleavings', () => {
  test('give the same tables if handlers depend only on their own stream', () => {
    anEvening.checkInterleavings({ runs: 100, seed: 1 });
  });

  test('find a handler that depends on earlier events of other streams, and name the seed', () => {
    const firstComes = slotTables((slot) =>
      sqliteTable(`first_${slot}`, {
        seatId: text('seat_id').primaryKey(),
        version: integer('version').notNull(),
        after: text('after'),
      }),
    );
    const seen: string[] = [];
    const gossip = projectionOf(seatType)({
      name: 'gossip',
      revision: 1,
      group: evening,
      row: { tables: firstComes, key: 'seatId' },
      handlers: {
        SeatReserved: {
          create: ({ id }) => {
            if (!seen.includes(id)) seen.push(id);
            return { after: seen[seen.indexOf(id) - 1] ?? null };
          },
        },
        SeatReleased: ignored,
        SeatCleaned: ignored,
      },
    });
    const two = project(gossip)
      .events(seatType, '12', [reserved('Ada')])
      .events(seatType, '14', [reserved('Bob')]);
    two.rows();
    seen.length = 0;
    expect(() => two.checkInterleavings({ runs: 50, seed: 3 })).toThrow(
      /gossip does not commute: with \{ seed: \d+, runs: 1 \}/,
    );
  });

  test('depend on their seed alone', () => {
    function sequenceOf(seed: number): readonly string[] {
      const sequence: string[] = [];
      function create({ stream }: RecordedEvent) {
        sequence.push(stream);
        return { guest: 'Ada', guests: [] };
      }
      ['1', '2', '3', '4', '5', '6']
        .reduce((all, id) => all.events(seatType, id, [reserved('Ada')]), withReserved({ create }))
        .checkInterleavings({ runs: 3, seed });
      return sequence;
    }
    expect(sequenceOf(1)).toEqual(sequenceOf(1));
    expect(sequenceOf(2)).not.toEqual(sequenceOf(1));
  });
});

describe('an impure handler', () => {
  function withCreate(create: () => Record<string, unknown>) {
    return withReserved({ create }).events(seatType, '12', [reserved('Ada')]);
  }

  test.each<[string, () => unknown]>([
    ['Date.now()', () => Date.now()],
    ['new Date()', () => new Date()],
    ['new Date()', () => Date()],
    ['Math.random()', () => Math.random()],
    ['crypto.randomUUID()', () => crypto.randomUUID()],
    ['crypto.getRandomValues()', () => crypto.getRandomValues(new Uint8Array(4))],
  ])('is named with its projection if it calls %s', (what, ask) => {
    const asking = withCreate(() => ({ guest: String(ask()), guests: [] }));
    expect(() => asking.rows()).toThrow(`seat-map's handler of SeatReserved calls ${what}`);
  });

  test('may use given times', () => {
    const lawful = withCreate(() => ({
      guest: new Date('2026-01-01T00:00:00Z').toISOString(),
      guests: [String(Date.UTC(2026, 0, 1))],
    }));
    expect(lawful.rows()).toMatchObject([{ guest: '2026-01-01T00:00:00.000Z', guests: ['1767225600000'] }]);
  });

  test('does not change the time and random sources for other code', () => {
    expect(() => withCreate(() => ({ guest: String(Math.random()), guests: [] })).rows()).toThrow('Math.random()');
    expect(new Date().getTime()).toBeLessThanOrEqual(Date.now());
    expect(Math.random()).toBeLessThan(1);
    expect(crypto.randomUUID()).not.toBe(crypto.randomUUID());
    expect(Object.hasOwn(crypto, 'randomUUID')).toBe(false);
  });

  test('is found by a second fold if it counts its calls', () => {
    let calls = 0;
    const counting = withCreate(() => ({ guest: String((calls += 1)), guests: [] }));
    expect(() => counting.rows()).toThrow(
      'seat-map is not pure: folding the same events of seat-12 again gives something else',
    );
  });

  test('cannot change its row', () => {
    const change = (row: { version: number }) => Object.assign(row, { guest: 'Bob' });
    const handlers = { ...seatMap.handlers, SeatReleased: { change: change as never } };
    expect(() =>
      project({ ...seatMap, handlers })
        .events(seatType, '12', [reserved('Ada'), released])
        .rows(),
    ).toThrow('TypeError');
  });
});

test('the types of rows come from the projection', () => {
  expect(anEvening.row(seatType, '12')?.guests.length).toBe(2);
  // @ts-expect-error -- the row has no such column
  expect(anEvening.row(seatType, '12')?.colour).toBeUndefined();
});
