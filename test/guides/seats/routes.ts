import { routesOf } from '#tidemark';
import { seat } from './seat.ts';
import { seatMap } from './seat-map.ts';

const seats = routesOf(seat, {
  path: '/seats',
  tag: 'seats',
  name: 'Seat',
  access: { read: { scope: null, whose: 'everyone' }, write: { scope: 'seats:write', whose: 'staff' } },
  view: seatMap.view,
  example: { place: 'A12', status: 'reserved', guest: 'Ada Lovelace', updatedAt: '2026-11-23T09:00:00.000Z' },
  fromState: (state) => ({ ...state, guest: state.status === 'reserved' ? state.guest : null }),
});

export const seatRoutes = [
  seats.create('AddSeat', { summary: 'Add a seat', example: { place: 'A12' } }),
  seats.command('ReserveSeat', '/reservation', {
    summary: 'Reserve a free seat',
    example: { guest: 'Ada Lovelace' },
  }),
  seats.command('ReleaseSeat', '/release', { summary: 'Release a reserved seat' }),
  seats.resource(seatMap),
  seats.list(seatMap, 'byPlace', { summary: 'Seats by place' }),
  seats.history({ example: { type: 'SeatReserved', data: { guest: 'Ada Lovelace' } } }),
];
