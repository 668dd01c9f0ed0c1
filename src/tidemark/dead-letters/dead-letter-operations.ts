import { joinPosition, positionAt } from '../projections/checkpoint.ts';
import { timestamp } from '../platform/clock.ts';
import { OutcomeUnknownError, OverloadedError, StorageUnavailableError } from '../platform/faults.ts';
import { type Hint, packMessages } from '../write/message.ts';
import type { StreamId } from '../domain/stream.ts';
import { sleep } from '../platform/timeout.ts';
import { CONNECTIONS_AT_ONCE, eachOf } from '../platform/concurrency.ts';
import type { CatchUp } from '../catch-up/catch-up.ts';
import type { StandstillCause, StreamProgress } from '../catch-up/stream-progress.ts';
import { affordsBatch, newBudget } from '../catch-up/catch-up-limits.ts';
import { isTransient } from '../projections/d1-errors.ts';
import { forgetRefusals } from './dead-letter.ts';
import {
  type DeadLetter,
  type DeadLetterGroup,
  type NothingDone,
  type Selection,
  selectDeadLetters,
} from './dead-letter-list.ts';
import { changePointer } from '../projections/guarded-change.ts';
import { type Pointer, beside } from '../projections/pointer.ts';
import type { Projection } from '../projections/projection.ts';
import type { SystemContext } from '../projections/system-context.ts';

/*
 * What an operator can do about dead letters. A replay tries them again, in order. A skip leaves an event out for good. Both then bring the streams
 * to their heads by the catch-up, which moves every slot that the pointer lists.
 */

/** The part of the system that the operations on dead letters use. */
export interface DeadLetterContext extends Pick<
  SystemContext,
  'databaseOf' | 'registry' | 'aggregates' | 'pointers' | 'send' | 'clock' | 'report'
> {
  readonly catchUp: CatchUp;
}

/** The limits of one call. The rest takes another call. */
export interface CallLimits {
  readonly streams?: number;
  readonly streamsAtOnce?: number;
  /** Time, in ms, after which the call starts no further stream. Default: 20,000. */
  readonly budgetMs?: number;
}

const STREAMS = 100;

/** A stream that a dead letter still stops, or stops again. */
export interface StillDead {
  readonly stream: StreamId;
  /** The version of the event, which may be a later one than before. */
  readonly version: number;
  readonly cause: StandstillCause;
  readonly error: string;
}

/** A stream that did not reach its head for a transient reason. */
export interface Unfinished {
  readonly stream: StreamId;
  readonly version: number;
  readonly cause: StandstillCause;
  /** A reminder was sent. Unless a dead letter still holds the stream, it goes on by itself. */
  readonly isReminded: boolean;
}

/** The result of bringing streams to their heads. */
export interface Brought {
  /** The number of streams that are at their heads now. */
  readonly finished: number;
  /** The number of events that were applied. */
  readonly applied: number;
  readonly stillDead: readonly StillDead[];
  readonly unfinished: readonly Unfinished[];
  /** The number of selected dead letters that this call did not reach. */
  readonly remaining: number;
}

/**
 * Tries the dead letters of a group again, and the events behind them, in order. An event that is refused then stays a dead letter, or becomes one at
 * once. Throws `StorageUnavailableError` if the database refuses all of it.
 */
export async function replayDeadLetters(
  context: DeadLetterContext,
  projection: Projection,
  group: DeadLetterGroup,
  selection: Selection,
  limits: CallLimits = {},
): Promise<({ readonly outcome: 'done' } & Brought) | NothingDone> {
  const selected = await selectDeadLetters(context, projection, group, selection, limits.streams ?? STREAMS);
  if (selected.outcome !== 'selected') return selected;
  const { untried, end, ...done } = await bringToHead(context, projection, selected.letters, true, limits);
  if (end === 'building') return { outcome: 'building' };
  const isNothingDone = done.finished === 0 && done.applied === 0 && done.stillDead.length === 0;
  if (isNothingDone && end instanceof StorageUnavailableError) throw end;
  context.report('dead-letters.replayed', { projection: projection.name, group: group.id, ...figures(done) });
  return { outcome: 'done', ...done, remaining: selected.remaining + untried.length };
}

/** Who skips an event, and why. */
export interface SkipDecision {
  readonly actor: string;
  readonly reason: string;
}

/**
 * Skips the events of a group's dead letters, for good: every catch-up and every rebuild leaves them out. Then brings their streams to their heads.
 * Throws `OutcomeUnknownError` if the database gave no answer, and its pointer does not tell whether the decision was committed. Throws
 * `StorageUnavailableError` if the database refused the decision.
 */
