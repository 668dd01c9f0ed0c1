import { sleep } from '../platform/timeout.ts';

/** How fast long work on a database goes, page by page. */
export interface Throttle {
  /** How large the next page is to be, of `most` at most. */
  take(most: number): number;
  /** Between two pages: gives others their turn. */
  rest(): Promise<void>;
}

/**
 * Even without contention. Locally the databases are in the Worker's own process: work that always has its next statement ready leaves no
 * turn to any request until it is done, and a timer is what gives them one.
 */
const SHORTEST_REST_MS = 5;
const LONGEST_REST_MS = 1_000;

/** Whole pages, and the shortest rest. */
export const fullSpeed: Throttle = {
  take: (most) => most,
  rest: () => sleep(SHORTEST_REST_MS),
};

/** Of the largest page; also of the first one. */
const SMALLEST_SHARE = 0.05;
/** A probe slower than twice the fastest plus this many ms means contention. */
const TOLERANCE_MS = 5;
/** How long a rest is under full contention, in times of the work before it. */
const REST_FOR_WORK = 5;
/** What is left of the contention after each page without any. */
const FADING = 0.8;
/** Below this, pages grow. */
const FADED = 0.3;
/** So many probes after the first page tell how fast one can be: a single one may have met contention already. */
const FIRST_PROBES = 5;

/**
 * Makes way for others. A database does one thing at a time, and locally the whole process does. After each page come a short rest and a
 * probe, which is a small query: where the two take longer than they could, they have waited for others whom the page has held up. One such
 * wait may be chance; the more of them there are, the smaller the pages and the longer the rests that follow. While there is none pages
 * grow: to twice their size until the first, by a quarter from then on. So the work is the gentler the more there is to disturb, as TCP is
 * on a network (RFC 5681). `now` is in ms.
 */
export function adaptiveThrottle(now: () => number, probe: () => Promise<unknown>): Throttle {
  let share = SMALLEST_SHARE;
  let growth = 2;
  let fastestMs = Number.POSITIVE_INFINITY;
  /** From 0, none for long, to 1. */
  let contention = 0;
  let workSince = now();

  /** Rests shortly, and probes. Returns how much longer than the rest that took, in ms. */
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
      // Before the long rest: at its end nobody waits any more whom the page has held up.
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
