import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { StoredEvent } from '../../../src/tidemark/domain/event.ts';
import { createRegistry } from '../../../src/tidemark/projections/registry.ts';
import { fingerprintOf } from '../../../src/tidemark/domain/seen.ts';
import { inMemoryStorage } from '../../../src/tidemark/testing/in-memory-storage.ts';
import { manualClock } from '../../../src/tidemark/testing/manual-clock.ts';
import type { AggregateStorage } from '../../../src/tidemark/write/aggregate-storage.ts';
import type { AnyAggregateType } from '../../../src/tidemark/domain/aggregate-type.ts';
import { createAggregate } from '../../../src/tidemark/write/aggregate.ts';
import { seatType } from '../seats.ts';
import { applied, release, replayed, requestOf, reserve, seat12, seatAggregate, turnOver } from './seat-aggregate.ts';

describe('executing commands', () => {
  test('gives a stream the versions 1 to n, one for each event', () => {
    const { run, all, aggregate } = seatAggregate();
    expect(aggregate.currentVersion()).toBe(0);
    expect(run(reserve('Ada'))).toEqual(applied(1));
    expect(run(turnOver('Bob'))).toEqual(applied(4));
    expect(run(release)).toEqual(applied(5));
    expect(all().map(({ version, type }) => [version, type])).toEqual([
      [1, 'SeatReserved'],
      [2, 'SeatReleased'],
      [3, 'SeatCleaned'],
      [4, 'SeatReserved'],
      [5, 'SeatReleased'],
    ]);
    expect(aggregate.currentVersion()).toBe(5);
  });

  test('records the origin of an event, its current schema version and its own id', () => {
    const { run, all } = seatAggregate();
    const metadata = { commandId: 'c', correlationId: 'co', causationId: 'ca', actor: 'usher' };
    run(turnOver('Ada'), { metadata });
    expect(all()).toMatchObject([
      { type: 'SeatCleaned', schemaVersion: 1 },
      { type: 'SeatReserved', schemaVersion: 3, data: { guest: 'Ada', isVip: false } },
    ]);
    for (const event of all()) {
      expect(event.stream).toBe(seat12);
      expect(event.metadata).toEqual(metadata);
    }
    expect(new Set(all().map(({ id }) => id)).size).toBe(2);
  });

  test('refuses a command that its code does not know', () => {
    const { run, all } = seatAggregate();
    run(reserve('Ada'));
    expect(run({ type: 'UpgradeSeat', data: {} } as never)).toEqual({
      outcome: 'code-too-old',
      reason: 'it does not know the command UpgradeSeat',
    });
    expect(all()).toHaveLength(1);
  });

  test('arms the alarm with the versions that it adds', () => {
    const { run, armed } = seatAggregate();
    run(reserve('Ada'));
    run(turnOver('Bob'));
    expect(armed).toEqual([
      [seat12, 1, 1],
      [seat12, 2, 4],
    ]);
  });

  test('returns a refusal as a value, and stores nothing', () => {
    const { run, all, armed } = seatAggregate();
    run(reserve('Ada'));
    expect(run(reserve('Bob'))).toEqual({
      outcome: 'rejected',
      rejection: { code: 'seat-taken', message: 'Ada sits there.', details: { guest: 'Ada' } },
      version: 1,
      eventId: all()[0]?.id,
    });
    expect(all()).toHaveLength(1);
    expect(armed).toHaveLength(1);
  });

  test('returns the state right after the command on request', () => {
    const { run } = seatAggregate();
    expect(run(reserve('Ada'), { returnState: true })).toEqual({
      ...applied(1),
      state: {
        version: 1,
        eventId: expect.any(String) as string,
        state: { status: 'reserved', reservations: 1, guest: 'Ada', isVip: false, since: '2026-01-01T00:00:00.000Z' },
      },
    });
  });

  test('appends no event and arms no alarm if the decider decides nothing', () => {
    const idle = { ...seatType, decider: { ...seatType.decider, decide: () => [] } };
    const armed: number[] = [];
    const storage = inMemoryStorage();
    const ports = { storage, clock: manualClock(), typeOf: () => idle, armAlarm: () => void armed.push(1) };
    const idempotency = { key: 'k', fingerprint: 'f' };
    expect(createAggregate(ports).execute(requestOf(release, { idempotency }))).toEqual({
      outcome: 'applied',
      version: 0,
      replayed: false,
    });
    expect(storage.head()).toBeUndefined();
    expect(armed).toEqual([]);
  });
});

