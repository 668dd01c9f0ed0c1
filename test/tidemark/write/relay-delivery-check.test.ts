import { describe, expect, test } from 'vitest';

import { START_MS } from '../../../src/tidemark/testing/manual-clock.ts';
import type { Reached } from '../../../src/tidemark/write/relay.ts';
import { evening } from '../seats.ts';
import { release, reserve, turnOver } from './seat-aggregate.ts';
import { SETTLED_MS, night, seatObject } from './seat-object.ts';

const never = new Promise<never>(() => {});
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** An object after a command. Everything is sent, but the projection is stuck at `version`. */
async function lagging(version: number, random = 0.5) {
  const object = seatObject();
  object.around.random = () => random;
  object.reached.set('evening', new Map([['seat-map', version]]));
  await object.run(reserve('Ada'));
  await object.settled();
  return object;
}

describe('the alarm', () => {
  test('is armed in the commit itself, for at least twice the batch wait of the slowest group (I6)', async () => {
    const { around, run, dueInMs } = seatObject();
    around.groupsOf = () => [evening, night];
    around.send = () => never;
    around.random = () => 0;
    await run(reserve('Ada'));
    expect(dueInMs()).toBe(2 * night.batchWaitMs);
  });

  test('is due at different times for objects that were busy at once', async () => {
    const [first, second] = [seatObject(), seatObject()];
    first.around.random = () => 0.1;
    second.around.random = () => 0.9;
    await first.run(reserve('Ada'));
    await second.run(reserve('Ada'));
    expect(first.dueInMs()).toBe(2.1 * evening.batchWaitMs);
    expect(second.dueInMs()).toBe(2.9 * evening.batchWaitMs);
  });

  test('is not moved by commands before it is due', async () => {
    const { around, run, alarm, clock } = seatObject();
    around.random = () => 0.9;
    await run(reserve('Ada'));
    const { dueAt } = alarm;
    around.random = () => 0;
    clock.advance(500);
    await run(release);
    expect(alarm.dueAt).toBe(dueAt);
  });

  test('runs once for all groups, after twice the batch wait of the slowest', async () => {
    const { around, run, settled, nextAlarm, asked, dueInMs, clock } = seatObject();
    around.groupsOf = () => [evening, night];
    await run(reserve('Ada'));
    await settled();
    await nextAlarm();
    expect(clock.now() - START_MS).toBe(2.5 * night.batchWaitMs);
    expect(asked.map(({ group }) => group)).toEqual(['evening', 'night']);
    expect(dueInMs()).toBeNull();
  });

  test('is cleared once all is confirmed, and armed again by the next command', async () => {
    const { run, settled, nextAlarm, dueInMs, ranges, reports } = seatObject();
    await run(reserve('Ada'));
    await settled();
    await nextAlarm();
    expect(dueInMs()).toBeNull();
    expect(reports).toEqual([]);
    await run(release);
    expect(dueInMs()).toBe(SETTLED_MS);
    expect(ranges()).toEqual(['evening 1-1*', 'evening 2-2*']);
  });
});