export async function skipDeadLetters(
  context: DeadLetterContext,
  projection: Projection,
  group: DeadLetterGroup,
  selection: Selection,
  decision: SkipDecision,
  limits: CallLimits = {},
): Promise<({ readonly outcome: 'done'; readonly skipped: number } & Brought) | NothingDone> {
  const { clock, report } = context;
  if (group.cause === 'log-restored') return { outcome: 'nothing-to-skip' };
  for (let lostRaces = 0; lostRaces < MAX_LOST_RACES; lostRaces += 1) {
    const selected = await selectDeadLetters(context, projection, group, selection, limits.streams ?? STREAMS);
    if (selected.outcome !== 'selected') return selected;
    const { pointer, letters, remaining } = selected;
    if (!(await leaveOut(context, projection, pointer, letters, decision))) {
      await sleep(clock.random() * 10 * 2 ** lostRaces);
      continue;
    }
    const { end: _, untried: __, ...brought } = await bringToHead(context, projection, letters, false, limits);
    report('dead-letters.skipped', {
      projection: projection.name,
      group: group.id,
      actor: decision.actor,
      skipped: letters.length,
      ...figures(brought),
    });
    return { outcome: 'done', skipped: letters.length, ...brought, remaining };
  }
  throw new OverloadedError(
    `other writers kept winning in ${projection.name}, or a build of it has applied the event: cancel the build first`,
  );
}

const MAX_LOST_RACES = 8;

/**
 * Commits the decision in one transaction. It asserts that the dead letters still are as read and hold their streams. It records the events as
 * skipped, deletes the dead letters, and raises the epoch. So the batch of a consumer that read before this is rolled back: it might have applied the
 * event (I9). Returns false if another change came first.
 */
async function leaveOut(
  { databaseOf, clock }: DeadLetterContext,
  { name, group }: Projection,
  pointer: Pointer,
  letters: readonly DeadLetter[],
  { actor, reason }: SkipDecision,
): Promise<boolean> {
  const database = databaseOf(group);
  const chosen = JSON.stringify(letters.map(({ stream, version, eventId }) => [stream, version, eventId]));
  try {
    const outcome = await changePointer(database, name, pointer, { live: pointer.live, others: beside(pointer) }, [
      database
        .prepare(
          `INSERT INTO guard (checkpoint_as_read)
          SELECT 0
          FROM json_each(?2) AS letter
          WHERE NOT EXISTS (
              SELECT 1 FROM held_stream AS h
              WHERE h.projection = ?1 AND h.stream = letter.value ->> 0 AND h.version = letter.value ->> 1
                AND h.event_id = letter.value ->> 2
            )
            -- A build that has applied the event can no longer leave it out.
            OR EXISTS (
              SELECT 1 FROM projection_build AS build
              ${joinPosition('built', '?1', 'build.slot', 'letter.value ->> 0')}
              WHERE build.projection = ?1 AND build.ended_at IS NULL
                AND ${positionAt('built', 'version')} >= letter.value ->> 1
            )
          LIMIT 1`,
        )
        .bind(name, chosen),
      // The version may have a skip already, of an event that a restored log has lost.
      database
        .prepare(
          `INSERT INTO skipped_event (projection, stream, version, event_id, reason, actor, skipped_at)
          SELECT ?1, letter.value ->> 0, letter.value ->> 1, letter.value ->> 2, ?3, ?4, ?5
          FROM json_each(?2) AS letter
          WHERE true
          ON CONFLICT (projection, stream, version) DO UPDATE SET event_id = excluded.event_id,
            reason = excluded.reason, actor = excluded.actor, skipped_at = excluded.skipped_at`,
        )
        .bind(name, chosen, reason, actor, timestamp(clock)),
      forgetRefusals(
        database,
        name,
        letters.map(({ stream }) => stream),
      ),
    ]);
    return outcome === 'changed';
  } catch (error) {
    if (!isTransient(error)) throw error;
    throw new OutcomeUnknownError('the database gave no answer', { cause: error });
  }
}

/** The result of bringing streams to their heads, and the dead letters that the call did not reach. */
interface Ends extends Omit<Brought, 'remaining'> {
  readonly untried: readonly DeadLetter[];
  /** What ended the call early: an error; or `building`, if nothing is live any more. Undefined if it was not ended early. */
  readonly end: unknown;
}

type Stopped = Omit<Unfinished, 'isReminded'>;

/** The progress of a stream whose dead letter may not have been tried. */
function beforeIts({ stream, version }: DeadLetter): Stopped {
  return { stream, version: version - 1, cause: 'transient' };
}

