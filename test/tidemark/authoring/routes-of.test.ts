import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';

import { integerParameter, readModel, routesOf } from '#tidemark';
import { serving } from '../../../src/groups.ts';
import { seat } from '../../guides/seats/seat.ts';

const guests = readModel(seat, {
  name: 'guests',
  revision: 1,
  group: serving,
  view: { place: z.string(), guest: z.nullable(z.string()), row: z.int().check(z.minimum(1), z.lt(51)) },
  on: {
    SeatAdded: { create: ({ data }) => ({ place: data.place, guest: null, row: 1 }) },
    SeatReserved: { change: (shown, { data }) => ({ ...shown, guest: data.guest }) },
    SeatReleased: { change: (shown) => ({ ...shown, guest: null }) },
  },
  lists: {
    byGuest: { filter: ['guest'], sort: ['place'] },
    byRow: { filter: ['row'], sort: ['row', '-place'] },
  },
});

const shared = {
  path: '/seats',
  tag: 'seats',
  name: 'Seat',
  access: { read: { scope: null, whose: 'everyone' }, write: { scope: null, whose: 'staff' } },
  example: { place: 'A12', guest: 'Ada', row: 1 },
} as const;
const seats = routesOf(seat, {
  ...shared,
  view: guests.view,
  fromState: (state) => ({ ...state, row: 1, guest: state.status === 'reserved' ? state.guest : null }),
});

/** The query of a list's route. */
function queryOf({ operation }: ReturnType<typeof seats.list>) {
  if (!operation.query) throw new Error('the list has a query');
  return operation.query;
}

describe('a filter', () => {
  it('on a text that may be null takes the normal form of a text, up to its maximum length', () => {
    const query = queryOf(seats.list(guests, 'byGuest', { summary: 'Seats by guest' }));
    expect(query.safeParse({ guest: ' E\u0301va  Ada' })).toMatchObject({
      success: true,
      data: { guest: '\u00C9va Ada' },
    });
    expect(query.safeParse({ guest: 'x'.repeat(201) }).success).toBe(false);
  });

  it('on an integer reads the text of the query string, within the bounds of the resource’s member', () => {
    const query = queryOf(seats.list(guests, 'byRow', { summary: 'Seats by row' }));
    expect(query.safeParse({ row: '50' }).data).toMatchObject({ row: 50 });
    expect(query.safeParse({}).data).not.toHaveProperty('row');
    for (const row of ['0', '51', '1.5', 'x', ''])
      expect(query.safeParse({ row }).error?.issues[0]?.message).toBe('Must be an integer from 1 to 50.');
  });

  it('on an integer of a format has the bounds of the format', () => {
    const view = { ...guests.view, row: z.int32().check(z.minimum(-5)) };
    const model = { ...guests, view };
    const some = routesOf(seat, {
      ...shared,
      view,
      fromState: (state) => ({ place: state.place, guest: null, row: 1 }),
    });
    const query = queryOf(some.list(model, 'byRow', { summary: 'Seats by row' }));
    expect(query.safeParse({ row: '2147483647' }).success).toBe(true);
    for (const row of ['-6', '2147483648'])
      expect(query.safeParse({ row }).error?.issues[0]?.message).toBe('Must be an integer from -5 to 2147483647.');
  });

  it('has no schema that the read model does not name, and no default', () => {
    expect(() => seats.list(guests, 'byGuest', { summary: 'Seats', filter: { guests: z.string() } })).toThrow(
      'the list "byGuest" of "guests" has no filter "guests": name it in the read model',
    );
    expect(() =>
      seats.list(guests, 'byRow', { summary: 'Seats', filter: { row: integerParameter(1, 50, 1) } }),
    ).toThrow(
      'the filter "row" of the list "byRow" of "guests" has a default, but a request without the filter gets every row. Leave the default out',
    );
  });
});

it('refuses a read model with another view, whose texts could differ from those of the write side', () => {
  const others = routesOf(seat, {
    ...shared,
    view: { guest: z.nullable(z.string()), place: z.string(), row: z.number() },
    fromState: (state) => ({ place: state.place, guest: null, row: 1 }),
  });
  expect(() => others.resource(guests)).toThrow('/seats: give the routes the view of guests');
});
