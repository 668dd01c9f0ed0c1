import type { DomainEvent, RecordedEvent } from '../domain/event.ts';
import type { JsonObject } from '../domain/json.ts';
import type { Principal } from '../domain/principal.ts';
import { streamId } from '../domain/stream.ts';
import type { AggregateType } from '../domain/aggregate-type.ts';
import { type Command, type Decision, type Rejection, isRejection } from '../domain/decider.ts';
import { upcast } from '../domain/upcaster.ts';
import { deepFreeze, deterministically } from './determinism.ts';
import { ExpectationError, expectSame } from './difference.ts';
import { type GivenEvent, storedEvents } from './given-events.ts';
import { numberedUuid } from './manual-clock.ts';

/** Who sends the commands of a test that does not say. */
const STAFF: Principal = { kind: 'user', id: 'staff/tester' };

/** The history of an aggregate. */
export interface Given<State extends object, C extends Command, Event extends DomainEvent, Refusal extends Rejection> {
  /** Gives the decider a command. `by` is who sends it; default: a user of the staff. */
  when(command: C, by?: Principal): When<State, Event, Refusal>;
  /** Expects this state after the events. Members that are not named may have any value. */
  thenState(expected: Partial<State>): void;
}

/** A decision, to compare with the expected one. */
export interface When<State extends object, Event extends DomainEvent, Refusal extends Rejection> {
  /** Expects exactly these events. */
  then(expected: readonly Event[]): Then<State>;
  /** Expects a refusal with this code and, if given, exactly these details. */
  thenRejected(code: Refusal['code'], details?: JsonObject): void;
  /** Expects this state after the decided events. Members that are not named may have any value. */
  thenState(expected: Partial<State>): void;
}

/** A met expectation, after which one more may follow. It has no `then`, so that a test may return it. */
export interface Then<State extends object> {
  thenState(expected: Partial<State>): void;
}

/**
 * Tests a decider in the domain's own words. Events need only type and data: their envelopes are filled in, the same in every run. Events in an
 * earlier shape go through their upcasters.
 *
 *     given(seatType, [{ type: 'SeatReserved', data: { guest: 'Ada' } }])
 *       .when({ type: 'ReleaseSeat', data: { seatId: '12' } })
 *       .then([{ type: 'SeatReleased', data: {} }]);
 *
 *     given(seatType, [{ type: 'SeatReserved', data: { guest: 'Ada' } }])
 *       .when({ type: 'ReserveSeat', data: { seatId: '12', guest: 'Bob' } })
 *       .thenRejected('seat-taken', { guest: 'Ada' });
 *
 * `decide` and `evolve` run without the time and random sources, and with immutable arguments. So an impure function fails its first test.
 */
export function given<State extends object, C extends Command, Event extends DomainEvent, Refusal extends Rejection>(
  type: AggregateType<State, C, Event, Refusal>,
  events: readonly GivenEvent<NoInfer<Event>>[] = [],
): Given<State, C, Event, Refusal> {
  const stream = streamId(type.category, numberedUuid(1));

  function evolveOver(before: State, happened: readonly GivenEvent<Event>[], fromVersion: number): State {
    return storedEvents(type.events, stream, happened, { fromVersion }).reduce((state, stored) => {
      const event: RecordedEvent<Event> = deepFreeze(upcast(type.events, stored));
      return deepFreeze(deterministically(`evolve of ${type.category}`, () => type.decider.evolve(state, event)));
    }, before);
  }

  const state = evolveOver(deepFreeze(type.decider.initialState), events, 1);
  return {
    when(command, by = STAFF) {
      const decision = deterministically(`decide of ${type.category}`, () =>
        type.decider.decide(deepFreeze(structuredClone(command)), state, deepFreeze({ ...by })),
      );
      return outcome(command, decision, (happened) => evolveOver(state, happened, events.length + 1));
    },
    thenState: (expected) => expectState(expected, state),
  };
}

function outcome<State extends object, Event extends DomainEvent, Refusal extends Rejection>(
  command: Command,
  decision: Decision<Event, Refusal>,
  stateAfter: (happened: readonly Event[]) => State,
): When<State, Event, Refusal> {
  const isRefused = isRejection(decision);

  function thenState(expected: Partial<State>): void {
    if (isRefused) {
      throw new ExpectationError(
        `${command.type} should be accepted, but it was refused: ${decision.message}`,
        expected,
        decision,
      );
    }
    expectState(expected, stateAfter(decision));
  }

  return {
    // oxlint-disable-next-line unicorn/no-thenable -- Given / When / Then; a test that awaits it without an expectation must fail
    then(expected) {
      if (!Array.isArray(expected)) {
        throw new TypeError(
          `this test sends ${command.type} and expects nothing of it: call then, thenRejected or thenState`,
        );
      }
      expectSame(`${command.type} decided other events than expected.`, expected, decision);
      return { thenState };
    },
    thenRejected(code, details) {
      if (!isRefused) {
        const types = decision.map((event) => event.type).join(', ') || 'nothing';
        throw new ExpectationError(
          `${command.type} should be refused with "${code}", but it decided: ${types}.`,
          code,
          decision,
        );
      }
      const expected = { code, ...(details && { details }) };
      const actual = { code: decision.code, ...(details && { details: decision.details ?? {} }) };
      expectSame(
        `${command.type} was refused with another code or other details than expected (its message: "${decision.message}").`,
        expected,
        actual,
      );
    },
    thenState,
  };
}

function expectState<State extends object>(expected: Partial<State>, state: State): void {
  const named = Object.fromEntries(Object.keys(expected).map((name) => [name, state[name as keyof State]]));
  expectSame('The state differs from the expected one.', expected, named);
}
