import type { Clock } from '../platform/clock.ts';

/** The object's one alarm, as the platform gives it. */
export interface Alarm {
  /** When it is due, in ms since the epoch; null when it is not set, or is running right now. */
  at(): Promise<number | null>;
  /**
   * Synchronous in effect: it is part of the transaction or turn in which it is called. Where the platform refuses it, it throws, which rolls
   * the transaction back, or rejects, which does not. Which of the two is not documented.
   */
  set(dueAt: number): Promise<void>;
  clear(): void;
}

/** The alarm and what this lifetime of the object knows of it. */
export interface KeptAlarm {
  /** Finds out when the alarm is due, once a lifetime. Has to have run before the first `armNoLaterThan`. */
  readonly learn: () => Promise<void>;
  /** Sets the alarm unless it goes off by `dueAt` (ms since the epoch) by itself. */
  readonly armNoLaterThan: (dueAt: number) => void;
  /** It is set, and has been due for so long that it counts as not set. */
  readonly isOverdue: () => boolean;
  readonly isSet: () => boolean;
  /** It is going off: none is set any more. */
  readonly goesOff: () => void;
  /** Clears it where it is set. */
  readonly clear: () => void;
  /**
   * Waits for what the platform says to the last `set`: why it was refused, or undefined. A `set` that threw is not among them: its caller has
   * the exception.
   */
  readonly refusal: () => Promise<string | undefined>;
}

/**
 * An alarm that is overdue by more than this, in ms, counts as not set. The platform is late by seconds; this one is held back, as at the
 * account's spending limit, or lost, as after seven days of that
 * (developers.cloudflare.com/durable-objects/platform/spend-management).
 */
const OVERDUE_MS = 60 * 1000;

export function keptAlarm(alarm: Alarm, clock: Pick<Clock, 'now'>, report: (reason: string) => void): KeptAlarm {
  /** When it is due; null: not set; undefined: not known yet. */
  let at: number | null | undefined;
  /** What the platform holds for sure: it goes on holding that where it refuses another. */
  let accepted: number | null = null;
  let refusal: Promise<string | undefined> = Promise.resolve(undefined);

  function set(dueAt: number): void {
    const taken = alarm.set(dueAt);
    at = dueAt;
    refusal = taken.then(
      () => {
        if (at === dueAt) accepted = dueAt;
        return undefined;
      },
      (error: unknown) => {
        if (at === dueAt) at = accepted;
        report(String(error));
        return String(error);
      },
    );
  }

  const isOverdue = () => typeof at === 'number' && at < clock.now() - OVERDUE_MS;

  return {
    async learn() {
      if (at !== undefined) return;
      const known = await alarm.at();
      if (at === undefined) at = accepted = known;
    },
    armNoLaterThan(dueAt) {
      // Never in the past: while the platform holds alarms back, it would be overdue again at the next command.
      const due = Math.max(dueAt, clock.now());
      if (typeof at !== 'number' || isOverdue() || at > due) set(due);
    },
    isOverdue,
    isSet: () => typeof at === 'number',
    goesOff() {
      at = accepted = null;
    },
    clear() {
      if (typeof at !== 'number') return;
      alarm.clear();
      at = accepted = null;
    },
    refusal: () => refusal,
  };
}
