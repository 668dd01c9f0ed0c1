import { setTimer, sleep } from '../platform/timeout.ts';

/**
 * One piece of work at a time for each key, within this isolate: a request that comes while it is under way waits for it instead of doing
 * it again, but no longer than `patienceMs`, since the request that leads may be cancelled, and its work with it.
 */
export interface SingleFlight {
  /**
   * Does `work` for those keys that nobody works on, and waits for the others' leaders. A leader's failure is its own: a follower just
   * returns, looks for itself, and leads the next time round.
   */
  run(keys: readonly string[], work: (led: readonly string[]) => Promise<void>): Promise<void>;
}

/** A leader's work. After `until`, in ms since the Unix epoch, no request follows it any more. */
interface Flight {
  readonly keys: readonly string[];
  readonly work: Promise<void>;
  readonly until: number;
}

/** `now` is in ms since the Unix epoch. */
export function singleFlight(patienceMs = 1_000, now: () => number = Date.now): SingleFlight {
  /** The oldest first: a key is only added while it is not in here. */
  const underWay = new Map<string, Flight>();

  /** It has ended, or has been silent for too long: no request needs to wait for it any more. */
  function drop(flight: Flight): void {
    for (const key of flight.keys) if (underWay.get(key) === flight) underWay.delete(key);
  }

  /**
   * A request that the platform cancels never goes on: its work does not settle, and none of its timers rings. So what such leaders left
   * is dropped by the next request.
   */
  function dropOverdue(): void {
    for (const flight of underWay.values()) {
      if (flight.until > now()) return;
      drop(flight);
    }
  }

  async function follow(flight: Flight): Promise<void> {
    const settled = flight.work.catch(() => undefined);
    await Promise.race([settled, sleep(patienceMs)]);
    drop(flight);
  }

  async function lead(keys: readonly string[], work: (led: readonly string[]) => Promise<void>): Promise<void> {
    const flight = { keys, work: work(keys), until: now() + patienceMs };
    for (const key of keys) underWay.set(key, flight);
    // For a leader that is silent and whose request lives: in an isolate with no more requests nothing else would drop it.
    const cancelTimer = setTimer(patienceMs, () => {
      dropOverdue();
      drop(flight);
    });
    try {
      await flight.work;
    } finally {
      cancelTimer();
      drop(flight);
    }
  }

  return {
    async run(keys, work) {
      dropOverdue();
      const followed = new Set(keys.flatMap((key) => underWay.get(key) ?? []));
      const led = keys.filter((key) => !underWay.has(key));
      const waits = [...followed].map(follow);
      if (led.length > 0) await lead(led, work);
      await Promise.all(waits);
    },
  };
}
