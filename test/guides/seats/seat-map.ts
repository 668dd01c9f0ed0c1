import * as z from 'zod/mini';

import { Time, readModel } from '#tidemark';
import { serving } from '../../../src/groups.ts';
import { SEAT_STATUSES, seat } from './seat.ts';

/** The plan at the box office: every seat as it is now. */
export const seatMap = readModel(seat, {
  name: 'seat-map',
  revision: 1,
  group: serving,
  view: { place: z.string(), status: z.enum(SEAT_STATUSES), guest: z.nullable(z.string()), updatedAt: Time },
  on: {
    SeatAdded: {
      create: ({ data, recordedAt }) => ({ ...data, status: 'free', guest: null, updatedAt: recordedAt }),
    },
    SeatReserved: {
      change: (shown, { data, recordedAt }) => ({ ...shown, ...data, status: 'reserved', updatedAt: recordedAt }),
    },
    SeatReleased: {
      change: (shown, { recordedAt }) => ({ ...shown, status: 'free', guest: null, updatedAt: recordedAt }),
    },
  },
  lists: { byPlace: { filter: ['status'], sort: ['place'] } },
});
