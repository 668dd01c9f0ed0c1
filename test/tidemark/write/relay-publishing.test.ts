import { describe, expect, test } from 'vitest';

import { streamId } from '../../../src/tidemark/domain/stream.ts';
import { createRelay } from '../../../src/tidemark/write/relay.ts';
import { SEAT, evening } from '../seats.ts';
import { release, reserve, turnOver } from './seat-aggregate.ts';
import { SETTLED_MS, night, seatObject } from './seat-object.ts';

const never = new Promise<never>(() => {});

describe('right after a commit', () => {
  test('the relay sends its events to the first group that follows, with the id of the event before them', async () => {
    const { around, run, settled, sent, storage } = seatObject();
    around.groupsOf = () => [evening, night];
    await run(reserve('Ada'));
    await settled();
    const [first] = storage.read(1, 1);
    const hint = { stream: 'seat-12', fromVersion: 1, toVersion: 1, previousId: null, events: [first] };
    expect(sent).toEqual([{ group: 'evening', hint }]);

    await run(turnOver('Bob'));
    await settled();
    expect(sent[1]?.hint).toMatchObject({
      fromVersion: 2,
      toVersion: 4,
      previousId: first?.id,
      events: storage.read(2, 3),
    });
  });

  test('the relay sends nothing for a refused command', async () => {
    const { run, settled, sent, alarm } = seatObject();
    await run(release);
    await settled();
    expect(sent).toEqual([]);
    expect(alarm.dueAt).toBeNull();
  });

  test('the relay sends nothing and arms no alarm if no group follows', async () => {
    const { around, run, settled, sent, alarm } = seatObject();
    around.groupsOf = () => [];
    await run(reserve('Ada'));
    await settled();
    expect(sent).toEqual([]);
    expect(alarm.dueAt).toBeNull();
  });

  test('the answer does not wait for a send', async () => {
    const { around, run } = seatObject();
    around.send = () => never;
    expect(await run(reserve('Ada'))).toMatchObject({ outcome: 'applied', version: 1 });
  });
});

describe('a burst of commands', () => {
  test('shares its first message, if the commands come in one moment', async () => {
    const { run, settled, ranges } = seatObject({ coalesceMs: 60_000, gatherMs: 5 });
    await run(reserve('Ada'));
    await Promise.all(Array.from({ length: 9 }, () => run(turnOver('Bob'))));
    await settled();
    expect(ranges()).toEqual(['evening 1-28*']);
  });

  test('becomes two messages, if the first is sent before the others: one at once, and one for all later commands', async () => {
    const { run, settled, ranges } = seatObject({ coalesceMs: 2, gatherMs: 0 });
    await run(reserve('Ada'));
    await Promise.all(Array.from({ length: 9 }, () => run(turnOver('Bob'))));
    await settled();
    expect(ranges()).toEqual(['evening 1-1*', 'evening 2-28*']);
  });

  test('coalesces even while a send is slow', async () => {
    const { around, run, settled, sent, ranges } = seatObject({ coalesceMs: 0 });
    const { promise: answer, resolve: answers } = Promise.withResolvers<void>();
    around.send = async (group, hint) => {
      sent.push({ group: group.name, hint });
      await answer;
    };
    await run(reserve('Ada'));
    await run(release);
    await run(reserve('Bob'));
    expect(ranges()).toEqual(['evening 1-1*']);
    answers();
    await settled();
    expect(ranges()).toEqual(['evening 1-1*', 'evening 2-3*']);
  });

  test('waits for the batch wait of the group, unless an option sets another pause', async () => {
    const { around, run, settled, ranges, clock } = seatObject({ coalesceMs: undefined });
    around.groupsOf = () => [{ ...evening, batchWaitMs: 5 }];
    await run(reserve('Ada'));
    await settled();
    expect(ranges()).toEqual(['evening 1-1*']);
    await Promise.all([run(release), run(reserve('Bob'))]);
    expect(ranges()).toEqual(['evening 1-1*']);
    await settled();
    expect(ranges()).toEqual(['evening 1-1*', 'evening 2-3*']);
    clock.advance(5);
    await run(release);
    await settled();
    expect(ranges()).toEqual(['evening 1-1*', 'evening 2-3*', 'evening 4-4*']);
  });

  test('does not delay a command that comes after the pause', async () => {
    const { run, settled, ranges, clock } = seatObject({ coalesceMs: 60_000 });
    await run(reserve('Ada'));
    await settled();
    clock.advance(60_000);
    await run(release);
    await settled();
    expect(ranges()).toEqual(['evening 1-1*', 'evening 2-2*']);
  });

  test('is read page by page, each page tied to the one before', async () => {
    const { around, run, settled, sent, ranges } = seatObject({ pageSize: 2 });
    const { promise: answer, resolve: answers } = Promise.withResolvers<void>();
    around.send = async (group, hint) => {
      sent.push({ group: group.name, hint });
      await answer;
    };
    await run(turnOver('Ada'));
    await run(turnOver('Bob'));
    answers();
    await settled();
    expect(ranges()).toEqual(['evening 1-2*', 'evening 3-4*', 'evening 5-5*']);
    expect(sent.map(({ hint }) => hint.previousId)).toEqual([
      null,
      sent[0]?.hint.events?.[1]?.id,
      sent[1]?.hint.events?.[1]?.id,
    ]);
  });
});

