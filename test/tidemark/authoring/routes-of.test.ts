import { text } from 'drizzle-orm/sqlite-core';
import { expect, it } from 'vitest';
import * as z from 'zod/mini';

import { readModel, routesOf } from '#tidemark';
import { serving } from '../../../src/groups.ts';
import { seat } from '../../guides/seats/seat.ts';

const guests = readModel(seat, {
  name: 'guests',
  revision: 1,
  group: serving,
  columns: { place: text('place').notNull(), guest: text('guest') },
  on: {
    SeatAdded: { create: ({ data }) => ({ place: data.place, guest: null }) },
    SeatReserved: { change: (row, { data }) => ({ ...row, guest: data.guest }) },
    SeatReleased: { change: (row) => ({ ...row, guest: null }) },
  },
  lists: { byGuest: { filter: ['guest'], sort: ['place'] } },
});

const seats = routesOf(seat, {
  path: '/seats',
  tag: 'seats',
  name: 'Seat',
  view: { place: z.string(), guest: z.nullable(z.string()) },
  example: { place: 'A12', guest: 'Ada' },
  fromState: (state) => ({ ...state, guest: state.status === 'reserved' ? state.guest : null }),
});

it('a filter on a text that may be null takes the normal form of a text, up to its maximum length', () => {
  const { query } = seats.list(guests, 'byGuest', { summary: 'Seats by guest' }).operation;
  if (!query) throw new Error('the list has a query');
  expect(query.safeParse({ guest: ' E\u0301va  Ada' })).toMatchObject({
    success: true,
    data: { guest: '\u00C9va Ada' },
  });
  expect(query.safeParse({ guest: 'x'.repeat(201) }).success).toBe(false);
});