describe('an expected version', () => {
  test('lets the command through if it equals the current one', () => {
    const { run } = seatAggregate();
    expect(run(reserve('Ada'), { expectedVersion: 0 })).toEqual(applied(1));
    expect(run(release, { expectedVersion: 1 })).toEqual(applied(2));
  });

  test.each([0, 1, 3, 99])(
    'of %i, with the stream at 2, appends nothing and returns the current version (I5)',
    (expectedVersion) => {
      const { run, all, armed } = seatAggregate();
      run(reserve('Ada'));
      run(release);
      const idempotency = { key: 'k', fingerprint: 'f' };
      expect(run(reserve('Bob'), { expectedVersion, idempotency })).toEqual({
        outcome: 'version-mismatch',
        currentVersion: 2,
        eventId: all()[1]?.id,
      });
      expect(all()).toHaveLength(2);
      expect(armed).toHaveLength(2);
      expect(run(reserve('Bob'), { idempotency })).toEqual(applied(3));
    },
  );

  test('is checked before the domain decides', () => {
    const { run } = seatAggregate();
    run(reserve('Ada'));
    expect(run(reserve('Bob'), { expectedVersion: 7 })).toMatchObject({
      outcome: 'version-mismatch',
      currentVersion: 1,
    });
  });

  test('yields to the domain’s refusal if the stream does not exist, and otherwise appends nothing', () => {
    const { run, storage } = seatAggregate();
    expect(run(release, { expectedVersion: 4 })).toMatchObject({
      outcome: 'rejected',
      rejection: { code: 'seat-free' },
    });
    expect(run(reserve('Ada'), { expectedVersion: 4 })).toEqual({ outcome: 'version-mismatch', currentVersion: 0 });
    expect(storage.head()).toBeUndefined();
  });
});

describe('the time of an event', () => {
  test('never goes back, whatever the clock does (I1)', () => {
    const { run, all, clock } = seatAggregate();
    run(reserve('Ada'));
    clock.advance(-3_600_000);
    run(release);
    clock.advance(3_600_001);
    run(reserve('Bob'));
    expect(all().map(({ recordedAt }) => recordedAt)).toEqual([
      '2026-01-01T00:00:00.000Z',
      '2026-01-01T00:00:00.000Z',
      '2026-01-01T00:00:00.001Z',
    ]);
  });

  test('never goes back across an eviction, however the clock jumps', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ jump: fc.integer({ min: -100_000, max: 100_000 }), evicts: fc.boolean() })),
        (steps) => {
          const storage = inMemoryStorage();
          const clock = manualClock();
          let { run, all } = seatAggregate({ storage, clock });
          for (const { jump, evicts } of steps) {
            clock.advance(jump);
            if (evicts) ({ run, all } = seatAggregate({ storage, clock }));
            run(turnOver('Ada'));
          }
          const times = all().map(({ recordedAt }) => recordedAt);
          expect(times).toEqual(times.toSorted());
          expect(all().map(({ version }) => version)).toEqual(times.map((_, index) => index + 1));
        },
      ),
    );
  });
});

