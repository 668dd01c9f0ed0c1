import { describe, expect, test } from 'vitest';

import type { StoredEvent } from '../../../src/tidemark/domain/event.ts';
import { parseActor } from '../../../src/tidemark/domain/principal.ts';
import { streamId } from '../../../src/tidemark/domain/stream.ts';
import { storedEvents } from '../../../src/tidemark/testing/given-events.ts';
import {
  UnreadableEventError,
  currentSchemaVersion,
  formerTypes,
  formerly,
  upcast,
} from '../../../src/tidemark/domain/upcaster.ts';
import { SEAT, seatType } from '../seats.ts';

const seat12 = streamId(SEAT, '12');

function reservedAs(schemaVersion: number, data: object): StoredEvent {
  const [stored] = storedEvents(seatType.events, seat12, [{ type: 'SeatReserved', schemaVersion, data }]);
  return stored as StoredEvent;
}

describe('upcasting a stored event', () => {
  test('lifts the first shape through every step, in sequence', () => {
    expect(upcast(seatType.events, reservedAs(1, { name: 'Ada' })).data).toEqual({ guest: 'Ada', isVip: true });
    expect(upcast(seatType.events, reservedAs(1, { name: 'Bob' })).data).toEqual({ guest: 'Bob', isVip: false });
  });

  test('starts with the step after the event’s shape', () => {
    expect(upcast(seatType.events, reservedAs(2, { guest: 'Ada' })).data).toEqual({ guest: 'Ada', isVip: true });
  });

  test('does not change the current shape', () => {
    expect(upcast(seatType.events, reservedAs(3, { guest: 'Ada', isVip: false })).data).toEqual({
      guest: 'Ada',
      isVip: false,
    });
  });

  test('keeps the envelope, without the schema version, which is meaningless afterwards', () => {
    const stored = reservedAs(1, { name: 'Ada' });
    const { schemaVersion: _, data: __, ...envelope } = stored;
    const metadata = { ...stored.metadata, actor: { kind: 'anonymous', id: 'anonymous' } };
    expect(upcast(seatType.events, stored)).toEqual({ ...envelope, metadata, data: { guest: 'Ada', isVip: true } });
  });

  test('does not change the stored event', () => {
    const stored = reservedAs(1, { name: 'Ada' });
    upcast(seatType.events, stored);
    expect(stored.data).toEqual({ name: 'Ada' });
  });
});

describe('an event that this code cannot read', () => {
  test('has a schema version from the future', () => {
    const fromTomorrow = () => upcast(seatType.events, reservedAs(4, { visitor: 'Ada' }));
    expect(fromTomorrow).toThrow(UnreadableEventError);
    expect(fromTomorrow).toThrow('seat-12@1: SeatReserved has schema version 4, but this code reads versions up to 3');
  });

  test.each(['SeatPainted', 'toString', '__proto__'])('has the unknown type %s', (type) => {
    expect(() => upcast(seatType.events, { ...reservedAs(1, {}), type })).toThrow(UnreadableEventError);
  });
});

describe('an event type that was renamed twice, with a change of its shape in between', () => {
  const types = {
    SeatBooked: [
      formerly('SeatTaken'),
      (data: object) => ({ ...data, isVip: false }),
      formerly('SeatReserved'),
      (data: object) => ({ ...data, row: 'A' }),
    ],
  };
  const stored = (type: string, schemaVersion: number, data: object) => ({
    ...reservedAs(1, data),
    type,
    schemaVersion,
  });
  const guest = 'Ada';

  test.each([
    ['SeatTaken', 1, { guest }],
    ['SeatReserved', 2, { guest }],
    ['SeatReserved', 3, { guest, isVip: false }],
    ['SeatBooked', 4, { guest, isVip: false }],
    ['SeatBooked', 5, { guest, isVip: false, row: 'A' }],
  ])('is read under its present name, from %s in schema version %i', (name, schemaVersion, data) => {
    const { schemaVersion: _, ...event } = stored(name, schemaVersion, data);
    expect(upcast(types, { ...event, schemaVersion })).toEqual({
      ...event,
      metadata: { ...event.metadata, actor: parseActor(event.metadata.actor) },
      type: 'SeatBooked',
      data: { guest, isVip: false, row: 'A' },
    });
  });

  test.each([
    ['SeatTaken', 2, 1],
    ['SeatReserved', 4, 3],
    ['SeatBooked', 6, 5],
  ])('is not read from %s in schema version %i, which another release wrote', (name, schemaVersion, newest) => {
    const read = () => upcast(types, stored(name, schemaVersion, { guest }));
    expect(read).toThrow(UnreadableEventError);
    expect(read).toThrow(`${name} has schema version ${schemaVersion}, but this code reads versions up to ${newest}`);
  });

  test('is written under its present name, in its own schema version', () => {
    expect(currentSchemaVersion(types, 'SeatBooked')).toBe(5);
    expect(() => currentSchemaVersion(types, 'SeatReserved')).toThrow(UnreadableEventError);
    expect(formerTypes(types)).toEqual([
      { formerType: 'SeatTaken', type: 'SeatBooked' },
      { formerType: 'SeatReserved', type: 'SeatBooked' },
    ]);
  });
});

test('the current schema version is one more than the number of upcasters', () => {
  expect(currentSchemaVersion(seatType.events, 'SeatReserved')).toBe(3);
  expect(currentSchemaVersion(seatType.events, 'SeatReleased')).toBe(1);
  expect(() => currentSchemaVersion(seatType.events, 'SeatPainted')).toThrow(UnreadableEventError);
});
