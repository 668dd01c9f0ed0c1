import * as z from 'zod/mini';

import {
  type CommandOf,
  type Decision,
  type EventOf,
  type RecordedEvent,
  type Rejection,
  aggregate,
  commands,
  events,
  text,
} from '#tidemark';

const seatEvents = events({
  SeatAdded: { place: z.string() },
  SeatReserved: { guest: z.string() },
  SeatReleased: {},
});
export type SeatEvent = EventOf<typeof seatEvents>;

const seatCommands = commands('seatId', {
  AddSeat: { place: text(20) },
  ReserveSeat: { guest: text(200) },
  ReleaseSeat: {},
});
export type SeatCommand = CommandOf<typeof seatCommands>;

export type SeatRefusal = Rejection<'not-found' | 'seat-exists' | 'seat-taken' | 'seat-free'>;

export const SEAT_STATUSES = ['free', 'reserved'] as const;

export type Seat =
  | { readonly status: 'absent' }
  | { readonly status: 'free'; readonly place: string; readonly updatedAt: string }
  | { readonly status: 'reserved'; readonly place: string; readonly guest: string; readonly updatedAt: string };

function decide(command: SeatCommand, seat: Seat): Decision<SeatEvent, SeatRefusal> {
  if (command.type === 'AddSeat') {
    if (seat.status !== 'absent') return { code: 'seat-exists', message: 'This seat exists already.' };
    return [{ type: 'SeatAdded', data: { place: command.data.place } }];
  }
  if (seat.status === 'absent') return { code: 'not-found', message: 'There is no such seat.' };
  switch (command.type) {
    case 'ReserveSeat':
      if (seat.status === 'reserved') return { code: 'seat-taken', message: `Seat ${seat.place} is taken.` };
      return [{ type: 'SeatReserved', data: { guest: command.data.guest } }];
    case 'ReleaseSeat':
      if (seat.status === 'free') return { code: 'seat-free', message: `Seat ${seat.place} is free.` };
      return [{ type: 'SeatReleased', data: {} }];
    default:
      return command satisfies never;
  }
}

function evolve(seat: Seat, event: RecordedEvent<SeatEvent>): Seat {
  const updatedAt = event.recordedAt;
  if (event.type === 'SeatAdded') return { status: 'free', place: event.data.place, updatedAt };
  if (seat.status === 'absent') return seat;
  const { place } = seat;
  switch (event.type) {
    case 'SeatReserved':
      return { status: 'reserved', place, guest: event.data.guest, updatedAt };
    case 'SeatReleased':
      return { status: 'free', place, updatedAt };
    default:
      return event satisfies never;
  }
}

export const seat = aggregate({
  category: 'seat',
  events: seatEvents,
  commands: seatCommands,
  decider: { initialState: { status: 'absent' }, decide, evolve },
  stateVersion: 1,
  refusals: {
    'seat-exists': { status: 409, title: 'Seat exists', advice: 'Choose another id.', of: ['AddSeat'] },
    'seat-taken': { status: 409, title: 'Seat taken', advice: 'Choose another seat.', of: ['ReserveSeat'] },
    'seat-free': { status: 409, title: 'Seat free', advice: 'There is nothing to release.', of: ['ReleaseSeat'] },
  },
});
