import { packMessages } from '../write/message.ts';
import type { StreamId } from '../domain/stream.ts';
import { withTimeout } from '../platform/timeout.ts';
import { askEveryGroup } from '../monitoring/projection-condition.ts';
import type { SystemContext } from '../projections/system-context.ts';
import { suspectsByStream, readLogs } from './sweep-logs.ts';
import { headOf, readPositions, reminderFor } from './sweep-positions.ts';

/** The part of the system that the sweep works with. It reads logs, and so wakes the objects of streams. */
export type SweepContext = Pick<SystemContext, 'registry' | 'databaseOf' | 'aggregates' | 'send' | 'clock' | 'report'>;

export interface SweepOptions {
  /** How many streams one step looks at. Fewer where their logs are slow. */
  readonly streamsAtOnce?: number;
  /** How much of reminders one message holds, in bytes of JSON. Small, since whoever gets it reads a log for each. */
  readonly maxMessageBytes?: number;
  /** How long a database or a queue may take to answer, in ms. */
  readonly timeoutMs?: number;
}

/** What one step of the sweep did. */
export interface SweepStep {
  /** Streams looked at. */
  readonly looked: number;
  /** Streams of these that some projection has not brought as far as their log, or as another projection. */
  readonly behind: number;
  /** Streams of these whose log contradicts a checkpoint: it was restored to an earlier time. */
  readonly restored: number;
  /** Streams of these whose log did not answer in time. */
  readonly unread: number;
  /** Queue messages sent: each reminds one group of many streams. */
  readonly sent: number;
  /** The step began at the first stream. */
  readonly isStart: boolean;
  /** The step reached the last stream: the next one begins a new pass. */
  readonly isComplete: boolean;
  /** Groups whose database or queue did not answer. Then the next step looks at the same streams again. */
  readonly unreachable: readonly string[];
  /** How long to wait before the next step, in ms, so that the reminders of one step are taken up before those of the next. */
  readonly pauseMs: number;
}

/**
 * One paced step of a pass over all streams that any checkpoint of any group knows, in the order of their ids. It asks each stream's log, finds
 * those that a live projection has not brought to their end, and reminds that projection's group, in its own queue. Where a checkpoint has
 * another event than the log, the reminder has the consumer compare the two, which opens a dead letter of cause `log-restored`.
 *
 * A projection that has no row for a stream is at version 0. What an open dead letter holds is not reminded. A stream that no projection at
 * all has heard of is not found here: its object's own delivery check finds it. Where the time for the logs is over before the page is, the
 * step ends at the last stream that was asked, and the next one goes on behind it.
 *
 * The cursor is kept in the first group's database. It moves on only when every group was asked and reminded: with a database or a queue
 * away, the others are still seen to, and the step after it looks at the same streams again. Two steps at once do no harm: they remind
 * twice, and the cursor is moved by one of them.
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
  const known = new Set(all.flatMap(({ live, other }) => [...live.keys(), ...other.keys()]));
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
    // One batch of the queue after the other, so that a restored database is not read by a whole page of streams at once.
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

  // Fewer streams than were asked for are all that there are after the cursor.
  const isLast = next.length < streamsAtOnce && page.length === next.length;
  if (unreachable.length === 0) {
    const end = isLast ? '' : (page.at(-1) ?? '');
    try {
      await withTimeout(moveCursor(databaseOf(first), cursor, end, new Date(clock.now()).toISOString()), timeoutMs);
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

/** Queues take no longer delay than 12 hours. */
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