describe('a group that lags', () => {
  test('gets a hint without payload in its own queue, from its position to the head', async () => {
    const { around, run, settled, reached, nextAlarm, asked, ranges, reports } = seatObject();
    around.groupsOf = () => [evening, night];
    reached.set('night', new Map([['takings', 1]]));
    await run(turnOver('Ada'));
    await run(turnOver('Bob'));
    await settled();
    const before = ranges().length;
    while (asked.at(-1)?.group !== 'night') await nextAlarm();
    expect(ranges().slice(before)).toEqual(['night 2-5']);
    expect(reports).toEqual(['relay.reminded']);
  });

  test('gets the hint from the position of its slowest projection', async () => {
    const { run, settled, reached, nextAlarm, ranges } = seatObject();
    reached.set(
      'evening',
      new Map([
        ['seat-map', 1],
        ['queue', 0],
        ['guests', 5],
      ]),
    );
    await run(turnOver('Ada'));
    await run(turnOver('Bob'));
    await settled();
    const before = ranges().length;
    await nextAlarm();
    expect(ranges().slice(before)).toEqual(['evening 1-5']);
  });

  test('is asked again at a whole millisecond, since alarms have no fractions and would fire before the check is due', async () => {
    const { nextAlarm, alarm } = await lagging(0, 0.123_456_789);
    for (let asked = 0; asked < 5; asked += 1) {
      await nextAlarm();
      expect(Number.isInteger(alarm.dueAt)).toBe(true);
    }
  });

  test('is asked again after waits that double from half a minute to a day', async () => {
    const { nextAlarm, dueInMs, ranges } = await lagging(0, 1);
    const waits: (number | null)[] = [];
    for (let check = 0; check < 15; check += 1) {
      await nextAlarm();
      waits.push(dueInMs());
    }
    const minutes = [0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 1_440, 1_440, 1_440];
    expect(waits).toEqual(minutes.map((wait) => wait * MINUTE_MS));
    expect(ranges()).toEqual(['evening 1-1*', ...Array.from({ length: 15 }, () => 'evening 1-1')]);
  });

  test('is asked with a jitter of half the wait, so that streams do not ask all at once', async () => {
    const early = await lagging(0, 0);
    await early.nextAlarm();
    expect(early.dueInMs()).toBe(15_000);
    const late = await lagging(0, 0.999);
    await late.nextAlarm();
    expect(late.dueInMs()).toBeGreaterThan(29_900);
  });

  test('is left alone once it is confirmed: the alarm is cleared and the attempts are forgotten', async () => {
    const { nextAlarm, dueInMs, reached, storage } = await lagging(0);
    await nextAlarm();
    await nextAlarm();
    expect(storage.attempt()).toBe(2);
    reached.set('evening', new Map([['seat-map', 1]]));
    await nextAlarm();
    expect(dueInMs()).toBeNull();
    expect(storage.attempt()).toBe(0);
  });

  test('is asked only for the projections that are not confirmed', async () => {
    const { run, settled, reached, nextAlarm, asked, ranges } = seatObject();
    reached.set(
      'evening',
      new Map([
        ['seat-map', 1],
        ['waiting-list', 0],
        ['seat-search', 0],
      ]),
    );
    await run(reserve('Ada'));
    await settled();
    await nextAlarm();
    reached.set(
      'evening',
      new Map([
        ['seat-map', 1],
        ['waiting-list', 1],
        ['seat-search', 0],
      ]),
    );
    await nextAlarm();
    await nextAlarm();
    expect(asked.map(({ projections }) => projections)).toEqual([
      undefined,
      ['waiting-list', 'seat-search'],
      ['seat-search'],
    ]);
    expect(ranges().slice(1)).toEqual(['evening 1-1', 'evening 1-1', 'evening 1-1']);
  });

  test('is asked for all its projections again after new events, since the confirmed ones may lack them', async () => {
    const { around, run, settled, reached, nextAlarm, asked, dueInMs } = seatObject();
    reached.set(
      'evening',
      new Map([
        ['seat-map', 1],
        ['waiting-list', 0],
      ]),
    );
    await run(reserve('Ada'));
    await settled();
    // From now on no message arrives.
    around.send = async () => {};
    await run(release);
    await settled();
    await nextAlarm();
    // A read brings one projection up to date. The other still lacks the second event.
    reached.set(
      'evening',
      new Map([
        ['seat-map', 1],
        ['waiting-list', 2],
      ]),
    );
    await nextAlarm();
    expect(asked.at(-1)?.projections ?? ['seat-map']).toContain('seat-map');
    expect(dueInMs()).not.toBeNull();
  });

  test('is asked sooner after the next command', async () => {
    const { nextAlarm, run, dueInMs } = await lagging(0, 1);
    for (let check = 0; check < 13; check += 1) await nextAlarm();
    expect(dueInMs()).toBe(DAY_MS);
    await run(release);
    expect(dueInMs()).toBe(3 * evening.batchWaitMs);
  });

  test('is asked sooner after the next command, even after an eviction', async () => {
    const { nextAlarm, run, dueInMs, evict } = await lagging(0, 1);
    for (let check = 0; check < 13; check += 1) await nextAlarm();
    evict();
    await run(release);
    expect(dueInMs()).toBe(3 * evening.batchWaitMs);
  });
});

