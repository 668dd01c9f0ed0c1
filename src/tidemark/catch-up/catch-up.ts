import type { StreamId } from '../domain/stream.ts';
import { sleep } from '../platform/timeout.ts';
import {
  type Budget,
  EVENTS_OF_A_PAGE,
  MAX_BATCH_LENGTH,
  MAX_CATCH_UP_MS,
  MAX_LOADED_EVENTS,
  MAX_LOST_RACES,
  STREAMS_AT_ONCE,
  affordsBatch,
  newBudget,
} from './catch-up-limits.ts';
import type { Revision } from './catch-up-page.ts';
import { runRound } from './catch-up-round.ts';
import type { Trace } from './catch-up-step.ts';
import { type BatchRead, type CatchUpContext, type CatchUpWork, LEFT_TO_NEXT_ATTEMPT, leave } from './catch-up-work.ts';
import { asStorageFault } from '../projections/d1-errors.ts';
import { DatabaseUnavailableError } from '../platform/faults.ts';
import { type Pointer, type Target, UNBUILT } from '../projections/pointer.ts';
import type { Projection } from '../projections/projection.ts';
import type { CatchUpRequest, StreamProgress } from './stream-progress.ts';

interface Caught {
  readonly streams: ReadonlyMap<StreamId, StreamProgress>;
  /** The number of applied moves: one for each stream and target. */
  readonly applied: number;
  /** The ids behind the first few applied events. */
  readonly traces: readonly Trace[];
}

export type CatchUpResult =
  | ({ readonly outcome: 'done' } & Caught)
  /** Nothing is live, or this Worker has no code for the live revision. The catch-up may have moved a first build all the same. */
  | ({ readonly outcome: 'building' } & Caught)
  /** Only for a build: the pointer has changed since it was read, so the slot may no longer belong to this build. */
  | ({ readonly outcome: 'superseded' } & Caught);

export interface CatchUpOptions {
  /** The events of one stream that the catch-up reads and applies at a time. Each page commits. */
  readonly pageSize?: number;
  /** The events of all streams together that one round reads from logs. More streams mean smaller pages. */
  readonly maxEvents?: number;
  /** The streams that the catch-up reads, folds and writes together. */
  readonly streamsAtOnce?: number;
  /** The statements and subrequests that the invocation has left. Its catch-ups share one budget. Default: a full budget. */
  readonly budget?: Budget;
  /** The characters of rows in one guarded batch. The database runs nothing else during a batch. */
  readonly maxBatchLength?: number;
  /** Tries dead letters again. An event that is refused then is a dead letter at once, since nothing else would try it again. */
  readonly retriesDeadLetters?: boolean;
  /** The pointer that the caller has just read. The cached one may be too old to list a target. */
  readonly pointer?: Pointer;
  /** Moves only this build, which has not joined yet, and only under `pointer`. */
  readonly build?: Target;
  readonly batchRead?: BatchRead;
  /** Rounds in a row that may lose against other writers. After that, the catch-up leaves the streams to them. */
  readonly maxLostRaces?: number;
}

/**
 * The one mechanism that moves a projection. It reads the checkpoints, takes the events after them (from the hints if they fit, else from the log),
 * folds them, and sends rows and checkpoints in guarded batches. The queue consumer, gap repair, causal reads, synchronous projections, dead-letter
 * replay and builds all call it.
 *
 * If the live slot keeps refusing an event, the event becomes a dead letter. If another target refuses an event, the catch-up takes that target out
 * of the pointer. A stream beyond the limits of catch-up-limits.ts stands still as `transient`: the next attempt takes it.
 *
 * Throws on a transient fault of the database. Throws `StorageUnavailableError` if the database takes no writes, or no statements at all. Applied
 * events stay applied.
 */
export async function catchUp(
  context: CatchUpContext,
  projection: Pick<Projection, 'name' | 'group'>,
  requests: readonly CatchUpRequest[],
  options: CatchUpOptions = {},
): Promise<CatchUpResult> {
  let result: CatchUpResult | undefined;
  await noteStorage(context, projection.group, async () => {
    result = await takeAll(context, projection, requests, options);
    return result.applied;
  });
  return result as CatchUpResult;
}

/** Notes whether the database of a group takes writes, as the work shows: it returns the number of applied moves, or throws. */
export async function noteStorage(
  { clock, storageRefusedAt }: CatchUpContext,
  { name }: Projection['group'],
  work: () => Promise<number>,
): Promise<void> {
  try {
    if ((await work()) > 0) storageRefusedAt.delete(name);
  } catch (error) {
    const fault = asStorageFault(error);
    // An object's storage may be full while the databases are well. So only a fault of a database counts.
    if (fault instanceof DatabaseUnavailableError) storageRefusedAt.set(name, clock.now());
    throw fault;
  }
}

/** `catchUp` with its context bound. Consumers, reads and builds get this function. */
export type CatchUp = (
  projection: Projection,
  requests: readonly CatchUpRequest[],
  options?: CatchUpOptions,
) => Promise<CatchUpResult>;

