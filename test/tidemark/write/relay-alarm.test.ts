import { describe, expect, test } from 'vitest';

import { evening } from '../seats.ts';
import { applied, release, reserve, turnOver } from './seat-aggregate.ts';
import { SETTLED_MS, night, seatObject } from './seat-object.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const LIMIT = "Exceeded the account's spending cap for Durable Objects.";

/** An object with one event whose message never arrived. `sets` records each time that its alarm is set. */
async function unpublished() {
  const object = seatObject();
  const { alarm, around, reached } = object;
  reached.set('evening', new Map([['seat-map', 0]]));
  const arrives: typeof around.send = async (_group, { toVersion }) => {
    reached.set('evening', new Map([['seat-map', toVersion]]));
  };
  around.send = async () => Promise.reject(new Error('no queue'));
  const set = alarm.set;
  const sets: number[] = [];
  alarm.set = (dueAt) => {
    sets.push(dueAt);
    return set(dueAt);
  };
  await object.run(reserve('Ada'));
  await object.settled();
  around.send = arrives;
  return {
    ...object,
    sets,
    isDelivered: () => reached.get('evening')?.get('seat-map') === object.storage.head()?.version,
  };
}

/** Makes the platform refuse everything that it refuses at the account’s spending limit, until `lift`. */
function limit({ alarm, around }: Pick<ReturnType<typeof seatObject>, 'alarm' | 'around'>) {
  const { set } = alarm;
  const { send, versionsReached } = around;
  alarm.set = async () => Promise.reject(new Error(LIMIT));
  around.send = async () => Promise.reject(new Error(LIMIT));
  around.versionsReached = async () => Promise.reject(new Error(LIMIT));
  return {
    lift() {
      Object.assign(alarm, { set });
      Object.assign(around, { send, versionsReached });
    },
  };
}

async function runAlarms({ alarm, nextAlarm, settled }: ReturnType<typeof seatObject>): Promise<void> {
  for (let alarms = 0; alarm.dueAt !== null; alarms += 1) {
    expect(alarms).toBeLessThan(20);
    await nextAlarm();
    await settled();
  }
}

describe('an alarm that is overdue by more than a minute', () => {
  test('counts as not set for the next command (I7)', async () => {
    const { clock, alarm, run, evict, dueInMs } = await unpublished();
    clock.advance((alarm.dueAt ?? 0) - clock.now() + MINUTE_MS + 1);
    evict();
    await run(release);
    expect(dueInMs()).toBe(SETTLED_MS);
  });

  test('counts as not set in the same lifetime, and is set again once, not at every command', async () => {
    const { clock, alarm, run, dueInMs, sets } = await unpublished();
    clock.advance((alarm.dueAt ?? 0) - clock.now() + MINUTE_MS + 1);
    sets.length = 0;
    await run(turnOver('Bob'));
    expect(dueInMs()).toBe(0);
    await run(turnOver('Cyd'));
    expect(sets).toHaveLength(1);
  });

  test('is set again by a read, since a stream may never get another command (I7)', async () => {
    for (const isEvicted of [true, false]) {
      const object = await unpublished();
      const { clock, alarm, read, evict, settled, isDelivered } = object;
      // The platform holds an alarm back for seven days, and then forgets it.
      clock.advance(8 * DAY_MS);
      if (isEvicted) evict();
      await read();
      await settled();
      expect(alarm.dueAt).toBe(clock.now());
      await runAlarms(object);
      expect(isDelivered()).toBe(true);
    }
  });
});

describe('an alarm that was lost', () => {
  /** Calls that commit nothing. */
  const calls = ['a read', 'a command that is refused'] as const;
  const call = ({ read, run }: Pick<ReturnType<typeof seatObject>, 'read' | 'run'>, what: (typeof calls)[number]) =>
    what === 'a read' ? read() : run(reserve('Bob'));

  test.each(calls)('is set again by %s when it is overdue (I7)', async (what) => {
    const object = await unpublished();
    object.clock.advance(8 * DAY_MS);
    object.evict();
    await call(object, what);
    await object.settled();
    expect(object.alarm.dueAt).toBe(object.clock.now());
    await runAlarms(object);
    expect(object.isDelivered()).toBe(true);
  });

  test.each(calls)('is set again by %s after the platform refused that once (I7)', async (what) => {
    const object = await unpublished();
    object.clock.advance(8 * DAY_MS);
    object.evict();
    const { lift } = limit(object);
    await call(object, what);
    await object.settled();
    lift();
    object.clock.advance(MINUTE_MS);
    await call(object, what);
    await object.settled();
    expect(object.alarm.dueAt).toBe(object.clock.now());
    await runAlarms(object);
    expect(object.isDelivered()).toBe(true);
  });

  test.each(calls)(
    'is set again by %s if the platform refused it after the commit and the object was evicted (I7)',
    async (what) => {
      const object = seatObject();
      const { lift } = limit(object);
      await object.run(reserve('Ada'));
      await object.settled();
      expect(object.alarm.dueAt).toBeNull();
      object.evict();
      lift();
      object.reached.set('evening', new Map([['seat-map', 0]]));
      await call(object, what);
      await object.settled();
      expect(object.alarm.dueAt).toBe(object.clock.now());
      await object.nextAlarm();
      expect(object.ranges()).toEqual(['evening 1-1']);
      // The mark of the refusal is deleted once delivery is confirmed.
      object.reached.set('evening', new Map([['seat-map', 1]]));
      await runAlarms(object);
      expect(object.storage.attempt()).toBe(0);
      object.evict();
      await call(object, what);
      await object.settled();
      expect(object.alarm.dueAt).toBeNull();
    },
  );

  test('is set only once for a count that an earlier lifetime has left', async () => {
    const object = seatObject();
    await object.run(reserve('Ada'));
    await object.settled();
    await runAlarms(object);
    object.storage.setAttempt(3);
    object.evict();
    await object.read();
    await object.settled();
    expect(object.alarm.dueAt).not.toBeNull();
    await runAlarms(object);
    expect(object.storage.attempt()).toBe(0);
  });
});