describe('a send that fails', () => {
  test.each([
    ['throws', async () => Promise.reject(new Error('no queue'))],
    ['hangs', () => never],
  ])('because the queue %s is reported; the alarm sends the events again', async (_, failing) => {
    const { around, run, settled, ranges, reports, nextAlarm, dueInMs } = seatObject();
    const { send } = around;
    around.send = failing;
    await run(reserve('Ada'));
    await settled();
    expect(reports).toEqual(['relay.send-failed']);
    expect(dueInMs()).toBe(2 * evening.batchWaitMs);

    around.send = send;
    await nextAlarm();
    expect(ranges()).toEqual(['evening 1-1*']);
    expect(dueInMs()).toBe(SETTLED_MS);
    await nextAlarm();
    expect(dueInMs()).toBeNull();
  });

  test('brings the alarm forward by its own group’s batch wait, not by the slowest group’s', async () => {
    const { around, run, settled, dueInMs, nextAlarm, ranges } = seatObject();
    const { send } = around;
    around.groupsOf = () => [evening, night];
    around.send = async () => Promise.reject(new Error('no queue'));
    await run(reserve('Ada'));
    await settled();
    expect(dueInMs()).toBe(2 * evening.batchWaitMs);

    around.send = send;
    await nextAlarm();
    expect(ranges()).toEqual(['evening 1-1*']);
  });

  test('is tried less often after each failure, and delays no other group', async () => {
    const { around, run, settled, reached, nextAlarm, dueInMs, ranges } = seatObject();
    const { send } = around;
    around.groupsOf = () => [evening, night];
    around.random = () => 1;
    around.send = async (group, hint) =>
      group === evening ? Promise.reject(new Error('no queue')) : send(group, hint);
    reached.set('evening', new Map([['seat-map', 0]]));
    reached.set('night', new Map([['takings', 0]]));
    await run(reserve('Ada'));
    await settled();
    const waits = [dueInMs()];
    for (let check = 0; check < 4; check += 1) {
      await nextAlarm();
      waits.push(dueInMs());
    }
    expect(waits).toEqual([2_000, 90_000, 90_000, 120_000, 240_000]);
    expect(ranges()).toEqual(Array.from({ length: 4 }, () => 'night 1-1'));
  });

  test('is repeated even if the queue accepted the message, which is harmless', async () => {
    const { around, run, settled, sent, ranges, nextAlarm } = seatObject();
    const { send } = around;
    around.send = async (group, hint) => {
      sent.push({ group: group.name, hint });
      throw new Error('connection lost');
    };
    await run(reserve('Ada'));
    await settled();
    around.send = send;
    await nextAlarm();
    expect(ranges()).toEqual(['evening 1-1*', 'evening 1-1*']);
  });

  test('loses nothing: the next command sends its events too', async () => {
    const { around, run, settled, ranges } = seatObject();
    const { send } = around;
    around.send = async () => Promise.reject(new Error('no queue'));
    await run(reserve('Ada'));
    await settled();
    around.send = send;
    await run(turnOver('Bob'));
    await settled();
    expect(ranges()).toEqual(['evening 1-4*']);
  });
});

test('a commit that is rolled back after it announced its events leaves nothing to send, and does not loop', () => {
  const { host, storage, alarm } = seatObject();
  const background: Promise<void>[] = [];
  const relay = createRelay({ ...host, storage, alarm, inBackground: (work) => void background.push(work) });
  relay.expect(streamId(SEAT, '12'), 1, 1);
  expect(background).toHaveLength(1);
});
