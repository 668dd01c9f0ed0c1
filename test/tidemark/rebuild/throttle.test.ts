import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { type Throttle, adaptiveThrottle } from '../../../src/tidemark/rebuild/throttle.ts';
import { replaceTimers } from '../../../src/tidemark/platform/timeout.ts';

const PAGE = 2_000;

let nowMs = 0;
let rests: number[] = [];

beforeEach(() => {
  nowMs = 0;
  rests = [];
  replaceTimers((ms, ring) => {
    rests.push(ms);
    nowMs += ms;
    queueMicrotask(ring);
    return () => undefined;
  });
});

afterEach(() => replaceTimers());

/** The probe of the current test, which lets time pass. */
let probe = (): void => undefined;
const newThrottle = () =>
  adaptiveThrottle(
    () => nowMs,
    async () => probe(),
  );

/** A page that takes `workMs`, and then probes that take `probeMs` each. */
async function page(throttle: Throttle, probeMs: number, workMs = 100): Promise<void> {
  nowMs += workMs;
  probe = () => void (nowMs += probeMs);
  await throttle.rest();
}

/** A page, and then probes of different lengths. Returns the number of probes. */
async function pageAndProbes(throttle: Throttle, probesMs: readonly number[]): Promise<number> {
  let made = 0;
  nowMs += 100;
  probe = () => {
    nowMs += probesMs[made] ?? Number.NaN;
    made += 1;
  };
  await throttle.rest();
  return made;
}

async function pages(throttle: Throttle, count: number, probeMs: number): Promise<void> {
  for (let at = 0; at < count; at += 1) await page(throttle, probeMs);
}

describe('the throttle of long work', () => {
  it('starts with small pages, which grow to whole ones without contention', async () => {
    const throttle = newThrottle();
    const first = throttle.take(PAGE);
    await pages(throttle, 8, 3);
    expect(first).toBe(100);
    expect(throttle.take(PAGE)).toBe(PAGE);
  });

  it('rests after every page, even without contention', async () => {
    const throttle = newThrottle();
    await page(throttle, 3);
    rests = [];
    await pages(throttle, 3, 3);
    expect(rests).toEqual([5, 5, 5]);
  });

  it('learns the fastest probe from several, so that it notices contention from the start', async () => {
    const throttle = newThrottle();
    const made = await pageAndProbes(throttle, [40, 30, 3, 35, 30, 40]);
    expect(made).toBe(6);
    expect(throttle.take(PAGE)).toBe(100);
    await pages(throttle, 4, 30);
    expect(throttle.take(PAGE)).toBe(100);
  });

  it('makes one probe after each later page', async () => {
    const throttle = newThrottle();
    await page(throttle, 3);
    expect(await pageAndProbes(throttle, [3])).toBe(1);
  });

  it('takes the smallest pages, and rests longer than it works, under lasting contention', async () => {
    const throttle = newThrottle();
    await pages(throttle, 8, 3);
    await pages(throttle, 4, 30);
    rests = [];
    await page(throttle, 30);
    expect(throttle.take(PAGE)).toBe(100);
    expect(rests).toEqual([5, expect.any(Number)]);
    expect(rests[1]).toBeGreaterThan(400);
  });

  it('only halves its pages for a single slow probe, which may be chance', async () => {
    const throttle = newThrottle();
    await pages(throttle, 8, 3);
    await page(throttle, 30);
    expect(throttle.take(PAGE)).toBe(PAGE / 2);
  });

  it('probes before the long rest, while the work that the page has held up still waits', async () => {
    const throttle = newThrottle();
    await page(throttle, 3);
    rests = [];
    nowMs += 100;
    probe = () => {
      expect(rests).toEqual([5]);
      nowMs += 30;
    };
    await throttle.rest();
    expect(rests).toEqual([5, 250]);
  });

  it('returns to whole pages and the shortest rests when the contention ends', async () => {
    const throttle = newThrottle();
    await pages(throttle, 1, 3);
    await pages(throttle, 6, 30);
    await pages(throttle, 40, 3);
    rests = [];
    await page(throttle, 3);
    expect(throttle.take(PAGE)).toBe(PAGE);
    expect(rests).toEqual([5]);
  });

  it('never rests for more than a second, however long a page has taken', async () => {
    const throttle = newThrottle();
    await pages(throttle, 1, 3);
    await pages(throttle, 6, 300);
    rests = [];
    await page(throttle, 300, 60_000);
    expect(rests).toEqual([5, 1_000]);
  });

  it('never takes a distant database for a busy one', async () => {
    const throttle = newThrottle();
    await pages(throttle, 8, 80);
    expect(throttle.take(PAGE)).toBe(PAGE);
  });

  it('notices contention by a rest that lasts too long', async () => {
    const throttle = newThrottle();
    await pages(throttle, 8, 3);
    replaceTimers((ms, ring) => {
      nowMs += ms + 50;
      queueMicrotask(ring);
      return () => undefined;
    });
    await page(throttle, 3);
    expect(throttle.take(PAGE)).toBe(PAGE / 2);
  });
});