describe('an earlier alarm that the platform refuses', () => {
  test('leaves the alarm at its former time', async () => {
    const object = seatObject();
    object.around.groupsOf = () => [night];
    object.reached.set('night', new Map([['takings', 0]]));
    await object.run(reserve('Ada'));
    await object.settled();
    for (let check = 0; check < 6; check += 1) await object.nextAlarm();
    const dueAt = object.alarm.dueAt ?? 0;
    const { lift } = limit(object);
    await object.run(release);
    await object.settled();
    expect(object.alarm.dueAt).toBe(dueAt);
    lift();
    await object.read();
    await object.settled();
    // Its message was refused too, so it is sent again sooner than the delivery check.
    expect(object.alarm.dueAt).toBe(object.clock.now() + 2 * night.batchWaitMs);
  });
});

describe('an alarm that is late by at most a minute', () => {
  test('counts as set: commands and reads do not change it', async () => {
    const { clock, alarm, run, read, evict, settled, sets } = await unpublished();
    clock.advance((alarm.dueAt ?? 0) - clock.now() + MINUTE_MS);
    evict();
    sets.length = 0;
    await read();
    await run(release);
    await settled();
    expect(sets).toEqual([]);
  });
});

describe('a read of a stream that is delivered or does not exist', () => {
  test('sets no alarm', async () => {
    const object = seatObject();
    await object.read();
    await object.settled();
    expect(object.alarm.dueAt).toBeNull();
    await object.run(reserve('Ada'));
    await object.settled();
    await runAlarms(object);
    object.evict();
    await object.read();
    await object.settled();
    expect(object.alarm.dueAt).toBeNull();
  });
});

describe('at the spending limit of the account', () => {
  test('an alarm that is held back delivers everything once the limit is lifted', async () => {
    const object = await unpublished();
    const { lift } = limit(object);
    object.clock.advance(6 * DAY_MS);
    object.evict();
    lift();
    await runAlarms(object);
    expect(object.isDelivered()).toBe(true);
  });

  test('a handler that cannot set the next alarm throws, so that the platform runs it again (I7)', async () => {
    const object = await unpublished();
    const { alarm, clock, fireAlarm, reports, isDelivered } = object;
    clock.advance((alarm.dueAt ?? 0) - clock.now());
    const { lift } = limit(object);
    const { head } = object.storage;
    object.storage.head = () => {
      throw new Error(LIMIT);
    };
    await expect(fireAlarm()).rejects.toThrow(LIMIT);
    object.storage.head = head;
    expect(reports).toContain('relay.alarm-refused');
    lift();
    await fireAlarm();
    await runAlarms(object);
    expect(isDelivered()).toBe(true);
  });

  test('a handler also throws if setting the alarm throws', async () => {
    const { alarm, clock, fireAlarm } = await unpublished();
    clock.advance((alarm.dueAt ?? 0) - clock.now());
    alarm.set = () => {
      throw new Error(LIMIT);
    };
    await expect(fireAlarm()).rejects.toThrow(LIMIT);
  });

  test('a command whose alarm is refused at once stores nothing (I6)', async () => {
    const { alarm, run, storage } = seatObject();
    alarm.set = () => {
      throw new Error(LIMIT);
    };
    await expect(run(reserve('Ada'))).rejects.toThrow(LIMIT);
    expect(storage.head()).toBeUndefined();
  });

  test.each([true, false])(
    'a command whose alarm is refused at once does not stop the delivery of earlier events (evicted before: %s)',
    async (isEvicted) => {
      const object = await unpublished();
      const { alarm, around, clock, evict, run, isDelivered } = object;
      // The queue accepts the message and loses it.
      const arrives = around.send;
      around.send = async () => undefined;
      clock.advance(DAY_MS);
      if (isEvicted) evict();
      const { set } = alarm;
      alarm.set = () => {
        throw new Error(LIMIT);
      };
      await expect(run(release)).rejects.toThrow(LIMIT);
      alarm.set = set;
      await object.settled();
      around.send = arrives;
      await runAlarms(object);
      expect(isDelivered()).toBe(true);
    },
  );

  test.each(['a read', 'a command'])('an alarm that is refused after the commit is set by %s', async (what) => {
    const object = seatObject();
    const { lift } = limit(object);
    expect(await object.run(reserve('Ada'))).toEqual(applied(1));
    await object.settled();
    expect(object.alarm.dueAt).toBeNull();
    lift();
    if (what === 'a read') await object.read();
    else await object.run(release);
    await object.settled();
    expect(object.alarm.dueAt).not.toBeNull();
    await runAlarms(object);
    expect(object.sent.at(-1)?.hint.toVersion).toBe(object.storage.head()?.version);
    expect(object.sent.every(({ group }) => group === evening.name)).toBe(true);
  });
});
