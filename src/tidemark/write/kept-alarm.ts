import type { Clock } from '../platform/clock.ts';

/** The object's only alarm: the interface to the platform. */
export interface Alarm {
  /** When the alarm is due, in ms since the epoch. Null if it is not set, or is running now. */
  at(): Promise<number | null>;
  /**
   * The write joins the transaction or turn of the call. If the platform refuses it, this throws, which rolls the transaction back, or rejects, which
   * does not. The platform's documentation does not say which.
   */
  set(dueAt: number): Promise<void>;
  clear(): void;
}

/** The alarm, and the knowledge of it in this lifetime of the object. */
export interface KeptAlarm {
  /** Finds out when the alarm is due, once in a lifetime. It must run before the first `armNoLaterThan`. */
  readonly learn: () => Promise<void>;
  /** Sets the alarm, unless it is already due by `dueAt` (ms since the epoch). */
  readonly armNoLaterThan: (dueAt: number) => void;
  /** Whether it is set but so long overdue that it counts as not set. */
  readonly isOverdue: () => boolean;
  readonly isSet: () => boolean;
  /** Call it when the alarm goes off. No alarm is set any more. */
  readonly goesOff: () => void;
  /** Clears the alarm if it is set. */
  readonly clear: () => void;
  /**
   * Waits for the platform's answer to the last `set`. Returns the reason of a refusal, or undefined. If `set` itself threw, its caller has the error
   * instead.
   */
  readonly refusal: () => Promise<string | undefined>;
}

/**
 * An alarm that is overdue by more than this, in ms, counts as not set. The platform is late by seconds only. It holds an alarm back longer at the
 * account's spending limit, and loses it after seven days there (developers.cloudflare.com/durable-objects/platform/spend-management).
 */
const OVERDUE_MS = 60 * 1000;

export function keptAlarm(alarm: Alarm, clock: Pick<Clock, 'now'>, report: (reason: string) => void): KeptAlarm {
  /** When it is due, in ms since the epoch. Null: not set. Undefined: not known yet. */
  let at: number | null | undefined;
  /** The time that the platform has accepted. It keeps this alarm if it refuses another. */
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
      // Never in the past. While the platform holds alarms back, such an alarm would be overdue again at the next command.
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
