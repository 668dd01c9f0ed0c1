import type { Clock } from '../clock.ts';
import type { Group } from '../group.ts';
import { type Hint, type HintMessage, packMessages } from '../message.ts';
import type { StreamId } from '../stream.ts';
import { withTimeout } from '../timeout.ts';
import { type GroupDatabases, askEveryGroup } from './projection-condition.ts';
import type { Projection } from './projection.ts';
import { follows } from './projection-worker.ts';
import type { Slot } from './slot-tables.ts';

/** What the sweep stands on. It wakes no object: whoever gets its reminders reads the logs. */
export interface SweepPorts extends GroupDatabases {
  readonly send: (group: Group, message: HintMessage, options: { readonly delaySeconds: number }) => Promise<void>;
  readonly clock: Pick<Clock, 'now'>;
}

export interface SweepOptions {
  /** How many streams one step looks at. */
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
  /** Streams of these that some projection has not brought as far as another one. */
  readonly behind: number;
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

/** Where one projection of a group has the streams of a page. */
interface Positions {
  readonly projection: Projection;
  /** False while nothing is live, or this Worker has no code for what is: then no reminder would move it. */
  readonly isMovable: boolean;
  /** In the live slot. */
  readonly live: ReadonlyMap<StreamId, number>;
  /** In the other slot, while it is moved: it may know more. */
  readonly other: ReadonlyMap<StreamId, number>;
  /** The version of the event at which each stream is held. */
  readonly deadLetters: ReadonlyMap<StreamId, number>;
}

type Row = Readonly<Record<string, unknown>>;

/**
 * One paced step of a pass over all streams that any checkpoint of any group knows, in the order of their ids: finds those that a live
 * projection has not brought as far as another one, and reminds that projection's group, in its own queue. A projection that has no row for
 * a stream is at version 0. Streams held by an open dead letter are left out. What no projection at all has heard of is not found here:
 * that is what each object's own delivery check is for.
 *
 * The cursor is kept in the first group's database. It moves on only when every group was asked and reminded: with a database or a queue
 * away, the others are still seen to, and the step after it looks at the same streams again. Two steps at once do no harm: they remind
 * twice, and the cursor is moved by one of them.
 */
export async function sweepStep(ports: SweepPorts, options: SweepOptions = {}): Promise<SweepStep> {
  const { registry, databaseOf, clock, report } = ports;
  const { streamsAtOnce = 500, maxMessageBytes = 12_000, timeoutMs = 10_000 } = options;
  const [first] = registry.groups;
  const nothing = { looked: 0, behind: 0, sent: 0, isStart: false, isComplete: false, pauseMs: 0 };
  if (!first) return { ...nothing, isComplete: true, unreachable: [] };

  let cursor: string;
  try {
    cursor = await withTimeout(readCursor(databaseOf(first)), timeoutMs);
  } catch (error) {
    report('sweep.no-cursor', { group: first.name, error: String(error) });
    return { ...nothing, unreachable: [first.name] };
  }

  const asked = await askEveryGroup(ports, timeoutMs, (database, group) =>
    readPositions(ports, database, group, cursor, streamsAtOnce),
  );
  const all = [...asked.values()].flat();
  const known = new Set(all.flatMap(({ live, other }) => [...live.keys(), ...other.keys()]));
  const page = [...known].toSorted().slice(0, streamsAtOnce);
  const heads = new Map(page.map((stream) => [stream, headOf(stream, all)]));

  const unreachable = registry.groups.filter((group) => !asked.has(group)).map(({ name }) => name);
  const behind = new Set<StreamId>();
  let sent = 0;
  let pauseMs = 0;
  for (const [group, positions] of asked) {
    const reminders = page.flatMap((stream) => reminderFor(stream, heads.get(stream) ?? 0, positions));
    for (const { stream } of reminders) behind.add(stream);
    const messages = packMessages(reminders, 'reminder', maxMessageBytes);
    // One batch of the queue after the other, so that a restored database is not read by a whole page of streams at once.
    const delayOf = (index: number) => Math.min(Math.ceil((index * group.batchWaitMs) / 1_000), MAX_DELAY_S);
    try {
      const sends = messages.map((message, index) => ports.send(group, message, { delaySeconds: delayOf(index) }));
      await withTimeout(Promise.all(sends), timeoutMs);
      sent += messages.length;
      pauseMs = Math.max(pauseMs, messages.length * group.batchWaitMs);
    } catch (error) {
      report('sweep.send-failed', { group: group.name, error: String(error) });
      unreachable.push(group.name);
    }
  }

  // A page that is not full holds everything after the cursor that there is.
  const isLast = page.length < streamsAtOnce;
  if (unreachable.length === 0) {
    const next = isLast ? '' : (page.at(-1) ?? '');
    try {
      await withTimeout(moveCursor(databaseOf(first), cursor, next, new Date(clock.now()).toISOString()), timeoutMs);
    } catch (error) {
      report('sweep.cursor-not-moved', { group: first.name, error: String(error) });
      unreachable.push(first.name);
    }
  }
  const isComplete = isLast && unreachable.length === 0;
  return { looked: page.length, behind: behind.size, sent, isStart: cursor === '', isComplete, unreachable, pauseMs };
}

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

/**
 * Where a group's projections have the next streams after the cursor: one batch, and so one snapshot. Each projection gives its own next
 * streams, as many as the page takes, so what all of them know up to the end of the page is there.
 */
async function readPositions(
  { registry }: SweepPorts,
  database: D1Database,
  group: Group,
  cursor: string,
  take: number,
): Promise<readonly Positions[]> {
  const projections = registry.projectionsOf(group);
  const checkpoints = database.prepare(
    'SELECT stream, version FROM checkpoint WHERE projection = ?1 AND slot = ?2 AND stream > ?3 ORDER BY stream LIMIT ?4',
  );
  const deadLetters = database.prepare(
    'SELECT stream, version FROM dead_letter WHERE projection = ?1 AND stream > ?2 AND is_open = 1 ORDER BY stream LIMIT ?3',
  );
  const [pointers, ...answers] = await database.batch<Row>([
    database.prepare('SELECT projection, live_revision, live_slot, moved FROM projection_pointer'),
    ...projections.flatMap(({ name }) => [
      checkpoints.bind(name, 'a', cursor, take),
      checkpoints.bind(name, 'b', cursor, take),
      deadLetters.bind(name, cursor, take),
    ]),
  ]);
  return projections.map((projection, index) => {
    const pointer = pointers?.results.find((row) => row['projection'] === projection.name);
    const revision = (pointer?.['live_revision'] ?? 0) as number;
    const [a, b, held] = answers.slice(3 * index, 3 * index + 3).map(versionsIn);
    const isLive = (slot: Slot) => pointer?.['live_slot'] === slot;
    const isMoved = JSON.parse((pointer?.['moved'] ?? '[]') as string).length > 0;
    return {
      projection,
      isMovable: revision > 0 && registry.revisionOf(projection.name, revision) !== undefined,
      live: (isLive('b') ? b : a) ?? NONE,
      other: isMoved ? ((isLive('b') ? a : b) ?? NONE) : NONE,
      deadLetters: held ?? NONE,
    };
  });
}

const NONE: ReadonlyMap<StreamId, number> = new Map();

function versionsIn({ results }: D1Result<Row>): ReadonlyMap<StreamId, number> {
  return new Map(results.map(({ stream, version }) => [stream as StreamId, version as number]));
}

/**
 * The highest version of a stream that any projection of any group has: a lower bound of what its log has. One that is held says nothing:
 * it may have the history of a log that was restored since.
 */
function headOf(stream: StreamId, all: readonly Positions[]): number {
  return Math.max(
    0,
    ...all.flatMap((positions) =>
      isHeld(stream, positions) ? [] : [positions.live.get(stream) ?? 0, positions.other.get(stream) ?? 0],
    ),
  );
}

/** Whether a dead letter stands right after where the live slot has the stream. */
function isHeld(stream: StreamId, { live, deadLetters }: Positions): boolean {
  return deadLetters.get(stream) === (live.get(stream) ?? 0) + 1;
}

/** The reminder that a group needs of a stream, if one of its projections lags. */
function reminderFor(stream: StreamId, head: number, positions: readonly Positions[]): readonly Hint[] {
  const lagging = positions.flatMap((position) => {
    const { projection, isMovable, live } = position;
    const version = live.get(stream) ?? 0;
    const isLagging = isMovable && follows(projection, stream) && version < head && !isHeld(stream, position);
    return isLagging ? [version] : [];
  });
  return lagging.length > 0 ? [{ stream, fromVersion: Math.min(...lagging) + 1, toVersion: head }] : [];
}
