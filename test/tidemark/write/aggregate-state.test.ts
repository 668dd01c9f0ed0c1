import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { type InMemoryStorage, inMemoryStorage } from '../../../src/tidemark/testing/in-memory-storage.ts';
import { manualClock } from '../../../src/tidemark/testing/manual-clock.ts';
import type { AggregateOptions } from '../../../src/tidemark/write/aggregate.ts';
import type { Snapshot } from '../../../src/tidemark/write/aggregate-storage.ts';
import { type SeatCommand, seatType } from '../seats.ts';
import { applied, release, reserve, seat12, seatAggregate, turnOver } from './seat-aggregate.ts';

/** A storage that records which events a fold reads, and lets a test change its snapshot. */
function watched() {
  const storage = inMemoryStorage();
  const reads: [fromVersion: number, limit: number][] = [];
  let tamper: (snapshot: Snapshot) => Snapshot = (snapshot) => snapshot;
  const spying: InMemoryStorage = {
    ...storage,
    read(fromVersion, limit) {
      reads.push([fromVersion, limit]);
      return storage.read(fromVersion, limit);
    },
    snapshot() {
      const snapshot = storage.snapshot();
      return snapshot && tamper(snapshot);
    },
  };
  return {
    storage: spying,
    /** The first version that a new aggregate reads to fold the state. */
    foldsFrom() {
      reads.length = 0;
      seatAggregate({ storage: spying }).aggregate.state(seat12);
      return reads.find(([, limit]) => limit > 1)?.[0];
    },
    tamperWith(change: (snapshot: Snapshot) => Snapshot) {
      tamper = change;
    },
  };
}

/** Seven events, with a snapshot at the fourth. */
function sevenEvents() {
  const watching = watched();
  const { run } = seatAggregate({ storage: watching.storage }, { snapshotEvery: 4 });
  run(reserve('Ada'));
  run(turnOver('Bob'));
  run(turnOver('Cleo'));
  return watching;
}

const cleoSits = { version: 7, state: { status: 'reserved', reservations: 3, guest: 'Cleo', isVip: false } };

describe('a snapshot', () => {
  test('is stored once enough events have followed the last one, in the command’s own commit', () => {
    const storage = inMemoryStorage();
    const { run } = seatAggregate({ storage }, { snapshotEvery: 4 });
    run(reserve('Ada'));
    expect(storage.snapshot()).toBeUndefined();
    run(turnOver('Bob'));
    expect(storage.snapshot()).toMatchObject({
      version: 4,
      stateVersion: 1,
      eventId: storage.read(4, 1)[0]?.id,
      state: { guest: 'Bob' },
    });
    run(turnOver('Cleo'));
    expect(storage.snapshot()?.version).toBe(4);
    run(release);
    expect(storage.snapshot()?.version).toBe(8);
  });

  test('is stored at the right version by an aggregate that started from one', () => {
    const { storage } = sevenEvents();
    const { run } = seatAggregate({ storage }, { snapshotEvery: 5 });
    run(release);
    expect(storage.snapshot()?.version).toBe(4);
    run(reserve('Dora'));
    expect(storage.snapshot()?.version).toBe(9);
  });

  test('is not stored if the state is too large', () => {
    const storage = inMemoryStorage();
    const { run } = seatAggregate({ storage }, { snapshotEvery: 1, snapshotMaxLength: 200 });
    run(reserve('x'.repeat(200)));
    expect(storage.snapshot()).toBeUndefined();
    run(release);
    expect(storage.snapshot()?.version).toBe(2);
  });

  test('lets a cold start skip the events before it', () => {
    const { storage, foldsFrom } = sevenEvents();
    expect(foldsFrom()).toBe(5);
    expect(seatAggregate({ storage }).aggregate.state(seat12)).toMatchObject(cleoSits);
  });

  test('is ignored if another version of the code folded it', () => {
    const { storage, foldsFrom, tamperWith } = sevenEvents();
    tamperWith((snapshot) => ({ ...snapshot, stateVersion: 2, state: { status: 'lost' } }));
    expect(foldsFrom()).toBe(1);
    expect(seatAggregate({ storage }).aggregate.state(seat12)).toMatchObject(cleoSits);
  });

  test('is ignored if it belongs to another log, as after a restore', () => {
    const { storage, foldsFrom, tamperWith } = sevenEvents();
    tamperWith((snapshot) => ({ ...snapshot, eventId: 'an event that is no more', state: { status: 'lost' } }));
    expect(foldsFrom()).toBe(1);
    expect(seatAggregate({ storage }).aggregate.state(seat12)).toMatchObject(cleoSits);
  });

  test('is ignored if it is ahead of the log', () => {
    const { storage, foldsFrom, tamperWith } = sevenEvents();
    tamperWith((snapshot) => ({ ...snapshot, version: 12, state: { status: 'lost' } }));
    expect(foldsFrom()).toBe(1);
    expect(seatAggregate({ storage }).aggregate.state(seat12)).toMatchObject(cleoSits);
  });

  test('can be deleted at any time: only the number of reads changes', () => {
    const { storage, foldsFrom } = sevenEvents();
    const before = seatAggregate({ storage }).aggregate.state(seat12);
    storage.deleteSnapshot();
    expect(seatAggregate({ storage }).aggregate.state(seat12)).toEqual(before);
    expect(foldsFrom()).toBe(1);
    expect(seatAggregate({ storage }).run(release)).toEqual(applied(8));
  });

  test('never changes an outcome, wherever snapshots and evictions fall', () => {
    const command = fc.oneof(
      fc.constantFrom<SeatCommand>(release, reserve('Ada'), reserve('Bob')),
      fc.constant<SeatCommand>(turnOver('Cleo')),
    );
    const step = fc.record({ command, evicts: fc.boolean(), deletesSnapshot: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 6 }), (steps, snapshotEvery) => {
        const plain = seatAggregate({}, { snapshotEvery: Number.POSITIVE_INFINITY });
        const storage = inMemoryStorage();
        const clock = manualClock();
        const options: AggregateOptions = { snapshotEvery };
        let other = seatAggregate({ storage, clock }, options);
        for (const { command: next, evicts, deletesSnapshot } of steps) {
          if (deletesSnapshot) storage.deleteSnapshot();
          if (evicts) other = seatAggregate({ storage, clock }, options);
          expect(other.run(next, { returnState: true })).toEqual(plain.run(next, { returnState: true }));
        }
        expect(other.aggregate.state(seat12)).toEqual(plain.aggregate.state(seat12));
      }),
    );
  });
});

