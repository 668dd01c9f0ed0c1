import type { Clock } from '../platform/clock.ts';

/** The first time in tests: 2026-01-01T00:00:00.000Z, in ms since the epoch. */
export const START_MS = Date.UTC(2026, 0, 1);

/** A clock that moves only when a test moves it. Its random numbers and ids are the same in every run. */
export interface ManualClock extends Clock {
  /** Moves the time forward by `ms`, or back if `ms` is negative. */
  advance(ms: number): void;
  /** Sets the time, in ms since the epoch. */
  set(now: number): void;
}

export interface ManualClockOptions {
  /** Default: `START_MS`. */
  readonly startAtMs?: number;
  /** Default: always 0.5. */
  readonly random?: () => number;
}

/**
 * Makes a clock for tests. Its ids are UUIDs that count up from 1.
 *
 *     const clock = manualClock();
 *     clock.advance(60_000);
 */
export function manualClock(options: ManualClockOptions = {}): ManualClock {
  const { startAtMs = START_MS, random = () => 0.5 } = options;
  let now = startAtMs;
  let ids = 0;
  return {
    now: () => now,
    random,
    newId() {
      ids += 1;
      return numberedUuid(ids);
    },
    // The same in every run, so no secret.
    randomBytes: (length) => Uint8Array.from({ length }, (_, index) => index),
    advance(ms) {
      now += ms;
    },
    set(to) {
      now = to;
    },
  };
}

/** A UUID (in the form of version 7) that shows its number and sorts by it. Each `series` has other UUIDs. */
export function numberedUuid(number: number, series = 0): string {
  return `00000000-${hex(series, 4)}-7000-8000-${hex(number, 12)}`;
}

function hex(number: number, digits: number): string {
  return number.toString(16).padStart(digits, '0');
}
