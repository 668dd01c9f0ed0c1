import { integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core';

import type { DomainEvent } from '../../src/tidemark/domain/event.ts';
import type { Group } from '../../src/tidemark/platform/group.ts';
import type { EventSourcedModule } from '../../src/tidemark/projections/event-sourced-module.ts';
import { ignored, projectionOf } from '../../src/tidemark/projections/projection.ts';
import { slotTables } from '../../src/tidemark/projections/slot-tables.ts';
import { idOf, streamId } from '../../src/tidemark/domain/stream.ts';
import type { AggregateType } from '../../src/tidemark/domain/aggregate-type.ts';
import { sendTo } from '../../src/tidemark/write/command-bus.ts';
import type { Command, Rejection } from '../../src/tidemark/domain/decider.ts';

/*
 * A small domain for tests of the kernel in plain memory: the seats of a theatre. Events of three schema versions, a command that
 * decides several events at once, and a projection that uses every kind of table.
 */

export type SeatReserved = DomainEvent<'SeatReserved', { guest: string; isVip: boolean }>;
export type SeatReleased = DomainEvent<'SeatReleased', Record<never, never>>;
export type SeatCleaned = DomainEvent<'SeatCleaned', Record<never, never>>;
export type SeatEvent = SeatReserved | SeatReleased | SeatCleaned;

export type ReserveSeat = Command<'ReserveSeat', { seatId: string; guest: string; isVip?: boolean }>;
export type ReleaseSeat = Command<'ReleaseSeat', { seatId: string }>;
/** Next guest, please: released, cleaned and reserved again in one go. */
export type TurnOver = Command<'TurnOver', { seatId: string; guest: string }>;
export type SeatCommand = ReserveSeat | ReleaseSeat | TurnOver;

export type SeatRefusal = Rejection<'seat-taken' | 'seat-free'>;

export type Seat =
  | { readonly status: 'free'; readonly reservations: number }
  | {
      readonly status: 'reserved';
      readonly reservations: number;
      readonly guest: string;
      readonly isVip: boolean;
      readonly since: string;
    };

export const SEAT = 'seat';

export const seatType: AggregateType<Seat, SeatCommand, SeatEvent, SeatRefusal> = {
  category: SEAT,
  stateVersion: 1,
  events: {
    // First with the guest's name as `name`, then as `guest`, then with who is a VIP.
    SeatReserved: [
      ({ name, ...data }) => ({ ...data, guest: name }),
      (data) => ({ ...data, isVip: data['guest'] === 'Ada' }),
    ],
    SeatReleased: [],
    SeatCleaned: [],
  },
  decider: {
    initialState: { status: 'free', reservations: 0 },
    decide(command, seat) {
      switch (command.type) {
        case 'ReserveSeat': {
          const { guest, isVip = false } = command.data;
          if (seat.status === 'reserved') {
            return { code: 'seat-taken', message: `${seat.guest} sits there.`, details: { guest: seat.guest } };
          }
          return [{ type: 'SeatReserved', data: { guest, isVip } }];
        }
        case 'ReleaseSeat':
          if (seat.status === 'free') return { code: 'seat-free', message: 'Nobody sits there.' };
          return [{ type: 'SeatReleased', data: {} }];
        case 'TurnOver':
          return [
            ...(seat.status === 'reserved' ? [{ type: 'SeatReleased', data: {} } as const] : []),
            { type: 'SeatCleaned', data: {} },
            { type: 'SeatReserved', data: { guest: command.data.guest, isVip: false } },
          ];
        default:
          return command satisfies never;
      }
    },
    evolve(seat, event) {
      switch (event.type) {
        case 'SeatReserved':
          return { status: 'reserved', reservations: seat.reservations + 1, ...event.data, since: event.recordedAt };
        case 'SeatReleased':
          return { status: 'free', reservations: seat.reservations };
        case 'SeatCleaned':
          return seat;
        default:
          return event satisfies never;
      }
    },
  },
};

export const evening: Group = { name: 'evening', batchWaitMs: 1_000 };

export const seatTable = slotTables((slot) =>
  sqliteTable(`seat_map_${slot}`, {
    seatId: text('seat_id').primaryKey(),
    version: integer('version').notNull(),
    guest: text('guest'),
    guests: text('guests', { mode: 'json' }).$type<readonly string[]>().notNull(),
  }),
);

export const visitTable = slotTables((slot) =>
  sqliteTable(
    `seat_visits_${slot}`,
    { seatId: text('seat_id').notNull(), version: integer('version').notNull(), guest: text('guest').notNull() },
    (table) => [primaryKey({ columns: [table.seatId, table.version] })],
  ),
);

export const guestTable = slotTables((slot) =>
  sqliteTable(`seat_guests_${slot}`, {
    guest: text('guest').primaryKey(),
    seated: integer('seated').notNull(),
    visits: integer('visits').notNull().default(0),
  }),
);

/** Who sits where, who sat there, and how many seats each guest has. */
export const seatMap = projectionOf(seatType)({
  name: 'seat-map',
  revision: 1,
  group: evening,
  row: { tables: seatTable, key: 'seatId' },
  appends: { visits: visitTable },
  counters: { guests: { tables: guestTable, key: ['guest'] } },
  handlers: {
    SeatReserved: {
      create: ({ data }) => ({ guest: data.guest, guests: [data.guest] }),
      change: (row, { data }) => ({ guest: data.guest, guests: [...row.guests, data.guest] }),
      append: ({ stream, version, data }) => ({ visits: [{ seatId: idOf(stream), version, guest: data.guest }] }),
      count: ({ data }) => ({ guests: [{ guest: data.guest, seated: 1, visits: 1 }] }),
    },
    SeatReleased: {
      change: (row) => ({ ...row, guest: null }),
      count: (_event, row) => ({ guests: row?.guest ? [{ guest: row.guest, seated: -1 }] : [] }),
    },
    SeatCleaned: ignored,
  },
});

export const seatOf = (command: SeatCommand) => streamId(SEAT, command.data.seatId);

export const seats = {
  aggregate: seatType,
  projections: [seatMap],
  commands: ({ aggregates }) => ({
    ReserveSeat: sendTo<ReserveSeat>(aggregates, seatOf),
    ReleaseSeat: sendTo<ReleaseSeat>(aggregates, seatOf),
    TurnOver: sendTo<TurnOver>(aggregates, seatOf),
  }),
} satisfies EventSourcedModule;