describe('a cold start', () => {
  test('folds events stored in an earlier shape', () => {
    const yesterday = { ...seatType, events: { ...seatType.events, SeatReserved: [] } };
    const storage = inMemoryStorage();
    seatAggregate({ storage, type: yesterday }).run({ type: 'ReserveSeat', data: { seatId: '12', guest: '' } });
    const lifted = {
      ...seatType,
      events: { ...seatType.events, SeatReserved: [() => ({ guest: 'Ada', isVip: true })] },
    };
    expect(seatAggregate({ storage, type: lifted }).aggregate.state(seat12)).toMatchObject({
      state: { guest: 'Ada', isVip: true },
    });
  });

  test('reads a log of any length, page after page', () => {
    const storage = inMemoryStorage({ pageLength: 2_000 });
    const { run } = seatAggregate({ storage });
    for (let reservations = 0; reservations < 100; reservations += 1) run(turnOver('Ada'));
    expect(seatAggregate({ storage }).aggregate.state(seat12)).toMatchObject({
      version: 299,
      state: { reservations: 100 },
    });
  });
});

describe('a past state', () => {
  function threeSeconds() {
    const seat = seatAggregate({}, { snapshotEvery: 1 });
    seat.run(reserve('Ada'));
    seat.clock.advance(1_000);
    seat.run(release);
    seat.clock.advance(1_000);
    seat.run(reserve('Bob'));
    return seat.aggregate;
  }

  test('at a version is the fold of the events up to it', () => {
    const aggregate = threeSeconds();
    expect(aggregate.state(seat12, { version: 1 })).toMatchObject({
      version: 1,
      state: { status: 'reserved', guest: 'Ada' },
    });
    expect(aggregate.state(seat12, { version: 2 })).toMatchObject({
      version: 2,
      state: { status: 'free', reservations: 1 },
    });
    expect(aggregate.state(seat12, { version: 3 })).toMatchObject({ version: 3, state: { guest: 'Bob' } });
  });

  test('is undefined before the first version, and is the present state beyond the head', () => {
    const aggregate = threeSeconds();
    expect(aggregate.state(seat12, { version: 0 })).toBeUndefined();
    expect(aggregate.state(seat12, { version: 9 })).toMatchObject({ version: 3, state: { guest: 'Bob' } });
  });

  test('at a time is the fold of the events recorded by then', () => {
    const aggregate = threeSeconds();
    const at = (time: string) => {
      const state = aggregate.state(seat12, { time });
      return state && 'version' in state ? state.version : state;
    };
    expect(at('2025-12-31T23:59:59.999Z')).toBeUndefined();
    expect(at('2026-01-01T00:00:00.000Z')).toBe(1);
    expect(at('2026-01-01T00:00:00.999Z')).toBe(1);
    expect(at('2026-01-01T00:00:01.000Z')).toBe(2);
    expect(at('2030-01-01T00:00:00.000Z')).toBe(3);
  });

  test('does not change the present state', () => {
    const aggregate = threeSeconds();
    aggregate.state(seat12, { version: 1 });
    expect(aggregate.state(seat12)).toMatchObject({ version: 3, state: { guest: 'Bob' } });
  });
});