describe('a group whose database fails', () => {
  /** An object after a command that reached neither group. The database of `night` fails. */
  async function away() {
    const object = seatObject();
    const { around, reached, run, settled } = object;
    const { versionsReached } = around;
    around.groupsOf = () => [evening, night];
    around.versionsReached = async (group, stream, projections) => {
      const answer = await versionsReached(group, stream, projections);
      if (group === night) throw new Error('overloaded');
      return answer;
    };
    reached.set('evening', new Map([['seat-map', 0]]));
    await run(reserve('Ada'));
    await settled();
    return object;
  }

  test('does not keep another group from being reminded and confirmed, and is then asked alone', async () => {
    const { asked, nextAlarm, ranges, reached, storage } = await away();
    await nextAlarm();
    expect(ranges()).toEqual(['evening 1-1*', 'evening 1-1']);
    reached.set('evening', new Map([['seat-map', 1]]));
    for (let check = 0; check < 3; check += 1) await nextAlarm();
    expect(asked.map(({ group }) => group)).toEqual(['evening', 'night', 'evening', 'night', 'night', 'night']);
    expect(storage.attempt()).toBe(4);
  });

  test('does not delay the check of another group for long: a command brings the check forward for all', async () => {
    for (const isEvicted of [false, true]) {
      const { around, dueInMs, evict, nextAlarm, ranges, reached, run, settled, asked } = await away();
      reached.set('evening', new Map([['seat-map', 1]]));
      for (let check = 0; check < 13; check += 1) await nextAlarm();
      expect(dueInMs()).toBeGreaterThan(12 * 60 * MINUTE_MS);
      if (isEvicted) evict();
      const { send } = around;
      around.send = async () => undefined;
      await run(release);
      await settled();
      around.send = send;
      expect(dueInMs()).toBe(2.5 * night.batchWaitMs);
      await nextAlarm();
      expect(asked.slice(-2).map(({ group }) => group)).toEqual(['evening', 'night']);
      expect(ranges().at(-1)).toBe('evening 2-2');
    }
  });

  test('does not delay the check of events that came after the check was planned', async () => {
    const { dueInMs, nextAlarm, ranges, reached, run, settled } = await away();
    reached.set('evening', new Map([['seat-map', 1]]));
    for (let check = 0; check < 13; check += 1) await nextAlarm();
    await run(release);
    await run(reserve('Bob'));
    await settled();
    reached.set('evening', new Map([['seat-map', 2]]));
    await nextAlarm();
    expect(dueInMs()).toBe(2.5 * night.batchWaitMs);
    await nextAlarm();
    expect(ranges().at(-1)).toBe('evening 3-3');
  });
});

describe('on a busy stream', () => {
  test('a check compares with the head when it was planned, not with the present head', async () => {
    const { run, settled, reached, nextAlarm, ranges, dueInMs, reports } = seatObject();
    reached.set('evening', new Map([['seat-map', 1]]));
    await run(reserve('Ada'));
    await settled();
    await run(release);
    await settled();
    await nextAlarm();
    expect(reports).toEqual([]);
    expect(ranges()).toEqual(['evening 1-1*', 'evening 2-2*']);
    expect(dueInMs()).toBe(SETTLED_MS);
  });

  test('one check is enough if it finds that everything up to the present head has arrived', async () => {
    const { run, settled, nextAlarm, asked, dueInMs } = seatObject();
    await run(reserve('Ada'));
    await run(release);
    await settled();
    await nextAlarm();
    expect(asked).toHaveLength(1);
    expect(dueInMs()).toBeNull();
  });

  test('the next check compares with the newer head', async () => {
    const { run, settled, reached, nextAlarm, ranges, reports } = seatObject();
    reached.set('evening', new Map([['seat-map', 1]]));
    await run(reserve('Ada'));
    await run(release);
    await settled();
    await nextAlarm();
    await nextAlarm();
    expect(reports).toEqual(['relay.reminded']);
    expect(ranges().at(-1)).toBe('evening 2-2');
  });
});