/** Brings streams to their heads, a few at a time. A stream that did not get there, and that no dead letter holds, gets a reminder. */
async function bringToHead(
  context: DeadLetterContext,
  projection: Projection,
  letters: readonly DeadLetter[],
  /** Whether the dead letters still hold the streams: false after a skip. */
  holds: boolean,
  { streamsAtOnce = 10, budgetMs = 20_000 }: CallLimits,
): Promise<Ends> {
  const { catchUp, pointers, clock, report } = context;
  const deadline = clock.now() + budgetMs;
  const budget = newBudget();
  // The cached pointer may be stale.
  pointers.drop(projection.name);
  const stillDead: StillDead[] = [];
  const held: Unfinished[] = [];
  const free: Stopped[] = [];
  const lost: DeadLetter[] = [];
  const untried: DeadLetter[] = [];
  let [finished, applied] = [0, 0];
  let end: unknown;

  function note(letter: DeadLetter, { version, standstill, refusal }: StreamProgress): void {
    const { stream } = letter;
    const isBefore = version < letter.version;
    applied += Math.max(version - (holds ? letter.version - 1 : letter.version), 0);
    if (!standstill) {
      finished += 1;
      if (isBefore) lost.push(letter);
    } else if (standstill.isDeadLetter) {
      const { cause, reason: error } = standstill;
      stillDead.push({ stream, version: refusal?.version ?? version + 1, cause, error });
    } else if (standstill.isLeft && isBefore) untried.push(letter);
    else if (holds && isBefore) held.push({ stream, version, cause: standstill.cause, isReminded: false });
    else free.push({ stream, version, cause: standstill.cause });
  }

  for (let at = 0; at < letters.length; at += streamsAtOnce) {
    const some = letters.slice(at, at + streamsAtOnce);
    if (end !== undefined || (at > 0 && (clock.now() >= deadline || !affordsBatch(budget)))) {
      untried.push(...some);
      continue;
    }
    try {
      const requests = some.map(({ stream }) => ({ stream, wanted: 'head' as const }));
      const { outcome, streams } = await catchUp(projection, requests, { retriesDeadLetters: true, budget });
      if (outcome === 'done') {
        for (const letter of some) {
          const progress = streams.get(letter.stream);
          if (progress) note(letter, progress);
        }
      } else {
        end = 'building';
        untried.push(...some);
      }
    } catch (error) {
      end = error;
      report('dead-letters.interrupted', { projection: projection.name, error: String(error) });
      // Their progress is unknown. If a dead letter still holds one, the consumer of the reminder leaves it alone.
      free.push(...some.map(beforeIts));
    }
  }
  if (!holds) free.push(...untried.map(beforeIts));
  const unfinished = [
    ...(await forgetLost(context, projection, lost)),
    ...(await remind(context, projection, free)),
    ...held,
  ];
  return { finished, applied, stillDead, unfinished, untried, end };
}

/**
 * Deletes dead letters whose event is gone: the log was restored to an earlier time, fits the checkpoint again, and ends before the event. Consumers
 * have acknowledged messages while the dead letter held the stream. So a stream that has grown since then gets a reminder.
 */
async function forgetLost(
  context: DeadLetterContext,
  projection: Projection,
  lost: readonly DeadLetter[],
): Promise<readonly Unfinished[]> {
  if (lost.length === 0) return [];
  const { databaseOf, aggregates } = context;
  await databaseOf(projection.group)
    .prepare(
      `DELETE FROM dead_letter
      WHERE projection = ?1 AND (stream, version, event_id) IN (
        SELECT letter.value ->> 0, letter.value ->> 1, letter.value ->> 2 FROM json_each(?2) AS letter
      )`,
    )
    .bind(projection.name, JSON.stringify(lost.map(({ stream, version, eventId }) => [stream, version, eventId])))
    .run();
  const grown = await eachOf(lost, CONNECTIONS_AT_ONCE, async (letter) => {
    const page = await aggregates.load(letter.stream, letter.version, 1).catch(() => undefined);
    return page && page.head < letter.version ? [] : [beforeIts(letter)];
  });
  return remind(context, projection, grown.flat());
}

/** Reminds the projection's group of streams, in its own queue. The delivery check does not: it took a dead letter for delivered. */
async function remind(
  { aggregates, send, report }: DeadLetterContext,
  projection: Projection,
  stopped: readonly Stopped[],
): Promise<readonly Unfinished[]> {
  if (stopped.length === 0) return [];
  const hints = await eachOf(stopped, CONNECTIONS_AT_ONCE, async ({ stream, version }): Promise<Hint> => {
    const fromVersion = version + 1;
    const page = await aggregates.load(stream, fromVersion, 1).catch(() => undefined);
    return { stream, fromVersion, toVersion: Math.max(page?.head ?? 0, fromVersion) };
  });
  let isReminded = true;
  try {
    await Promise.all(packMessages(hints, 'reminder').map((message) => send(projection.group, message)));
  } catch (error) {
    isReminded = false;
    report('dead-letters.not-reminded', { projection: projection.name, error: String(error) });
  }
  return stopped.map(({ stream, version, cause }) => ({ stream, version, cause, isReminded }));
}

function figures({ finished, applied, stillDead, unfinished }: Omit<Brought, 'remaining'>): Record<string, number> {
  return { finished, applied, stillDead: stillDead.length, unfinished: unfinished.length };
}
