import { packMessages } from '../write/message.ts';
import type { StreamId } from '../domain/stream.ts';
import { timestamp } from '../platform/clock.ts';
import { withTimeout } from '../platform/timeout.ts';
import { askEveryGroup } from '../monitoring/projection-condition.ts';
import type { SystemContext } from '../projections/system-context.ts';
import { suspectsByStream, readLogs } from './sweep-logs.ts';
import { headOf, readPositions, reminderFor } from './sweep-positions.ts';

/** The part of the system that the sweep uses. The sweep reads logs, and so wakes the objects of streams. */
export type SweepContext = Pick<SystemContext, 'registry' | 'databaseOf' | 'aggregates' | 'send' | 'clock' | 'report'>;

export interface SweepOptions {
  /** Streams that one step checks; fewer if their logs are slow. Default: 500. */
  readonly streamsAtOnce?: number;
  /** Bytes of JSON in one message. Small, since the consumer reads a log for each reminder in it. Default: 12,000. */
  readonly maxMessageBytes?: number;
  /** Time, in ms, that a database or a queue may take to answer. Default: 10,000. */
  readonly timeoutMs?: number;
}

/** The result of one step of the sweep. */
export interface SweepStep {
  /** Streams checked. */
  readonly looked: number;
  /** Checked streams that need a reminder: a projection is behind the log or another projection, or may contradict the log. */
  readonly behind: number;
  /** Checked streams whose log contradicts a checkpoint: the log was restored to an earlier time. */
  readonly restored: number;
  /** Checked streams whose log did not answer in time. */
  readonly unread: number;
  /** Queue messages sent. Each reminds one group of many streams. */
  readonly sent: number;
  /** The step started at the first stream. */
  readonly isStart: boolean;
  /** The step reached the last stream. The next one starts a new pass. */
  readonly isComplete: boolean;
  /** Groups whose database or queue did not answer. The next step then checks the same streams again. */
  readonly unreachable: readonly string[];
  /** Time, in ms, to wait before the next step, so that the consumers take this step's reminders first. */
  readonly pauseMs: number;
}

/**
 * One paced step of a pass over all streams in any group's checkpoints, in the order of their ids. It asks each stream's log, and finds the streams
 * that a live projection has not brought to their end. It reminds that projection's group, in the group's own queue. If a checkpoint has another
 * event than the log, the reminder makes the consumer compare the two. The consumer then opens a dead letter of cause `log-restored`.
 *
 * A projection without a row for a stream is at version 0. The sweep sends no reminder for a stream that an open dead letter holds. It does not find
 * a stream that no projection has seen: the delivery check of the stream's own object does. If the time for the logs ends before the page does, the
 * step ends at the last stream that it asked. The next step goes on after it.
 *
 * The first group's database keeps the cursor. The cursor moves only if the step has asked and reminded every group. If a database or a queue is
 * away, the step still reminds the other groups, and the next step checks the same streams again. Two steps at once do no harm: both send reminders,
 * and one of them moves the cursor.
 */
export async function sweepStep(context: SweepContext, options: SweepOptions = {}): Promise<SweepStep> {
  const { registry, databaseOf, clock, report } = context;
  const { streamsAtOnce = 500, maxMessageBytes = 12_000, timeoutMs = 10_000 } = options;
  const [first] = registry.groups;
  const nothing = {
    looked: 0,
    behind: 0,
    restored: 0,
    unread: 0,
    sent: 0,
    isStart: false,
    isComplete: false,
    pauseMs: 0,
  };
  if (!first) return { ...nothing, isComplete: true, unreachable: [] };

  let cursor: string;
  try {
    cursor = await withTimeout(readCursor(databaseOf(first)), timeoutMs);
  } catch (error) {
    report('sweep.no-cursor', { group: first.name, error: String(error) });
    return { ...nothing, unreachable: [first.name] };
  }

  const { answers: asked } = await askEveryGroup(context, timeoutMs, (database, group) =>
    readPositions(context, database, group, cursor, streamsAtOnce),
  );
  const all = [...asked.values()].flat();
  const known = new Set(
    all.flatMap(({ live, other, sharedStreams }) => [...live.keys(), ...other.keys(), ...sharedStreams]),
  );
  const next = [...known].toSorted().slice(0, streamsAtOnce);
  const { asked: page, logs } = await readLogs(context, next, all);
  const suspects = suspectsByStream(logs, all);
  const heads = new Map(page.map((stream) => [stream, logs.get(stream)?.head ?? headOf(stream, all)]));

  const unreachable = registry.groups.filter((group) => !asked.has(group)).map(({ name }) => name);
  const behind = new Set<StreamId>();
  let sent = 0;
  let pauseMs = 0;
  for (const [group, positions] of asked) {
    const reminders = page.flatMap((stream) =>
      reminderFor(stream, heads.get(stream) ?? 0, positions, suspects.get(stream) ?? NONE),
    );
    for (const { stream } of reminders) behind.add(stream);
    const messages = packMessages(reminders, 'reminder', maxMessageBytes);
    // Each message waits one batch wait longer than the one before. So the group does not catch up a whole page of streams at once, as after a
    // restore of its database.
    const delayOf = (index: number) => Math.min(Math.ceil((index * group.batchWaitMs) / 1_000), MAX_DELAY_S);
    try {
      const sends = messages.map((message, index) => context.send(group, message, { delaySeconds: delayOf(index) }));
      await withTimeout(Promise.all(sends), timeoutMs);
      sent += messages.length;
      pauseMs = Math.max(pauseMs, messages.length * group.batchWaitMs);
    } catch (error) {
      report('sweep.send-failed', { group: group.name, error: String(error) });
      unreachable.push(group.name);
    }
  }

  // Fewer streams than requested: there are no more after the cursor.
  const isLast = next.length < streamsAtOnce && page.length === next.length;
  if (unreachable.length === 0) {
    const end = isLast ? '' : (page.at(-1) ?? '');
    try {
      await withTimeout(moveCursor(databaseOf(first), cursor, end, timestamp(clock)), timeoutMs);
    } catch (error) {
      report('sweep.cursor-not-moved', { group: first.name, error: String(error) });
      unreachable.push(first.name);
    }
  }
  const isComplete = isLast && unreachable.length === 0;
  return {
    looked: page.length,
    behind: behind.size,
    restored: suspects.size,
    unread: page.length - logs.size,
    sent,
    isStart: cursor === '',
    isComplete,
    unreachable,
    pauseMs,
  };
}

const NONE: ReadonlySet<string> = new Set();

/** The longest delay that Queues allow: 12 hours. */
const MAX_DELAY_S = 12 * 60 * 60;

async function readCursor(database: D1Database): Promise<string> {
  return (await database.prepare('SELECT stream FROM sweep WHERE id = 1').first<string>('stream')) ?? '';
}

/** Moves the cursor, unless another step has moved it meanwhile. */
async function moveCursor(database: D1Database, from: string, to: string, sweptAt: string): Promise<void> {
  await database
    .prepare(
      `INSERT INTO sweep (id, stream, swept_at) VALUES (1, ?2, ?3)
      ON CONFLICT (id) DO UPDATE SET stream = excluded.stream, swept_at = excluded.swept_at WHERE sweep.stream = ?1`,
    )
    .bind(from, to, sweptAt)
    .run();
}
