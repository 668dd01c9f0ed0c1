import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, it } from 'vitest';

import type { StoredEvent } from '../../../src/tidemark/domain/event.ts';
import type { Group } from '../../../src/tidemark/platform/group.ts';
import type { HintMessage } from '../../../src/tidemark/write/message.ts';
import { type SweepOptions, type SweepContext, sweepStep } from '../../../src/tidemark/catch-up/sweep.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import { manualClock } from '../../../src/tidemark/testing/manual-clock.ts';
import { CHECKPOINT_TABLES, separateCheckpoints, shareCheckpoints } from '../../support/checkpoints.ts';
import { faultyDatabase } from '../../support/database.ts';
import { meteredDatabase } from '../../support/metered-database.ts';
import {
  bareProjection,
  bareRegistry,
  logsRead,
  setCheckpoints,
  setDeadLetter,
  setPointer,
} from '../../support/projections.ts';

const near: Group = { name: 'near', batchWaitMs: 1_000 };
const far: Group = { name: 'far', batchWaitMs: 10_000 };

interface Sent {
  readonly group: string;
  readonly message: HintMessage;
  readonly delaySeconds: number;
}

const sent: Sent[] = [];

/** A log that ends at the version of the fastest projection, with the same event there. */
async function agreeingLog(stream: StreamId, fromVersion: number) {
  const found = await Promise.all(
    [env.SERVING_DB, env.REPORTING_DB].map((database) =>
      database
        .prepare('SELECT version, event_id AS id FROM target_position WHERE stream = ? ORDER BY version DESC LIMIT 1')
        .bind(stream)
        .first<{ version: number; id: string }>(),
    ),
  );
  const [last] = found.flatMap((row) => row ?? []).toSorted((one, other) => other.version - one.version);
  const events = last && fromVersion <= last.version ? [{ ...storedEvent(stream, last.version), id: last.id }] : [];
  return { events, previousId: null, head: last?.version ?? 0 };
}

function storedEvent(stream: StreamId, version: number): StoredEvent {
  const metadata = { commandId: 'c', correlationId: 'c', causationId: 'c', actor: 'a' };
  const recordedAt = '2026-01-01T00:00:00.000Z';
  return { id: 'an-id', stream, version, type: 'SeatAdded', schemaVersion: 1, data: {}, metadata, recordedAt };
}

function contextOf(overrides: Partial<SweepContext> = {}): SweepContext {
  return {
    registry: bareRegistry(
      [near, far],
      [
        bareProjection('seats', near, ['seat']),
        bareProjection('guests', far, ['seat', 'guest']),
        bareProjection('visits', far, ['seat']),
      ],
    ),
    databaseOf: (group) => (group === near ? env.SERVING_DB : env.REPORTING_DB),
    async send({ name }, message, { delaySeconds = 0 } = {}) {
      sent.push({ group: name, message, delaySeconds });
    },
    aggregates: logsRead(agreeingLog),
    clock: manualClock(),
    report: () => undefined,
    ...overrides,
  };
}

const step = (overrides: Partial<SweepContext> = {}, options: SweepOptions = {}) =>
  sweepStep(contextOf(overrides), options);

/** The reminders of each group, in the order in which they were sent. */
const reminders = () =>
  sent.flatMap(({ group, message }) =>
    message.hints.map(({ stream, fromVersion, toVersion }) => [group, stream, fromVersion, toVersion]),
  );

const cursor = () => env.SERVING_DB.prepare('SELECT stream FROM sweep').first<string>('stream');

const streams = (count: number, version = 1) =>
  Array.from({ length: count }, (_, index) => ({ stream: `seat-${String(index).padStart(4, '0')}`, version }));

beforeEach(async () => {
  sent.length = 0;
  for (const database of [env.SERVING_DB, env.REPORTING_DB]) {
    await database.batch(
      [...CHECKPOINT_TABLES, 'dead_letter', 'projection_pointer', 'sweep'].map((table) =>
        database.prepare(`DELETE FROM ${table}`),
      ),
    );
  }
  await setPointer(env.SERVING_DB, 'seats');
  await setPointer(env.REPORTING_DB, 'guests');
  await setPointer(env.REPORTING_DB, 'visits');
});

async function all(rows: { stream: string; version: number }[]): Promise<void> {
  await setCheckpoints(env.SERVING_DB, 'seats', rows);
  await setCheckpoints(env.REPORTING_DB, 'guests', rows);
  await setCheckpoints(env.REPORTING_DB, 'visits', rows);
}

/** Makes slot b move beside the live one. */
async function moveBoth(projection: string): Promise<void> {
  await env.SERVING_DB.prepare(
    `UPDATE projection_pointer SET moved = '[{"revision":1,"slot":"b"}]' WHERE projection = ?`,
  )
    .bind(projection)
    .run();
}