describe('a commit that throws', () => {
  function failing(at: number) {
    const storage = inMemoryStorage();
    let commits = 0;
    const commit: AggregateStorage['commit'] = (whole) => {
      commits += 1;
      if (commits === at) throw new Error('disk full');
      storage.commit(whole);
    };
    return seatAggregate({ storage: { ...storage, commit } });
  }

  test('changes nothing in memory: version, state and the next command are as before', () => {
    const { run, all, aggregate } = failing(2);
    run(reserve('Ada'));
    const before = aggregate.state(seat12);
    expect(() => run(turnOver('Bob'))).toThrow('disk full');
    expect(aggregate.currentVersion()).toBe(1);
    expect(aggregate.state(seat12)).toEqual(before);
    expect(all()).toHaveLength(1);
    expect(run(reserve('Cleo'))).toMatchObject({ outcome: 'rejected', rejection: { details: { guest: 'Ada' } } });
    expect(run(turnOver('Bob'))).toEqual(applied(4));
  });

  test('remembers no key, so that the same command can be sent again (I4)', () => {
    const { run } = failing(2);
    run(reserve('Ada'));
    const idempotency = { key: 'k', fingerprint: 'f' };
    expect(() => run(release, { idempotency })).toThrow('disk full');
    expect(run(release, { idempotency })).toEqual(applied(2));
  });

  test('leaves a missing stream missing', () => {
    const { run, aggregate } = failing(1);
    expect(() => run(reserve('Ada'))).toThrow('disk full');
    expect(aggregate.currentVersion()).toBe(0);
    expect(aggregate.state(seat12)).toBeUndefined();
    expect(run(reserve('Bob'))).toEqual(applied(1));
  });

  test('throws if the alarm cannot be armed, and stores nothing (I6)', () => {
    const storage = inMemoryStorage();
    const armAlarm = () => {
      throw new Error('no alarm');
    };
    const aggregate = createAggregate({ storage, clock: manualClock(), typeOf: () => seatType, armAlarm });
    expect(() => aggregate.execute(requestOf(reserve('Ada')))).toThrow('no alarm');
    expect(storage.head()).toBeUndefined();
    expect(aggregate.currentVersion()).toBe(0);
  });
});

describe('an aggregate whose code is too old', () => {
  const keyed = { idempotency: { key: 'k', fingerprint: 'f' } };

  /** Ada has sat there and left, and then newer code has recorded an event. Each call uses a cold object. */
  function fromTomorrow(event: Partial<StoredEvent>) {
    const { storage, run, all } = seatAggregate();
    run(reserve('Ada'));
    run(release, keyed);
    const last = all().at(-1) ?? expect.unreachable('no event');
    const events = [{ ...last, id: 'tomorrow', version: 3, ...event }];
    const remember = { key: 'l', fingerprint: 'f', version: 3, expiresAt: Number.POSITIVE_INFINITY };
    storage.commit({ stream: seat12, events, remember, now: 0, armAlarm: () => undefined });
    return { storage, cold: () => seatAggregate({ storage }) };
  }

  test.each([
    ['an event type', { type: 'SeatPainted' }],
    ['a schema version', { schemaVersion: 99 }],
  ])('does nothing and returns no state for %s in its log', (_, event) => {
    const { storage, cold } = fromTomorrow(event);
    expect(cold().run(reserve('Bob'))).toMatchObject({ outcome: 'code-too-old' });
    expect(cold().aggregate.state(seat12)).toMatchObject({ outcome: 'code-too-old' });
    expect(cold().aggregate.state(seat12, { version: 3 })).toMatchObject({ outcome: 'code-too-old' });
    expect(storage.head()?.version).toBe(3);
  });

  test('returns the log, and the states before the unknown event', () => {
    const { cold } = fromTomorrow({ type: 'SeatPainted' });
    expect(cold().aggregate.state(seat12, { version: 2 })).toMatchObject({ version: 2 });
    expect(cold().aggregate.load(1, 10).events).toHaveLength(3);
  });

  test('returns the outcome of a key, without the state if it cannot fold it (I3)', () => {
    const { cold } = fromTomorrow({ type: 'SeatPainted' });
    const asked = { stream: seat12, returnState: true };
    expect(cold().run(release, { ...keyed, returnState: true })).toMatchObject({
      ...replayed(2),
      state: { version: 2 },
    });
    expect(cold().aggregate.replay({ ...asked, ...keyed })).toMatchObject({ ...replayed(2), state: { version: 2 } });
    const later = { idempotency: { key: 'l', fingerprint: 'f' } };
    expect(cold().run(release, { ...later, returnState: true })).toEqual(replayed(3));
    expect(cold().aggregate.replay({ ...asked, ...later })).toEqual(replayed(3));
  });

  test('does nothing for an unknown category', () => {
    const { typeOf } = createRegistry([], []);
    const ports = { storage: inMemoryStorage(), clock: manualClock(), typeOf, armAlarm: () => undefined };
    expect(createAggregate(ports).execute(requestOf(reserve('Ada')))).toEqual({
      outcome: 'code-too-old',
      reason: 'no module has the category "seat"',
    });
    expect(ports.storage.head()).toBeUndefined();
  });

  test('throws if the decider returns an event that the code cannot write: that is a bug', () => {
    const painting = {
      ...seatType,
      decider: { ...seatType.decider, decide: () => [{ type: 'SeatPainted', data: {} }] },
    };
    const { run, all } = seatAggregate({ type: painting as unknown as AnyAggregateType });
    expect(() => run(reserve('Ada'))).toThrow('SeatPainted');
    expect(all()).toEqual([]);
  });
});

