import { sleep } from '../timeout.ts';

/**
 * One piece of work at a time for each key, within this isolate: who comes while it is under way waits for it instead of doing it again,
 * but no longer than `patienceMs`, since the request that leads may be cancelled, and its work with it.
 */
export interface SingleFlight {
  /**
   * Does `work` for those keys that nobody works on, and waits for the others' leaders. A leader's failure is its own: a follower just
   * returns, looks for itself, and leads the next time round.
   */
  run(keys: readonly string[], work: (led: readonly string[]) => Promise<void>): Promise<void>;
}

export function singleFlight(patienceMs = 1_000): SingleFlight {
  const underWay = new Map<string, Promise<void>>();

  function leave(key: string, flight: Promise<void>): void {
    if (underWay.get(key) === flight) underWay.delete(key);
  }

  async function follow(key: string, leader: Promise<void>): Promise<void> {
    const settled = leader.then(
      () => undefined,
      () => undefined,
    );
    await Promise.race([settled, sleep(patienceMs)]);
    // Whether it ended or has been silent for too long: nobody needs to wait for it any more.
    leave(key, leader);
  }

  return {
    async run(keys, work) {
      const followed = keys.flatMap((key) => {
        const leader = underWay.get(key);
        return leader ? [follow(key, leader)] : [];
      });
      const led = keys.filter((key) => !underWay.has(key));
      if (led.length > 0) {
        const flight = work(led);
        for (const key of led) underWay.set(key, flight);
        try {
          await flight;
        } finally {
          for (const key of led) leave(key, flight);
        }
      }
      await Promise.all(followed);
    },
  };
}
