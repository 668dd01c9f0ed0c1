import type { StreamId } from '../stream.ts';
import { sleep } from '../timeout.ts';
import { type Along, type CatchUpPorts, type CatchUpWork, type ReadAlong, runRound, settle } from './catch-up-round.ts';
import type { CatchUpRequest, Revision, StreamProgress, Trace } from './catch-up-step.ts';
import { type Pointer, type Target, UNBUILT } from './pointer.ts';

interface Caught {
  readonly streams: ReadonlyMap<StreamId, StreamProgress>;
  /** How many moves were applied: one for each stream and target. */
  readonly applied: number;
  /** Of the events that were applied; the first few. */
  readonly traces: readonly Trace[];
  /** What was read along with the last batch that was applied: it may be of a moment at which not everything was yet. */
  readonly along?: Along;
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
  /** How many events of all streams together are read from logs at a time: an isolate has 128 MB. More streams mean smaller pages. */
  readonly maxEvents?: number;
  /** How often in a row a batch may lose against other writers before the streams are left to them. */
  readonly maxLostRaces?: number;
  /** What is sent at once is split when its rows come to this many characters: nobody else gets into the database meanwhile. */
  readonly maxBatchLength?: number;
  /** Takes up dead letters again. What is refused then is a dead letter at once: nobody else would try it again. */
  readonly retriesDeadLetters?: boolean;
  /** The pointer as just read, where what this isolate remembers of it may be too old to know of a target. */
  readonly pointer?: Pointer;
  /** Moves only this target, under that very pointer: a build that has not joined yet. */
  readonly build?: Target;
  readonly readAlong?: ReadAlong;
}

/**
 * The one mechanism that moves a projection: reads the checkpoints, takes the events after them (from the hints where these fit, else
 * from the log), folds them, and sends rows and checkpoints in guarded batches. Queue consumer, gap repair, causal reads, synchronous
 * projections, replays of dead letters and builds are all callers of it.
 *
 * An event that the live slot refuses again and again becomes a dead letter; a target beside it that refuses one is taken out of the
 * pointer. Throws on a transient fault of the database; what was applied by then stays applied.
 */
export async function catchUp(
  ports: CatchUpPorts,
  projectionName: string,
  requests: readonly CatchUpRequest[],
  options: CatchUpOptions = {},
): Promise<CatchUpResult> {
  const { database, pointers, revisionOf, random } = ports;
  const { pageSize = 500, maxEvents = 2_000, maxLostRaces = 8, maxBatchLength = 400_000 } = options;
  const { retriesDeadLetters = false, build, readAlong } = options;
  const limits = { pageSize, maxEvents, maxBatchLength, retriesDeadLetters };
  const work: CatchUpWork = {
    pending: requests,
    progress: new Map(),
    carefulPageSizes: new Map(),
    applied: 0,
    traces: [],
  };
  const end = (outcome: CatchUpResult['outcome']) => concluded(ports, projectionName, work, outcome);
  let known = options.pointer;
  let isUnbuilt = false;

  for (let lostRaces = 0; work.pending.length > 0;) {
    const pointer = known ?? (await pointers.get(database, projectionName));
    if (!build) known = undefined;
    const targets = build ? [build] : (pointer?.moved ?? []);
    const [lead, ...others] = targets.flatMap((target): readonly Revision[] => {
      const projection = revisionOf(projectionName, target.revision);
      return projection ? [{ target, projection }] : [];
    });
    isUnbuilt = !build && pointer?.live.revision === UNBUILT;
    if (!pointer || !lead || (!build && !isUnbuilt && lead.target !== pointer.live)) {
      pointers.drop(projectionName);
      return end('building');
    }

    const round = { ports, projectionName, pointer, lead, others, isBuild: build !== undefined, limits, readAlong };
    const outcome = await runRound(round, work);
    if (outcome === 'superseded') return end('superseded');
    lostRaces = outcome === 'contested' ? lostRaces + 1 : 0;
    if (lostRaces > maxLostRaces) {
      const standstill = { cause: 'transient', reason: 'other writers kept winning' } as const;
      for (const { stream } of work.pending)
        settle(work, stream, work.progress.get(stream)?.version ?? 0, { standstill });
      break;
    }
    if (outcome === 'contested' && work.pending.length > 0) await sleep(random() * 10 * 2 ** Math.min(lostRaces, 5));
  }
  return end(isUnbuilt ? 'building' : 'done');
}

/** The result, after what stands still for no fault of an event was reported: the rest was when it was counted. */
function concluded(
  { report }: CatchUpPorts,
  projectionName: string,
  { progress, applied, traces, along }: CatchUpWork,
  outcome: CatchUpResult['outcome'],
): CatchUpResult {
  for (const { stream, version, standstill, refusal } of progress.values()) {
    if (standstill && !refusal && !standstill.isDeadLetter) {
      const { cause, reason } = standstill;
      report('projection.standstill', { projection: projectionName, stream, version, cause, reason });
    }
  }
  return { outcome, streams: progress, applied, traces, ...(along && { along }) };
}

/** Whether a catch-up brought a stream to at least `version`. */
export function isApplied(result: CatchUpResult, stream: StreamId, version: number): boolean {
  return result.outcome === 'done' && (result.streams.get(stream)?.version ?? 0) >= version;
}
