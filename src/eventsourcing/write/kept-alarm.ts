import type { Clock } from '../clock.ts';

/** The object's one alarm, as the platform gives it. */
export interface Alarm {
  /** When it is due, in ms since the epoch; null when it is not set, or is running right now. */
  at(): Promise<number | null>;
  /** Synchronous in effect: it is part of the transaction or turn in which it is called. Rejects, or throws, where the platform refuses it. */
  set(dueAt: number): Promise<void>;
  clear(): void;
}

/** The alarm and what this lifetime of the object knows of it. */
export interface KeptAlarm {
  /** Finds out when the alarm is due, once a lifetime. Has to have run before the first `armNoLaterThan`. */
  readonly learn: () => Promise<void>;
  readonly set: (dueAt: number) => void;
  /** Sets the alarm unless it goes off by `dueAt` (ms since the epoch) by itself. */
  readonly armNoLaterThan: (dueAt: number) => void;
  /** It is set, and has been due for so long that it counts as not set. */
  readonly isOverdue: () => boolean;
  readonly isSet: () => boolean;
  /** It is going off: none is set any more. */
  readonly goesOff: () => void;
  readonly clear: () => void;
  /** Waits until the platform has taken or refused the alarm that was set last. Why it was refused, or undefined. */
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
  let taken: Promise<void> = Promise.resolve();
  let refusal: string | undefined;

  function set(dueAt: number): void {
    const accepted = alarm.set(dueAt);
    at = dueAt;
    refusal = undefined;
    taken = accepted.catch((error: unknown) => {
      if (at === dueAt) at = null;
      refusal = String(error);
      report(refusal);
    });
  }

  const isOverdue = () => typeof at === 'number' && at < clock.now() - OVERDUE_MS;

  return {
    async learn() {
      if (at !== undefined) return;
      const known = await alarm.at();
      at ??= known;
    },
    set,
    armNoLaterThan(dueAt) {
      // Never in the past: while the platform holds alarms back, it would be overdue again at the next command.
      const due = Math.max(dueAt, clock.now());
      if (typeof at !== 'number' || isOverdue() || at > due) set(due);
    },
    isOverdue,
    isSet: () => typeof at === 'number',
    goesOff() {
      at = null;
    },
    clear() {
      alarm.clear();
      at = null;
    },
    async refusal() {
      await taken;
      return refusal;
    },
  };
}