describe('a step of the sweep', () => {
  it('sends nothing if all projections are equally far', async () => {
    await all(streams(3));
    expect(await step()).toEqual({
      looked: 3,
      behind: 0,
      restored: 0,
      unread: 0,
      sent: 0,
      isStart: true,
      isComplete: true,
      unreachable: [],
      pauseMs: 0,
    });
    expect(sent).toEqual([]);
  });

  it('is complete at once if there is no stream', async () => {
    expect(await step()).toMatchObject({ looked: 0, isStart: true, isComplete: true });
  });

  it('reminds a lagging group in its own queue, from its slowest projection to the fastest one of any group', async () => {
    await setCheckpoints(env.SERVING_DB, 'seats', [{ stream: 'seat-1', version: 7 }]);
    await setCheckpoints(env.REPORTING_DB, 'guests', [
      { stream: 'guest-1', version: 9 },
      { stream: 'seat-1', version: 5 },
    ]);
    await setCheckpoints(env.REPORTING_DB, 'visits', [{ stream: 'seat-1', version: 3 }]);
    expect(await step()).toMatchObject({ looked: 2, behind: 1, sent: 1 });
    expect(sent).toEqual([
      {
        group: 'far',
        message: { sender: 'reminder', hints: [{ stream: 'seat-1', fromVersion: 4, toVersion: 7 }] },
        delaySeconds: 0,
      },
    ]);
  });

  it('counts a projection without a row as at version 0', async () => {
    await setCheckpoints(env.REPORTING_DB, 'guests', [{ stream: 'seat-1', version: 2 }]);
    await step();
    expect(reminders()).toEqual([
      ['near', 'seat-1', 1, 2],
      ['far', 'seat-1', 1, 2],
    ]);
  });

  it('reminds all groups of events that no projection has seen yet, in a known stream', async () => {
    await all(streams(1, 2));
    const load = async (stream: StreamId, version: number) => ({
      ...(await agreeingLog(stream, version)),
      head: 4,
    });
    expect(await step({ aggregates: logsRead(load) })).toMatchObject({ behind: 1, restored: 0 });
    expect(reminders()).toEqual([
      ['near', 'seat-0000', 3, 4],
      ['far', 'seat-0000', 3, 4],
    ]);
  });

  it.each([
    ['ends below their version', { events: [], previousId: null, head: 3 }],
    [
      'has another event at their version',
      { events: [storedEvent('seat-0000' as StreamId, 5)], previousId: null, head: 7 },
    ],
  ])('makes consumers compare a log with its read models if it %s', async (_what, page) => {
    await all(streams(1, 5));
    expect(await step({ aggregates: logsRead(async () => page) })).toMatchObject({ restored: 1 });
    const rechecks = sent.flatMap(({ group, message }) => message.hints.map(({ isRecheck }) => [group, isRecheck]));
    expect(rechecks).toEqual([
      ['near', true],
      ['far', true],
    ]);
    expect(reminders().every(([, , from, to]) => (from as number) <= (to as number))).toBe(true);
  });

  it('sends no reminder for a restored log that has a dead letter already', async () => {
    await all(streams(1, 5));
    for (const [database, name] of [
      [env.SERVING_DB, 'seats'],
      [env.REPORTING_DB, 'guests'],
      [env.REPORTING_DB, 'visits'],
    ] as const) {
      await setDeadLetter(database, name, 'seat-0000', 6);
      await database.prepare(`UPDATE dead_letter SET cause = 'log-restored'`).run();
    }
    const page = { events: [], previousId: null, head: 3 };
    expect(await step({ aggregates: logsRead(async () => page) })).toMatchObject({ restored: 0, behind: 0 });
    expect(sent).toEqual([]);
  });

  it('survives a log that does not answer, and counts it', async () => {
    await all(streams(3));
    await setCheckpoints(env.REPORTING_DB, 'visits', [{ stream: 'seat-0001', version: 0 }]);
    const load = async (stream: StreamId, version: number) =>
      stream === 'seat-0001' ? Promise.reject(new Error('overloaded')) : agreeingLog(stream, version);
    expect(await step({ aggregates: logsRead(load) })).toMatchObject({ looked: 3, unread: 1, isComplete: true });
    // For that stream, the sweep knows only the other projections' versions.
    expect(reminders()).toEqual([['far', 'seat-0001', 1, 1]]);
  });

  it('ends when its time for logs is over, however many streams there are', async () => {
    await all(streams(500));
    const clock = manualClock();
    const load = async (stream: StreamId, version: number) => {
      clock.advance(1_000);
      return agreeingLog(stream, version);
    };
    const { looked, unread, isComplete } = await step({ aggregates: logsRead(load), clock });
    expect(looked).toBeGreaterThan(0);
    expect(looked).toBeLessThan(20);
    expect([unread, isComplete]).toEqual([0, false]);
    expect(await cursor()).toBe(streams(500)[looked - 1]?.stream);
  });

  it('leaves out a stream that an open dead letter holds, and only in that projection', async () => {
    await all(streams(2, 5));
    await setCheckpoints(env.REPORTING_DB, 'visits', streams(2, 3));
    await setDeadLetter(env.REPORTING_DB, 'visits', 'seat-0000', 4);
    await step();
    expect(reminders()).toEqual([['far', 'seat-0001', 4, 5]]);

    sent.length = 0;
    await setCheckpoints(env.REPORTING_DB, 'guests', streams(2, 2));
    await step();
    expect(reminders()).toEqual([
      ['far', 'seat-0000', 3, 5],
      ['far', 'seat-0001', 3, 5],
    ]);
  });

  it('ignores a dead letter that is not open, or that the checkpoint has passed', async () => {
    await all(streams(2, 5));
    await setCheckpoints(env.REPORTING_DB, 'visits', streams(2, 4));
    await setDeadLetter(env.REPORTING_DB, 'visits', 'seat-0000', 5, false);
    await setDeadLetter(env.REPORTING_DB, 'visits', 'seat-0001', 4);
    expect((await step()).behind).toBe(2);
  });

  it('leaves out a projection that no reminder can move: without a live slot, or without code for it', async () => {
    await setCheckpoints(env.SERVING_DB, 'seats', streams(1));
    await setPointer(env.REPORTING_DB, 'guests', 0);
    await setPointer(env.REPORTING_DB, 'visits', 2);
    expect(await step()).toMatchObject({ looked: 1, behind: 0, sent: 0 });
  });

  it('judges the lag by the live slot, and learns the head from the other one too', async () => {
    await all(streams(1, 2));
    await setPointer(env.REPORTING_DB, 'visits', 1, 'b');
    await setCheckpoints(env.REPORTING_DB, 'visits', streams(1, 1), 'b');
    await setCheckpoints(env.SERVING_DB, 'seats', streams(1, 4), 'b');
    await moveBoth('seats');
    await step();
    expect(reminders()).toEqual([
      ['near', 'seat-0000', 3, 4],
      ['far', 'seat-0000', 2, 4],
    ]);
  });

  it('packs many streams into a message, and delays each message by one more batch wait', async () => {
    await setCheckpoints(env.SERVING_DB, 'seats', streams(500));
    const { behind, sent: messages, pauseMs } = await step();
    expect([behind, messages]).toEqual([500, sent.length]);
    expect(messages).toBeLessThanOrEqual(5);
    expect(reminders()).toHaveLength(500);
    expect(sent.map(({ delaySeconds }) => delaySeconds)).toEqual(sent.map((_, index) => 10 * index));
    expect(pauseMs).toBe(messages * 10_000);
  });
});

