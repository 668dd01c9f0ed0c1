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
  /** How many moves were applied: one for each stream and target. */
  readonly applied: number;
  /** Of the events that were applied; the first few. */
  readonly traces: readonly Trace[];
}

export type CatchUpResult =
  | ({ readonly outcome: 'done' } & Caught)
  /** Nothing is live that this Worker has code for. Its first build may have been moved all the same. */
  | ({ readonly outcome: 'building' } & Caught)
  /** Only of a build: the pointer has changed since it was read, so it may no longer be this build's slot. */
  | ({ readonly outcome: 'superseded' } & Caught);

export interface CatchUpOptions {
  /** How many events of one stream are read and applied at a time; each page commits. */
  readonly pageSize?: number;
  /** How many events of all streams together are read from logs at a time. More streams mean smaller pages. */
  readonly maxEvents?: number;
  /** How many streams are looked at, folded and written together. */
  readonly streamsAtOnce?: number;
  /** What the invocation may still send. Whoever runs several catch-ups in one invocation shares it among them. Default: all that one may. */
  readonly budget?: Budget;
  /** What is sent at once is split when its rows come to this many characters: nobody else gets into the database meanwhile. */
  readonly maxBatchLength?: number;
  /** Takes up dead letters again. What is refused then is a dead letter at once: nobody else would try it again. */
  readonly retriesDeadLetters?: boolean;
  /** The pointer as just read, where what this isolate remembers of it may be too old to know of a target. */
  readonly pointer?: Pointer;
  /** Moves only this target, under that very pointer: a build that has not joined yet. */
  readonly build?: Target;
  readonly batchRead?: BatchRead;
}

/**
 * The one mechanism that moves a projection: reads the checkpoints, takes the events after them (from the hints where these fit, else
 * from the log), folds them, and sends rows and checkpoints in guarded batches. Queue consumer, gap repair, causal reads, synchronous
 * projections, replays of dead letters and builds all call it.
 *
 * An event that the live slot refuses again and again becomes a dead letter; a target beside it that refuses one is taken out of the
 * pointer. What exceeds the limits of catch-up-limits.ts stands still as `transient`: the next attempt takes it.
 *
 * Throws on a transient fault of the database, and `StorageUnavailableError` when it takes no writes, or no statements at all. What was
 * applied stays applied.
 */
export async function catchUp(
  context: CatchUpContext,
  projection: Pick<Projection, 'name' | 'group'>,
  requests: readonly CatchUpRequest[],
  options: CatchUpOptions = {},
): Promise<CatchUpResult> {
  const { clock, storageRefusedAt } = context;
  const { name: group } = projection.group;
  try {
    const result = await takeAll(context, projection, requests, options);
    if (result.applied > 0) storageRefusedAt.delete(group);
    return result;
  } catch (error) {
    const fault = asStorageFault(error);
    // The storage of an object may be full while the databases are well, so only the fault of a database counts.
    if (fault instanceof DatabaseUnavailableError) storageRefusedAt.set(group, clock.now());
    throw fault;
  }
}

/** The catch-up with its context, as consumers, reads and builds get it. */
export type CatchUp = (
  projection: Projection,
  requests: readonly CatchUpRequest[],
  options?: CatchUpOptions,
) => Promise<CatchUpResult>;

/** Takes all streams, some at a time. */
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
  // What has its events at hand does not wait for what has to read a log.
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

/** Round after round, until all that is pending is where it is wanted or stands still. After `until` no other round is begun. */
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
  const { retriesDeadLetters = false, build, batchRead } = options;
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
    if (lostRaces > MAX_LOST_RACES) {
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
function revisionsOf(
  { registry }: CatchUpContext,
  projectionName: string,
  targets: readonly Target[],
): readonly Revision[] {
  return targets.flatMap((target) => {
    const projection = registry.revisionOf(projectionName, target.revision);
    return projection ? [{ target, projection }] : [];
  });
}

/** The result, after what stands still for no fault of an event was reported: the rest was when it was counted. */
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

/** Whether a catch-up brought a stream to at least `version`. */
export function isApplied(result: CatchUpResult, stream: StreamId, version: number): boolean {
  return result.outcome === 'done' && (result.streams.get(stream)?.version ?? 0) >= version;
}