describe('the alarm handler', () => {
  test('arms the next alarm before its first await on a retry, so that a crash in the last one loses nothing (I7)', async () => {
    const { around, run, fireAlarm, clock, dueInMs } = seatObject({ timeoutMs: 10_000 });
    await run(reserve('Ada'));
    clock.advance(SETTLED_MS);
    around.versionsReached = () => never;
    void fireAlarm({ isRetry: true });
    expect(dueInMs()).toBe(0.75 * 30_000);
  });

  test('sets no alarm in its first attempt if everything has arrived, nor does a read meanwhile: an alarm costs a row', async () => {
    const { alarm, around, run, read, settled, clock, fireAlarm } = seatObject({ timeoutMs: 10_000 });
    await run(reserve('Ada'));
    await settled();
    clock.advance(SETTLED_MS);
    const sets: number[] = [];
    const { set } = alarm;
    alarm.set = (dueAt) => {
      sets.push(dueAt);
      return set(dueAt);
    };
    const { promise: answer, resolve: answers } = Promise.withResolvers<ReadonlyMap<string, Reached>>();
    around.versionsReached = () => answer;
    const firing = fireAlarm();
    await read();
    await Promise.resolve();
    answers(new Map());
    await firing;
    await settled();
    expect(sets).toEqual([]);
    expect(alarm.dueAt).toBeNull();
  });

  test('leaves an event whose first attempt died to the platform, which tries again (I7)', async () => {
    const { around, run, evict, reached, settled, clock, fireAlarm, ranges, dueInMs } = seatObject({
      timeoutMs: 10_000,
    });
    await run(reserve('Ada'));
    await settled();
    clock.advance(SETTLED_MS);
    const { versionsReached } = around;
    around.versionsReached = () => never;
    void fireAlarm();
    expect(dueInMs()).toBeNull();
    evict();
    around.versionsReached = versionsReached;
    reached.set('evening', new Map([['seat-map', 0]]));
    await fireAlarm({ isRetry: true });
    expect(ranges().at(-1)).toBe('evening 1-1');
    expect(dueInMs()).toBeGreaterThan(0);
  });

  test('only arms the alarm again if it fires early', async () => {
    const { run, fireAlarm, clock, asked, dueInMs } = seatObject();
    await run(reserve('Ada'));
    clock.advance(500);
    await fireAlarm();
    expect(asked).toEqual([]);
    expect(dueInMs()).toBe(SETTLED_MS - 500);
  });

  test.each([
    ['at a version beyond its end', { version: 3, eventId: 'lost' }],
    ['at its own version', { version: 1, eventId: 'lost' }],
  ])('sends a recheck if a projection has another event than the log: %s', async (_where, lost) => {
    const { reached, run, nextAlarm, sent, settled } = seatObject();
    reached.set('evening', new Map([['seat-map', lost]]));
    await run(reserve('Ada'));
    await settled();
    sent.length = 0;
    await nextAlarm();
    expect(sent).toEqual([
      { group: 'evening', hint: { stream: 'seat-12', fromVersion: 1, toVersion: 1, isRecheck: true } },
    ]);
    // Rechecks go on until a dead letter holds the stream. The answer then leaves the projection out.
    reached.set('evening', new Map());
    sent.length = 0;
    await nextAlarm();
    expect(sent).toEqual([]);
  });

  test('never delays an alarm that a command has set meanwhile', async () => {
    const { around, run, clock, fireAlarm, alarm, storage } = seatObject({ timeoutMs: 10_000 });
    await run(reserve('Ada'));
    clock.advance(SETTLED_MS);
    const { promise: answer, resolve: answers } = Promise.withResolvers<ReadonlyMap<string, Reached>>();
    around.versionsReached = () => answer;
    const firing = fireAlarm();
    await run(release);
    const { dueAt } = alarm;
    expect(dueAt).toBe(clock.now() + SETTLED_MS);
    clock.advance(1_000);
    answers(new Map([['seat-map', { version: 1, eventId: storage.read(1, 1)[0]?.id ?? null }]]));
    await firing;
    expect(alarm.dueAt).toBe(dueAt);
  });

  test.each<[string, (object: ReturnType<typeof seatObject>) => void]>([
    ['the database does not answer', ({ around }) => (around.versionsReached = () => never)],
    [
      'the database fails',
      ({ around }) => (around.versionsReached = async () => Promise.reject(new Error('overloaded'))),
    ],
    [
      'the queue fails',
      ({ around, reached }) => {
        reached.set('evening', new Map([['seat-map', 0]]));
        around.send = async () => Promise.reject(new Error('no queue'));
      },
    ],
    [
      'the storage fails',
      ({ storage }) =>
        (storage.head = () => {
          throw new Error('disk');
        }),
    ],
    [
      'a port throws at once',
      ({ around }) =>
        (around.versionsReached = () => {
          throw new Error('bad deploy');
        }),
    ],
  ])('does not throw if %s, and arms the alarm again', async (_, breaks) => {
    const object = seatObject();
    await object.run(reserve('Ada'));
    await object.settled();
    breaks(object);
    await object.nextAlarm();
    expect(object.alarm.dueAt).toBeGreaterThan(object.clock.now());
    expect(object.reports.at(-1)).toMatch(/^relay\.(check|alarm)-failed$/);
  });

  test('asks a database that keeps failing less and less often', async () => {
    const { around, run, settled, nextAlarm, dueInMs } = seatObject();
    around.random = () => 1;
    around.versionsReached = async () => Promise.reject(new Error('overloaded'));
    await run(reserve('Ada'));
    await settled();
    const waits: (number | null)[] = [];
    for (let check = 0; check < 4; check += 1) {
      await nextAlarm();
      waits.push(dueInMs());
    }
    expect(waits).toEqual([0.5, 1, 2, 4].map((wait) => wait * MINUTE_MS));
  });

  test('counts one attempt, even if a check finds a lag and its reminder fails', async () => {
    const { around, nextAlarm, storage } = await lagging(0);
    around.send = async () => Promise.reject(new Error('no queue'));
    await nextAlarm();
    await nextAlarm();
    expect(storage.attempt()).toBe(2);
  });

  test('keeps the alarm, an hour at a time, while the code does not know the category, and continues afterwards', async () => {
    const { around, run, settled, evict, nextAlarm, dueInMs, reached, ranges } = seatObject();
    reached.set('evening', new Map([['seat-map', 0]]));
    await run(reserve('Ada'));
    await settled();
    evict();
    around.groupsOf = () => undefined;
    await nextAlarm();
    expect(dueInMs()).toBe(60 * MINUTE_MS);
    await nextAlarm();
    expect(dueInMs()).toBe(60 * MINUTE_MS);
    around.groupsOf = () => [evening];
    await nextAlarm();
    expect(ranges()).toEqual(['evening 1-1*', 'evening 1-1']);
  });

  test('does nothing for a stream that does not exist', async () => {
    const { fireAlarm, alarm, asked } = seatObject();
    await fireAlarm();
    expect(alarm.dueAt).toBeNull();
    expect(asked).toEqual([]);
  });
});