describe('a pass of the sweep', () => {
  it('checks every stream of every group once, page by page, in order', async () => {
    await setCheckpoints(env.SERVING_DB, 'seats', streams(25));
    await setCheckpoints(
      env.REPORTING_DB,
      'guests',
      Array.from({ length: 12 }, (_, index) => ({ stream: `guest-${index}`, version: 1 })),
    );
    const steps = [];
    do steps.push(await step({}, { streamsAtOnce: 10 }));
    while (!steps.at(-1)?.isComplete);
    expect(steps.map(({ looked }) => looked)).toEqual([10, 10, 10, 7]);
    expect(steps.map(({ isStart }) => isStart)).toEqual([true, false, false, false]);
    expect(reminders().map(([, stream]) => stream)).toEqual(streams(25).map(({ stream }) => stream));
    expect(await step({}, { streamsAtOnce: 10 })).toMatchObject({ looked: 10, isStart: true, isComplete: false });
  });

  it('asks every log once, however slow the logs are', async () => {
    await all(streams(40));
    const clock = manualClock();
    const asked: StreamId[] = [];
    const load = async (stream: StreamId, version: number) => {
      asked.push(stream);
      clock.advance(4_000);
      return agreeingLog(stream, version);
    };
    const steps = [];
    do steps.push(await step({ aggregates: logsRead(load), clock }, { streamsAtOnce: 25 }));
    while (!steps.at(-1)?.isComplete && steps.length < 40);
    expect(asked).toEqual(streams(40).map(({ stream }) => stream));
    expect(steps.reduce((sum, { looked }) => sum + looked, 0)).toBe(40);
    expect(steps.at(-1)).toMatchObject({ isComplete: true });
  });

  it('ends with an empty step if the last page was full', async () => {
    await all(streams(4));
    expect(await step({}, { streamsAtOnce: 2 })).toMatchObject({ looked: 2, isComplete: false });
    expect(await step({}, { streamsAtOnce: 2 })).toMatchObject({ looked: 2, isComplete: false });
    expect(await step({}, { streamsAtOnce: 2 })).toMatchObject({ looked: 0, isComplete: true, isStart: false });
  });

  it('advances once if two steps run at the same time', async () => {
    await all(streams(6));
    await Promise.all([step({}, { streamsAtOnce: 2 }), step({}, { streamsAtOnce: 2 })]);
    expect(await cursor()).toBe('seat-0001');
  });

  it('is never set back by a step that was overtaken', async () => {
    await all(streams(6));
    await step({}, { streamsAtOnce: 2 });
    const { database } = faultyDatabase(env.SERVING_DB, {
      async beforeBatch() {
        await step({}, { streamsAtOnce: 2 });
        await step({}, { streamsAtOnce: 1 });
      },
    });
    await step({ databaseOf: (group) => (group === near ? database : env.REPORTING_DB) }, { streamsAtOnce: 2 });
    expect(await cursor()).toBe('seat-0004');
  });
});

