import { describe, expect, test } from 'vitest';

import { singleFlight } from '../../../src/tidemark/queries/single-flight.ts';
import { replaceTimers } from '../../../src/tidemark/platform/timeout.ts';

/** Work that ends when a test ends it, and a list of the led keys. */
function controlled() {
  const led: (readonly string[])[] = [];
  const open: PromiseWithResolvers<void>[] = [];
  return {
    led,
    async work(keys: readonly string[]): Promise<void> {
      led.push(keys);
      const flight = Promise.withResolvers<void>();
      open.push(flight);
      await flight.promise;
    },
    land: (index: number) => open[index]?.resolve(),
    crash: (index: number) => open[index]?.reject(new Error('crashed')),
  };
}

/** Whether a promise is settled after all other work has had its turn. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.then(
    () => (settled = true),
    () => (settled = true),
  );
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  return settled;
}

describe('work on a key', () => {
  test('runs once for all requests that come meanwhile', async () => {
    const flights = singleFlight();
    const { work, led, land } = controlled();
    const asking = [flights.run(['a'], work), flights.run(['a'], work), flights.run(['a'], work)];
    expect(led).toEqual([['a']]);
    expect(await isSettled(asking[1] as Promise<void>)).toBe(false);
    land(0);
    await Promise.all(asking);
    expect(led).toEqual([['a']]);
  });

  test('runs again for a request that comes after its end', async () => {
    const flights = singleFlight();
    const { work, led, land } = controlled();
    const first = flights.run(['a'], work);
    land(0);
    await first;
    const second = flights.run(['a'], work);
    land(1);
    await second;
    expect(led).toEqual([['a'], ['a']]);
  });

  test('does not wait for work on another key', async () => {
    const flights = singleFlight();
    const { work, led, land } = controlled();
    const slow = flights.run(['a'], work);
    const quick = flights.run(['b'], work);
    land(1);
    await quick;
    expect(await isSettled(slow)).toBe(false);
    expect(led).toEqual([['a'], ['b']]);
    land(0);
    await slow;
  });
});

describe('a request for several keys', () => {
  test('leads the keys without a leader, and waits for the other leaders', async () => {
    const flights = singleFlight();
    const { work, led, land } = controlled();
    const first = flights.run(['a'], work);
    const second = flights.run(['a', 'b', 'c'], work);
    expect(led).toEqual([['a'], ['b', 'c']]);
    land(1);
    expect(await isSettled(second)).toBe(false);
    land(0);
    await Promise.all([first, second]);
  });

  test('leads nothing if every key has a leader', async () => {
    const flights = singleFlight();
    const { work, led, land } = controlled();
    const first = flights.run(['a', 'b'], work);
    const second = flights.run(['b', 'a'], work);
    expect(led).toEqual([['a', 'b']]);
    land(0);
    await Promise.all([first, second]);
  });
});

describe('a leader', () => {
  test('that fails keeps its failure: a follower returns, and the next request leads', async () => {
    const flights = singleFlight();
    const { work, led, crash, land } = controlled();
    const leader = flights.run(['a'], work);
    const follower = flights.run(['a'], work);
    crash(0);
    await expect(leader).rejects.toThrow('crashed');
    await expect(follower).resolves.toBeUndefined();
    const next = flights.run(['a'], work);
    land(1);
    await next;
    expect(led).toEqual([['a'], ['a']]);
  });

  test('that is silent for too long has no followers any more', async () => {
    const flights = singleFlight(1, () => 0);
    const { work, led, land } = controlled();
    const silent = flights.run(['a'], work);
    await flights.run(['a'], work);
    expect(led).toEqual([['a']]);
    const next = flights.run(['a'], work);
    expect(led).toEqual([['a'], ['a']]);
    land(1);
    await next;
    land(0);
    await silent;
  });

  test('that returns late does not end the flight of its successor', async () => {
    const flights = singleFlight(1, () => 0);
    const { work, led, land } = controlled();
    const silent = flights.run(['a'], work);
    await flights.run(['a'], work);
    const successor = flights.run(['a'], work);
    land(0);
    await silent;
    const follower = flights.run(['a'], work);
    expect(led).toHaveLength(2);
    land(1);
    await Promise.all([successor, follower]);
  });
});

describe('leaders whose requests were cancelled', () => {
  const KEYS = Array.from({ length: 1_000 }, (_, index) => `order-lookup/order-${index}`);

  /** A single flight, and the number of keys in it. */
  function watched(...args: Parameters<typeof singleFlight>) {
    const maps: Map<unknown, unknown>[] = [];
    const Original = globalThis.Map;
    globalThis.Map = class extends Original<unknown, unknown> {
      constructor() {
        super();
        maps.push(this);
      }
    };
    const flights = singleFlight(...args);
    globalThis.Map = Original;
    return { flights, size: () => maps[0]?.size };
  }

  test('leave nothing in the isolate', async () => {
    const { flights, size } = watched(10);
    for (const key of KEYS) void flights.run([key], () => new Promise(() => undefined));
    expect(size()).toBeGreaterThan(0);
    await expect.poll(size).toBe(0);
  });

  test('leave nothing after the next request, even if none of their timers fires', async () => {
    const clock = { now: 0 };
    const { flights, size } = watched(1_000, () => clock.now);
    replaceTimers(() => () => undefined);
    for (const key of KEYS) void flights.run([key], () => new Promise(() => undefined));
    replaceTimers();
    clock.now = 999;
    await flights.run(['other'], async () => undefined);
    expect(size()).toBe(KEYS.length);
    clock.now = 1_000;
    await flights.run(['other'], async () => undefined);
    expect(size()).toBe(0);
  });

  test('are not followed by later requests', async () => {
    const clock = { now: 0 };
    const flights = singleFlight(1_000, () => clock.now);
    const { work, led, land } = controlled();
    const cancelled = flights.run(['a'], work);
    clock.now = 1_000;
    const next = flights.run(['a'], work);
    expect(led).toEqual([['a'], ['a']]);
    land(1);
    await next;
    land(0);
    await cancelled;
  });
});