describe('a sender who has seen a version (I21)', () => {
  /** Ada has sat there and left, and Bob sits there. */
  function threeEvents() {
    const seats = seatAggregate();
    for (const command of [reserve('Ada'), release, reserve('Bob')]) seats.run(command);
    return seats;
  }

  test('is refused if the log has another event there: at the head, before it, beyond it', () => {
    for (const [seenVersion, lostId] of [
      [3, 'lost'],
      [2, 'lost'],
      [4, 'any'],
    ] as const) {
      const { run, all, armed } = threeEvents();
      const seen = { seenVersion, seenFingerprint: fingerprintOf(lostId) };
      const ahead = { outcome: 'token-ahead', seenVersion, head: 3 };
      expect(run(release, seen)).toEqual(ahead);
      // The sender decided by lost events. So it gets neither a remembered outcome nor a refusal.
      expect(run(reserve('Cleo'), { ...seen, idempotency: { key: 'k', fingerprint: 'f' } })).toEqual(ahead);
      expect([all().length, armed.length]).toEqual([3, 3]);
    }
  });

  test('is accepted if the log has that event, at the head and before it', () => {
    for (const seenVersion of [1, 2, 3]) {
      const { run, all } = threeEvents();
      const seenFingerprint = fingerprintOf(all()[seenVersion - 1]?.id ?? '');
      expect(run(release, { seenVersion, seenFingerprint })).toEqual(applied(4));
    }
  });

  test('without a fingerprint is compared by the version alone', () => {
    const { run } = threeEvents();
    expect(run(release, { seenVersion: 4 })).toMatchObject({ outcome: 'token-ahead' });
    expect(run(release, { seenVersion: 3 })).toEqual(applied(4));
  });
});

test('every answer has the id of the event at its version', () => {
  const { run, all, aggregate } = seatAggregate();
  const idempotency = { key: 'k', fingerprint: 'f' };
  const first = run(reserve('Ada'), { idempotency });
  run(release);
  const [one, two] = all();
  expect(first).toMatchObject({ version: 1, eventId: one?.id });
  expect(run(reserve('Ada'), { idempotency, returnState: true })).toMatchObject({
    replayed: true,
    eventId: one?.id,
    state: { version: 1, eventId: one?.id },
  });
  expect(run(release)).toMatchObject({ outcome: 'rejected', version: 2, eventId: two?.id });
  expect(run(release, { expectedVersion: 1 })).toMatchObject({ outcome: 'version-mismatch', eventId: two?.id });
  expect(aggregate.state(seat12)).toMatchObject({ version: 2, eventId: two?.id });
  expect(aggregate.state(seat12, { version: 1 })).toMatchObject({ version: 1, eventId: one?.id });
});

describe('reading the log', () => {
  test('returns pages, each tied to the event before it', () => {
    const { run, aggregate, all } = seatAggregate();
    run(reserve('Ada'));
    run(turnOver('Bob'));
    expect(aggregate.load(1, 2)).toMatchObject({ events: [{ version: 1 }, { version: 2 }], previousId: null, head: 4 });
    expect(aggregate.load(3, 2)).toMatchObject({
      events: [{ version: 3 }, { version: 4 }],
      previousId: all()[1]?.id,
      head: 4,
    });
    expect(aggregate.load(5, 2)).toEqual({ events: [], previousId: all()[3]?.id, head: 4, headId: all()[3]?.id });
    expect(aggregate.load(9, 2)).toEqual({ events: [], previousId: null, head: 4, headId: all()[3]?.id });
  });

  test('of a stream that does not exist returns nothing, and stores nothing', () => {
    const { aggregate, storage } = seatAggregate();
    expect(aggregate.load(1, 10)).toEqual({ events: [], previousId: null, head: 0 });
    expect(aggregate.state(seat12)).toBeUndefined();
    expect(aggregate.state(seat12, { version: 1 })).toBeUndefined();
    expect(storage.head()).toBeUndefined();
  });
});
