import { describe, expect, test } from 'vitest';

import { ImpureError } from '../../../src/tidemark/testing/determinism.ts';
import { ExpectationError } from '../../../src/tidemark/testing/difference.ts';
import { given } from '../../../src/tidemark/testing/given-when-then.ts';
import type { AggregateType } from '../../../src/tidemark/domain/aggregate-type.ts';
import { type SeatEvent, seatType } from '../seats.ts';

const adaSits: SeatEvent = { type: 'SeatReserved', data: { guest: 'Ada', isVip: false } };

describe('a met expectation', () => {
  test('says nothing for events, refusals and states', () => {
    given(seatType)
      .when({ type: 'ReserveSeat', data: { seatId: '12', guest: 'Ada' } })
      .then([adaSits])
      .thenState({ status: 'reserved', guest: 'Ada', reservations: 1 });
    given(seatType, [adaSits])
      .when({ type: 'ReserveSeat', data: { seatId: '12', guest: 'Bob' } })
      .thenRejected('seat-taken', { guest: 'Ada' });
    given(seatType, [adaSits, { type: 'SeatReleased', data: {} }]).thenState({ status: 'free', reservations: 1 });
  });

  test('can be returned from an asynchronous test', async () => {
    const met = given(seatType)
      .when({ type: 'ReserveSeat', data: { seatId: '12', guest: 'Ada' } })
      .then([adaSits]);
    await expect(Promise.resolve(met)).resolves.toBe(met);
  });
});

describe('a failed expectation', () => {
  test('shows the difference line by line', () => {
    const when = given(seatType).when({ type: 'ReserveSeat', data: { seatId: '12', guest: 'Bob' } });
    expect(() => when.then([adaSits])).toThrow(ExpectationError);
    expect(() => when.then([adaSits])).toThrow(/-\s+"guest": "Ada",\n\+\s+"guest": "Bob",/);
  });

  test('names the decided events if a refusal was expected', () => {
    const when = given(seatType).when({ type: 'ReserveSeat', data: { seatId: '12', guest: 'Bob' } });
    expect(() => when.thenRejected('seat-taken')).toThrow(
      'should be refused with "seat-taken", but it decided: SeatReserved.',
    );
  });

  test('shows another code, other details and missing details', () => {
    const when = given(seatType, [adaSits]).when({ type: 'ReserveSeat', data: { seatId: '12', guest: 'Bob' } });
    expect(() => when.thenRejected('seat-free')).toThrow(/-\s+"code": "seat-free"\n\+\s+"code": "seat-taken"/);
    expect(() => when.thenRejected('seat-taken', { guest: 'Cleo' })).toThrow(
      /-\s+"guest": "Cleo"\n\+\s+"guest": "Ada"/,
    );
    const free = given(seatType).when({ type: 'ReleaseSeat', data: { seatId: '12' } });
    expect(() => free.thenRejected('seat-free', { guest: 'Ada' })).toThrow(ExpectationError);
  });

  test('shows the refusal if events or a state were expected', () => {
    const when = given(seatType).when({ type: 'ReleaseSeat', data: { seatId: '12' } });
    expect(() => when.then([{ type: 'SeatReleased', data: {} }])).toThrow('seat-free');
    expect(() => when.thenState({ status: 'free' })).toThrow('it was refused: Nobody sits there.');
  });

  test('compares only the named members of the state', () => {
    const before = given(seatType, [adaSits]);
    expect(() => before.thenState({ status: 'reserved', guest: 'Bob' })).toThrow(/-\s+"guest": "Bob"/);
    expect(() => before.when({ type: 'ReleaseSeat', data: { seatId: '12' } }).thenState({ reservations: 2 })).toThrow(
      '"reservations"',
    );
  });

  test('is also a command that the test awaits without an expectation', async () => {
    const forgotten: unknown = given(seatType).when({ type: 'ReleaseSeat', data: { seatId: '12' } });
    await expect(Promise.resolve(forgotten)).rejects.toThrow('expects nothing of it');
  });
});

