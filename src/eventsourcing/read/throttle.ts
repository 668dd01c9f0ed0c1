import { sleep } from '../timeout.ts';

/** How fast long work on a database goes, page by page. */
export interface Throttle {
  /** How large the next page is to be, of `most` at most. */
  take(most: number): number;
  /** Between two pages: gives others their turn. */
  rest(): Promise<void>;
}

/**
 * Even while nobody else is to be seen. Locally the databases are in the Worker's own process: work that always has its next statement
 * ready leaves no turn to any request until it is done, and a timer is what gives them one.
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
/** By how much a glance may be slower than twice the quickest before that tells of others, in ms. */
const TOLERANCE_MS = 5;
/** How long a rest is when others are surely about, in times of the work before it. */
const REST_FOR_WORK = 5;
/** What is left of the impression that others are about after each page at which none was met. */
const FADING = 0.8;
/** Below this, pages grow. */
const FADED = 0.3;
/** So many glances after the first page, one after the other, tell how quick one can be: a single one may have met somebody already. */
const FIRST_GLANCES = 5;

/** See `adaptiveThrottle`. */
export interface AdaptiveThrottle {
  take: Throttle['take'];
  /** Makes a small query after a short rest (the first time, several), and rests for longer if that has met somebody. */
  rest(glance: () => Promise<void>): Promise<void>;
}

/**
 * Makes way for others. A database does one thing at a time, and locally the whole process does. After each page come a short rest and a
 * small query: where the two take longer than they could, they have waited for somebody whom the page has held up. One such wait may be
 * chance; the more of them there are, the smaller the pages and the longer the rests that follow. While there is none pages grow: to twice
 * their size until the first, by a quarter from then on. So the work is the gentler the more there is to disturb, as TCP is on a network
 * (RFC 5681). `now` is in ms.
 */
export function adaptiveThrottle(now: () => number): AdaptiveThrottle {
  let share = SMALLEST_SHARE;
  let growth = 2;
  let quickestMs = Number.POSITIVE_INFINITY;
  /** From 0, nobody was met for long, to 1. */
  let crowding = 0;
  let workSince = now();

  /** Rests shortly, and makes a glance. How much longer than the rest it was until that had its answer, in ms. */
  async function timed(glance: () => Promise<void>): Promise<number> {
    const since = now();
    await sleep(SHORTEST_REST_MS);
    await glance();
    return Math.max(now() - since - SHORTEST_REST_MS, 0);
  }

  return {
    take: (most) => Math.ceil(most * share),

    async rest(glance) {
      const workedMs = now() - workSince;
      const isFirst = quickestMs === Number.POSITIVE_INFINITY;
      for (let left = isFirst ? FIRST_GLANCES : 0; left > 0; left -= 1)
        quickestMs = Math.min(quickestMs, await timed(glance));
      // Before the long rest, by whose end nobody waits any more whom the page has held up.
      const tookMs = await timed(glance);
      quickestMs = Math.min(quickestMs, tookMs);
      if (tookMs > 2 * quickestMs + TOLERANCE_MS) {
        crowding = (1 + crowding) / 2;
        growth = 1.25;
        share = Math.max(share * (1 - crowding), SMALLEST_SHARE);
      } else {
        crowding *= FADING;
        if (crowding < FADED) share = Math.min(share * growth, 1);
      }
      const restMs = Math.min(Math.round(workedMs * REST_FOR_WORK * crowding), LONGEST_REST_MS);
      if (restMs > SHORTEST_REST_MS) await sleep(restMs);
      workSince = now();
    },
  };
}