describe('a group that cannot be reached', () => {
  const away = () => {
    throw new Error('D1_ERROR: Network connection lost.');
  };
  const hung = () => new Promise<never>(() => undefined);

  it.each([
    ['fails', away],
    ['hangs', hung],
  ])(
    'is left out and named if its database %s; the others get reminders, and the cursor waits',
    async (_, beforeBatch) => {
      await setCheckpoints(env.SERVING_DB, 'seats', streams(3, 1));
      await setCheckpoints(env.SERVING_DB, 'seats', streams(3, 2), 'b');
      await moveBoth('seats');
      const { database } = faultyDatabase(env.REPORTING_DB, { beforeBatch });
      const databaseOf = (group: Group) => (group === near ? env.SERVING_DB : database);
      const first = await step({ databaseOf }, { timeoutMs: 200, streamsAtOnce: 2 });
      expect(first).toMatchObject({ looked: 2, behind: 2, isComplete: false, unreachable: ['far'] });
      expect(reminders().map(([group]) => group)).toEqual(['near', 'near']);
      expect(await cursor()).toBeNull();

      const second = await step({}, { streamsAtOnce: 2 });
      expect(second).toMatchObject({ looked: 2, isStart: true, unreachable: [] });
      expect(await cursor()).toBe('seat-0001');
    },
  );

  it('ends the step if its database keeps the cursor', async () => {
    await all(streams(1));
    const { database } = faultyDatabase(env.SERVING_DB, { beforeQuery: away });
    const databaseOf = (group: Group) => (group === near ? database : env.REPORTING_DB);
    expect(await step({ databaseOf })).toMatchObject({ looked: 0, isComplete: false, unreachable: ['near'] });
  });

  it.each([
    ['fails', away],
    ['hangs', hung],
  ])('is named if its queue %s, and its streams are checked again', async (_, send) => {
    await setCheckpoints(env.SERVING_DB, 'seats', streams(2));
    expect(await step({ send: async () => send() }, { timeoutMs: 200 })).toMatchObject({
      behind: 2,
      sent: 0,
      isComplete: false,
      unreachable: ['far'],
    });
    expect(await step()).toMatchObject({ behind: 2, isStart: true, isComplete: true, unreachable: [] });
    expect(reminders()).toHaveLength(2);
  });
});

describe('the cost of a step', () => {
  it.each([
    ['has a checkpoint of its own', separateCheckpoints],
    ['shares its checkpoints', shareCheckpoints],
  ])(
    'is a bounded number of rows, however many streams there are, if each projection %s: a page for each, and the cursor',
    async (_, store) => {
      const costOf = async () => {
        const [serving, reporting] = [meteredDatabase(env.SERVING_DB), meteredDatabase(env.REPORTING_DB)];
        await step(
          { databaseOf: (group) => (group === near ? serving.database : reporting.database) },
          { streamsAtOnce: 50 },
        );
        return {
          read: serving.bill.rowsRead + reporting.bill.rowsRead,
          written: serving.bill.rowsWritten + reporting.bill.rowsWritten,
        };
      };
      const both = [env.SERVING_DB, env.REPORTING_DB];
      await all(streams(200));
      for (const database of both) await store(database);
      const few = await costOf();
      for (const database of both) await separateCheckpoints(database);
      await all(streams(2_000));
      for (const database of both) await store(database);
      const many = await costOf();
      const [PROJECTIONS, DATABASES, POINTERS, CURSOR] = [3, 2, 3, 3];
      // A search without a result is billed as a row: in the other slot, for dead letters, and for shared checkpoints.
      const EMPTY = 2 * PROJECTIONS + DATABASES;
      expect(many.read).toBeLessThanOrEqual(50 * PROJECTIONS + POINTERS + CURSOR + EMPTY);
      expect(many.read - few.read).toBeLessThanOrEqual(1);
      expect(many.written).toBe(1);
    },
  );
});