describe('an evicted object', () => {
  test('wakes by its alarm, asks every group and reminds those that lag, even if it had sent nothing (I7)', async () => {
    const { around, run, evict, nextAlarm, reached, ranges } = seatObject();
    around.groupsOf = () => [evening, night];
    const { send } = around;
    around.send = () => never;
    reached.set('evening', new Map([['seat-map', 0]]));
    await run(turnOver('Ada'));
    evict();
    around.send = send;
    await nextAlarm();
    expect(ranges()).toEqual(['evening 1-2']);
  });

  test('continues the count of attempts', async () => {
    const { nextAlarm, evict, dueInMs } = await lagging(0, 1);
    await nextAlarm();
    await nextAlarm();
    expect(dueInMs()).toBe(MINUTE_MS);
    evict();
    await nextAlarm();
    expect(dueInMs()).toBe(2 * MINUTE_MS);
  });

  test('finds the alarm that is set, and a command does not delay it', async () => {
    const { run, settled, evict, alarm, clock } = seatObject();
    await run(reserve('Ada'));
    await settled();
    const { dueAt } = alarm;
    evict();
    clock.advance(1_000);
    await run(release);
    expect(alarm.dueAt).toBe(dueAt);
  });

  test('publishes only the new events, tied to those before', async () => {
    const { run, settled, evict, sent, ranges, storage } = seatObject();
    await run(reserve('Ada'));
    await settled();
    evict();
    await run(release);
    await settled();
    expect(ranges()).toEqual(['evening 1-1*', 'evening 2-2*']);
    expect(sent[1]?.hint.previousId).toBe(storage.read(1, 1)[0]?.id);
  });
});
