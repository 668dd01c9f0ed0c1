import { expect } from 'vitest';

import type { StoredEvent } from '../../../src/tidemark/domain/event.ts';
import { streamId } from '../../../src/tidemark/domain/stream.ts';
import { inMemoryStorage } from '../../../src/tidemark/testing/in-memory-storage.ts';
import { manualClock } from '../../../src/tidemark/testing/manual-clock.ts';
import type { AggregateStorage } from '../../../src/tidemark/write/aggregate-storage.ts';
import type { AnyAggregateType } from '../../../src/tidemark/domain/aggregate-type.ts';
import { type AggregateOptions, type ExecuteRequest, createAggregate } from '../../../src/tidemark/write/aggregate.ts';
import { SEAT, type SeatCommand, seatOf, seatType } from '../seats.ts';

export const seat12 = streamId(SEAT, '12');

export const reserve = (guest: string): SeatCommand => ({ type: 'ReserveSeat', data: { seatId: '12', guest } });
export const release: SeatCommand = { type: 'ReleaseSeat', data: { seatId: '12' } };
export const turnOver = (guest: string): SeatCommand => ({ type: 'TurnOver', data: { seatId: '12', guest } });

let commands = 0;

/** A command, in the form that its aggregate gets. Each call makes another command of the same sender. */
export function requestOf(command: SeatCommand, more: Partial<ExecuteRequest> = {}): ExecuteRequest {
  commands += 1;
  const metadata = { commandId: `command ${commands}`, correlationId: 'co', causationId: 'ca', actor: 'usher' };
  return { stream: seatOf(command), command, metadata, ...more };
}

interface Ports {
  readonly storage?: AggregateStorage;
  readonly clock?: ReturnType<typeof manualClock>;
  readonly type?: AnyAggregateType;
}

/** The aggregate of seat 12 right after a start. Its storage may hold earlier events. */
export function seatAggregate(
  { storage = inMemoryStorage(), clock = manualClock(), type = seatType }: Ports = {},
  options?: AggregateOptions,
) {
  const armed: [string, number, number][] = [];
  const aggregate = createAggregate(
    { storage, clock, typeOf: () => type, armAlarm: (stream, from, to) => armed.push([stream, from, to]) },
    options,
  );
  return {
    aggregate,
    armed,
    clock,
    storage,
    run: (command: SeatCommand, more: Partial<ExecuteRequest> = {}) => aggregate.execute(requestOf(command, more)),
    all: (): readonly StoredEvent[] => aggregate.load(1, 10_000).events,
  };
}

/** The outcome of a command that was run. */
export const applied = (version: number) => ({ outcome: 'applied', version, eventId: anyId(), replayed: false });

/** The outcome of a command whose key was already applied. */
export const replayed = (version: number) => ({ outcome: 'applied', version, eventId: anyId(), replayed: true });

function anyId(): string {
  return expect.any(String) as string;
}
