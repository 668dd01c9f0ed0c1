import { setTimer, sleep } from '../platform/timeout.ts';

/**
 * Runs one piece of work at a time for each key, within this isolate. A request that comes meanwhile waits for it instead of repeating it. It waits
 * at most `patienceMs`, since the platform may cancel the leading request, and its work with it.
 */
export interface SingleFlight {
  /**
   * Runs `work` for the keys that have no leader, and waits for the leaders of the other keys. A follower does not get its leader's failure. It
   * returns, reads for itself, and leads the next time.
   */
  run(keys: readonly string[], work: (led: readonly string[]) => Promise<void>): Promise<void>;
}

/** A leader's work. After `until`, in ms since the Unix epoch, no request follows it. */
interface Flight {
  readonly keys: readonly string[];
  readonly work: Promise<void>;
  readonly until: number;
}

/** `now` is in ms since the Unix epoch. */
export function singleFlight(patienceMs = 1_000, now: () => number = Date.now): SingleFlight {
  /** The oldest flight is first: a key is only added while it is not in the map. */
  const underWay = new Map<string, Flight>();

  /** Drops a flight that has ended or is overdue. No request needs to wait for it. */
  function drop(flight: Flight): void {
    for (const key of flight.keys) if (underWay.get(key) === flight) underWay.delete(key);
  }

  /**
   * A request that the platform cancels never continues: its work does not settle, and its timers do not fire. So the next request drops the flights
   * of such leaders.
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
    // For a silent leader whose request is still alive. If the isolate gets no more requests, nothing else drops its flight.
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