describe('given events', () => {
  test('are recorded one second apart, from the same start in every run', () => {
    given(seatType, [adaSits]).thenState({ since: '2026-01-01T00:00:00.000Z' });
    given(seatType, [adaSits, { type: 'SeatReleased', data: {} }, adaSits]).thenState({
      since: '2026-01-01T00:00:02.000Z',
    });
    given(seatType, [adaSits, { type: 'SeatReleased', data: {} }])
      .when({ type: 'ReserveSeat', data: { seatId: '12', guest: 'Ada' } })
      .thenState({ since: '2026-01-01T00:00:02.000Z' });
  });

  test('can have a time of recording', () => {
    given(seatType, [{ ...adaSits, recordedAt: '1843-09-01T12:00:00.000Z' }]).thenState({
      since: '1843-09-01T12:00:00.000Z',
    });
  });

  test('can have an earlier shape', () => {
    given(seatType, [{ type: 'SeatReserved', schemaVersion: 1, data: { name: 'Ada' } }]).thenState({
      guest: 'Ada',
      isVip: true,
    });
  });
});

describe('an impure decider', () => {
  type Impure = AggregateType<{ at: number }, { type: 'Look'; data: object }, { type: 'Looked'; data: { at: number } }>;
  const pure: Impure = {
    category: 'look',
    stateVersion: 1,
    events: { Looked: [] },
    decider: {
      initialState: { at: 0 },
      decide: () => [{ type: 'Looked', data: { at: 1 } }],
      evolve: (state) => state,
    },
  };

  test('fails if decide reads the time', () => {
    const decide = () => [{ type: 'Looked', data: { at: Date.now() } } as const];
    const impure: Impure = { ...pure, decider: { ...pure.decider, decide } };
    expect(() => given(impure).when({ type: 'Look', data: {} })).toThrow('decide of look calls Date.now()');
  });

  test('fails if evolve uses a random source, even if it hides the error', () => {
    function evolve(state: { at: number }) {
      try {
        return { at: Math.random() };
      } catch {
        return state;
      }
    }
    const impure: Impure = { ...pure, decider: { ...pure.decider, evolve } };
    expect(() => given(impure, [{ type: 'Looked', data: { at: 1 } }])).toThrow(ImpureError);
    expect(() => given(impure, [{ type: 'Looked', data: { at: 1 } }])).toThrow('evolve of look calls Math.random()');
  });

  test('fails if it changes its state', () => {
    const evolve = (state: { at: number }) => Object.assign(state, { at: 2 });
    const impure: Impure = { ...pure, decider: { ...pure.decider, evolve } };
    expect(() => given(impure, [{ type: 'Looked', data: { at: 1 } }])).toThrow(TypeError);
  });
});

test('events and commands of another aggregate, or of another shape, are type errors', () => {
  // @ts-expect-error -- unknown event
  expect(() => given(seatType, [{ type: 'SeatPainted', data: {} }])).toThrow('does not know the event type');
  // @ts-expect-error -- data of another shape
  given(seatType, [{ type: 'SeatReserved', data: { visitor: 'Ada' } }]);
  // @ts-expect-error -- unknown command
  given(seatType).when({ type: 'PaintSeat', data: { seatId: '12' } });
  // @ts-expect-error -- `guest` is missing
  given(seatType).when({ type: 'ReserveSeat', data: { seatId: '12' } });
  const refused = given(seatType).when({ type: 'ReleaseSeat', data: { seatId: '12' } });
  // @ts-expect-error -- unknown refusal
  expect(() => refused.thenRejected('seat-lost')).toThrow('seat-free');
  // @ts-expect-error -- the state has no such member
  expect(() => given(seatType, [adaSits]).thenState({ colour: 'red' })).toThrow('colour');
});
