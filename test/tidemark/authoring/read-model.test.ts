import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';

import { ignored, readModel } from '#tidemark';
import { project } from '#tidemark/testing';
import { serving } from '../../../src/groups.ts';
import { shapeOf } from '../../../src/tidemark/projections/slot-tables.ts';
import type { List } from '../../../src/tidemark/authoring/keyed-list.ts';
import { seat } from '../../guides/seats/seat.ts';

const Guest = z.strictObject({ name: z.string(), since: z.string() });

const guests = readModel(seat, {
  name: 'guests',
  revision: 1,
  group: serving,
  view: { place: z.string(), row: z.nullable(z.int()), guests: z.array(Guest), note: z.optional(z.string()) },
  on: {
    SeatAdded: { create: ({ data }) => ({ guests: [], row: 7, place: data.place }) },
    SeatReserved: {
      change: (shown, { data, recordedAt }) => ({
        ...shown,
        guests: [...shown.guests, { since: recordedAt, name: data.guest }],
      }),
    },
    SeatReleased: ignored,
  },
  lists: { byPlace: { filter: ['row', 'seatId'], sort: ['-place'] } },
});

const added = { type: 'SeatAdded', data: { place: 'A1' } } as const;
const reserved = { type: 'SeatReserved', data: { guest: 'Ada' } } as const;
const released = { type: 'SeatReleased', data: {} } as const;

describe('a read model', () => {
  const projected = project(guests).events(seat, 'one', [added, reserved, released]);

  it('gives handlers and tests the resource, with the version of the last event', () => {
    expect(projected.row(seat, 'one')).toEqual({
      seatId: 'one',
      version: 3,
      place: 'A1',
      row: 7,
      guests: [{ name: 'Ada', since: '2026-01-01T00:00:01.000Z' }],
    });
    projected.checkInterleavings();
  });

  it('holds the text of the resource, with the members in the order of the view at every depth', () => {
    const row = projected.row(seat, 'one');
    const text =
      '{"seatId":"one","place":"A1","row":7,"guests":[{"name":"Ada","since":"2026-01-01T00:00:01.000Z"}],"version":3}';
    expect(row && guests.prepared(row)).toEqual({ resource: text });
  });

  it('has a column for each member that a list names, and no other', () => {
    expect(shapeOf(guests.tables('a').row).columns.map(({ name }) => name)).toEqual([
      'seat_id',
      'version',
      'row',
      'place',
      'resource',
    ]);
  });

  it('takes the position of a page from the text of its last resource', () => {
    const resource = JSON.stringify({ seatId: 'one', place: 'A1', row: null });
    expect(guests.lists.byPlace.positionOf({ resource })).toEqual(['A1', 'one']);
    expect(guests.lists.byPlace.keys.map(({ kind }) => kind)).toEqual(['string', 'string']);
  });

  it('leaves out what the view does not name, and keeps what is null', () => {
    const given = { seatId: 'one', secret: 1, place: 'A1', row: null, guests: [], version: 1 };
    expect(guests.prepared(given)).toEqual({
      resource: '{"seatId":"one","place":"A1","row":null,"guests":[],"version":1}',
    });
  });

  it('refuses a list of a member that has the name of one of its own columns', () => {
    const declare = () =>
      readModel(seat, {
        name: 'clash',
        revision: 1,
        group: serving,
        view: { resource: z.string() },
        on: { SeatAdded: ignored, SeatReserved: ignored, SeatReleased: ignored },
        lists: { byResource: { sort: ['resource'] } },
      });
    expect(declare).toThrow('clash has a column "resource"');
  });
});

const declaration = {
  name: 'plan',
  revision: 1,
  group: serving,
  view: { place: z.string(), guest: z.nullable(z.string()), isAisle: z.boolean() },
  on: { SeatAdded: ignored, SeatReserved: ignored, SeatReleased: ignored },
} as const;

/** A read model whose types do not say which members may be null. */
function sortedBy(key: string) {
  const lists: Readonly<Record<string, List>> = { inOrder: { sort: [key] } };
  return () => readModel(seat, { ...declaration, lists: lists as never });
}

describe('a list is not declared', () => {
  it('if it sorts by a member that may be null: its pages would lose rows', () => {
    const message =
      'the list "inOrder" of "plan" sorts by "guest", which may be null, and rows without a value have no place between two pages. ' +
      "Let the member hold a value that stands for none, such as '' or 0";
    expect(sortedBy('guest')).toThrow(message);
    expect(sortedBy('-guest')).toThrow(message);
    expect(sortedBy('place')).not.toThrow();
    expect(sortedBy('seatId')).not.toThrow();
  });

  it('by the types either', () => {
    const lists = { inOrder: { filter: ['guest'], sort: ['-place', 'seatId'] } } as const;
    expect(readModel(seat, { ...declaration, lists }).lists.inOrder.keys).toHaveLength(2);
    // @ts-expect-error -- the member may be null
    expect(() => readModel(seat, { ...declaration, lists: { inOrder: { sort: ['guest'] } } })).toThrow();
    // @ts-expect-error -- the member may be null
    expect(() => readModel(seat, { ...declaration, lists: { inOrder: { sort: ['-guest'] } } })).toThrow();
    // @ts-expect-error -- the member is neither a text nor a number
    readModel(seat, { ...declaration, lists: { inOrder: { sort: ['isAisle'] } } });
  });
});
