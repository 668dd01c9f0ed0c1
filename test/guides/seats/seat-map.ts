import { text } from 'drizzle-orm/sqlite-core';

import { readModel } from '#tidemark';
import { serving } from '../../../src/groups.ts';
import { SEAT_STATUSES, seat } from './seat.ts';

/** The plan at the box office: every seat as it is now. */
export const seatMap = readModel(seat, {
  name: 'seat-map',
  revision: 1,
  group: serving,
  columns: {
    place: text('place').notNull(),
    status: text('status', { enum: SEAT_STATUSES }).notNull(),
    guest: text('guest'),
    updatedAt: text('updated_at').notNull(),
  },
  on: {
    SeatAdded: {
      create: ({ data, recordedAt }) => ({ place: data.place, status: 'free', guest: null, updatedAt: recordedAt }),
    },
    SeatReserved: {
      change: (row, { data, recordedAt }) => ({ ...row, status: 'reserved', guest: data.guest, updatedAt: recordedAt }),
    },
    SeatReleased: {
      change: (row, { recordedAt }) => ({ ...row, status: 'free', guest: null, updatedAt: recordedAt }),
    },
  },
  lists: { byPlace: { filter: ['status'], sort: ['place'] } },
});