/** Catches up all streams, some at a time. */
async function takeAll(
  context: CatchUpContext,
  projection: Pick<Projection, 'name' | 'group'>,
  requests: readonly CatchUpRequest[],
  options: CatchUpOptions,
): Promise<CatchUpResult> {
  const { streamsAtOnce = STREAMS_AT_ONCE, budget = newBudget() } = options;
  const work: CatchUpWork = { pending: [], progress: new Map(), budget, applied: 0, traces: [] };
  const { clock } = context;
  const until = clock.now() + MAX_CATCH_UP_MS;
  // Streams with their events at hand go first, so that they wait for no log.
  const sorted = requests.toSorted((one, other) => Number(hasEvents(other)) - Number(hasEvents(one)));
  let outcome: CatchUpResult['outcome'] = 'done';
  for (let at = 0; at < sorted.length; at += streamsAtOnce) {
    const some = sorted.slice(at, at + streamsAtOnce);
    if (at > 0 && clock.now() >= until) {
      for (const { stream } of some) leave(work, stream, LEFT_TO_NEXT_ATTEMPT);
      continue;
    }
    work.pending = some;
    outcome = await runRounds(context, projection, work, options, until);
    if (outcome === 'superseded' || (outcome === 'building' && work.pending.length > 0)) break;
  }
  return concluded(context, projection.name, work, outcome);
}

function hasEvents({ hints = [], archived }: CatchUpRequest): boolean {
  return archived !== undefined || hints.some(({ events }) => events !== undefined);
}

/** Runs rounds until each pending stream has reached its wanted version or stands still. After `until`, starts no further round. */
async function runRounds(
  context: CatchUpContext,
  { name: projectionName, group }: Pick<Projection, 'name' | 'group'>,
  work: CatchUpWork,
  options: CatchUpOptions,
  until: number,
): Promise<CatchUpResult['outcome']> {
  const { clock, pointers, databaseOf } = context;
  const database = databaseOf(group);
  const { pageSize = EVENTS_OF_A_PAGE, maxEvents = MAX_LOADED_EVENTS, maxBatchLength = MAX_BATCH_LENGTH } = options;
  const { retriesDeadLetters = false, build, batchRead, maxLostRaces = MAX_LOST_RACES } = options;
  const limits = { pageSize, maxEvents, maxBatchLength, retriesDeadLetters };
  let known = options.pointer;
  let isUnbuilt = false;

  for (let rounds = 0, lostRaces = 0; work.pending.length > 0; rounds += 1) {
    if (!affordsBatch(work.budget) || (rounds > 0 && clock.now() >= until)) {
      for (const { stream } of work.pending) leave(work, stream, LEFT_TO_NEXT_ATTEMPT);
      break;
    }
    const pointer = known ?? (await pointers.get(database, projectionName));
    if (!build) known = undefined;
    isUnbuilt = !build && pointer?.live.revision === UNBUILT;
    const [lead, ...others] = revisionsOf(context, projectionName, build ? [build] : (pointer?.moved ?? []));
    if (!pointer || !lead || (!build && !isUnbuilt && lead.target !== pointer.live)) {
      pointers.drop(projectionName);
      return 'building';
    }

    const targets = { pointer, lead, others, isBuild: build !== undefined };
    const round = { context, database, projectionName, ...targets, limits, batchRead };
    const outcome = await runRound(round, work);
    if (outcome === 'superseded') return 'superseded';
    lostRaces = outcome === 'contested' ? lostRaces + 1 : 0;
    if (lostRaces > maxLostRaces) {
      for (const { stream } of work.pending) leave(work, stream, OTHERS_WON);
      break;
    }
    if (outcome === 'contested' && work.pending.length > 0)
      await sleep(clock.random() * 10 * 2 ** Math.min(lostRaces, 5));
  }
  return isUnbuilt ? 'building' : 'done';
}

const OTHERS_WON = { cause: 'transient', reason: 'other writers kept changing its checkpoint' } as const;

/** The targets that this Worker has code for. */
export function revisionsOf(
  { registry }: CatchUpContext,
  projectionName: string,
  targets: readonly Target[],
): readonly Revision[] {
  return targets.flatMap((target) => {
    const projection = registry.revisionOf(projectionName, target.revision);
    return projection ? [{ target, projection }] : [];
  });
}

/** Returns the result. Logs each stream that stands still through no fault of an event. Refusals are logged when they are counted. */
function concluded(
  { report }: CatchUpContext,
  projectionName: string,
  { progress, applied, traces }: CatchUpWork,
  outcome: CatchUpResult['outcome'],
): CatchUpResult {
  for (const { stream, version, standstill, refusal } of progress.values()) {
    if (standstill && !refusal && !standstill.isDeadLetter) {
      const { cause, reason } = standstill;
      report('projection.standstill', { projection: projectionName, stream, version, cause, reason });
    }
  }
  return { outcome, streams: progress, applied, traces };
}

/** Whether a catch-up has brought a stream to at least `version`. */
export function isApplied(result: CatchUpResult, stream: StreamId, version: number): boolean {
  return result.outcome === 'done' && (result.streams.get(stream)?.version ?? 0) >= version;
}
