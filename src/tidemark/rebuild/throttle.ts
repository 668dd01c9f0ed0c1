import { sleep } from '../platform/timeout.ts';

/** Sets the pace of long work on a database, page by page. */
export interface Throttle {
  /** The size of the next page, `most` at most. */
  take(most: number): number;
  /** Rests between two pages, so that other work gets its turn. */
  rest(): Promise<void>;
}

/**
 * The rest without contention, in ms. Locally the databases run in the Worker's own process. There, work whose next statement is always ready blocks
 * every request until it is done. A timer lets requests in.
 */
const SHORTEST_REST_MS = 5;
const LONGEST_REST_MS = 1_000;

/** Takes whole pages, and rests as shortly as possible. */
export const fullSpeed: Throttle = {
  take: (most) => most,
  rest: () => sleep(SHORTEST_REST_MS),
};

/** The smallest page, and the first one, as a share of the largest. */
const SMALLEST_SHARE = 0.05;
/** A probe slower than twice the fastest plus this many ms means contention. */
const TOLERANCE_MS = 5;
/** The rest under full contention, as a multiple of the work before it. */
const REST_FOR_WORK = 5;
/** The factor by which the contention falls after each page without any. */
const FADING = 0.8;
/** Below this, pages grow. */
const FADED = 0.3;
/** The number of probes after the first page, to find how fast a probe can be. A single probe may have met contention already. */
const FIRST_PROBES = 5;

/**
 * Makes way for other work. A database does one thing at a time, and locally the whole process does. After each page come a short rest and a probe,
 * which is a small query. If both take longer than they need to, they have waited for work that the page has held up. One such wait may be chance.
 * The more of them there are, the smaller the pages and the longer the rests that follow.
 *
 * Without waits, pages grow: to twice their size until the first wait, by a quarter after it. This is how TCP adapts to a network (RFC 5681). `now`
 * is in ms.
 */
export function adaptiveThrottle(now: () => number, probe: () => Promise<unknown>): Throttle {
  let share = SMALLEST_SHARE;
  let growth = 2;
  let fastestMs = Number.POSITIVE_INFINITY;
  /** From 0 (none for long) to 1. */
  let contention = 0;
  let workSince = now();

  /** Rests shortly and probes. Returns the time that this took beyond the rest, in ms. */
  async function timedProbe(): Promise<number> {
    const since = now();
    await sleep(SHORTEST_REST_MS);
    await probe();
    const tookMs = Math.max(now() - since - SHORTEST_REST_MS, 0);
    fastestMs = Math.min(fastestMs, tookMs);
    return tookMs;
  }

  return {
    take: (most) => Math.ceil(most * share),

    async rest() {
      const workedMs = now() - workSince;
      const isFirst = fastestMs === Number.POSITIVE_INFINITY;
      for (let left = isFirst ? FIRST_PROBES : 0; left > 0; left -= 1) await timedProbe();
      // Before the long rest: after it, no work waits any more that the page has held up.
      const tookMs = await timedProbe();
      if (tookMs > 2 * fastestMs + TOLERANCE_MS) {
        contention = (1 + contention) / 2;
        growth = 1.25;
        share = Math.max(share * (1 - contention), SMALLEST_SHARE);
      } else {
        contention *= FADING;
        if (contention < FADED) share = Math.min(share * growth, 1);
      }
      const restMs = Math.min(Math.round(workedMs * REST_FOR_WORK * contention), LONGEST_REST_MS);
      if (restMs > SHORTEST_REST_MS) await sleep(restMs);
      workSince = now();
    },
  };
}
