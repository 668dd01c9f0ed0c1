import type { StreamId } from '../stream.ts';
import { sleep } from '../timeout.ts';
import {
  type CatchUpRequest,
  type LoadEvents,
  type Revision,
  type Step,
  type StreamProgress,
  nextStep,
} from './catch-up-step.ts';
import { type Position, START, positionsStatement, toPositions } from './checkpoint.ts';
import { type BatchOutcome, type TargetMoves, sendGuardedBatch } from './guarded-batch.ts';
import type { Pointer, PointerCache } from './pointer.ts';
import type { Projection } from './projection.ts';

/** What the catch-up stands on. Tests replace these, never the catch-up. */
export interface CatchUpPorts {
  readonly database: D1Database;
  readonly pointers: PointerCache;
  readonly loadEvents: LoadEvents;
  /** A projection's code by revision; undefined when this Worker has none for it. */
  readonly revisionOf: (name: string, revision: number) => Projection | undefined;
}

export type CatchUpResult =
  | { readonly outcome: 'done'; readonly streams: ReadonlyMap<StreamId, StreamProgress>; readonly applied: number }
  /** There is no live slot, or this Worker has no code for its revision. */
  | { readonly outcome: 'building' };

export interface CatchUpOptions {
  /** How many events of one stream are read and applied at a time; each page commits. */
  readonly pageSize?: number;
  /** How often in a row a batch may lose against other writers before the streams are left to them. */
  readonly maxLostRaces?: number;
  /** A batch is split once its rows come to this many characters: far below the 1 MB of a bound parameter. */
  readonly maxBatchLength?: number;
}

const LOG_READS_AT_ONCE = 6;

/**
 * The one mechanism that moves a projection: reads the checkpoints, takes the events after them (from the hints where these fit, else
 * from the log), folds them, and sends rows and checkpoints in guarded batches. Queue consumer, gap repair, causal reads and synchronous
 * projections are all callers of it.
 *
 * Throws on a transient fault of the database; what was applied by then stays applied.
 */
export async function catchUp(
  ports: CatchUpPorts,
  projectionName: string,
  requests: readonly CatchUpRequest[],
  options: CatchUpOptions = {},
): Promise<CatchUpResult> {
  const { database, pointers, loadEvents, revisionOf } = ports;
  const { pageSize = 500, maxLostRaces = 8, maxBatchLength = 400_000 } = options;
  const progress = new Map<StreamId, StreamProgress>();
  let pending = [...requests];
  let applied = 0;
  let lostRaces = 0;

  function settle(stream: StreamId, version: number, more: Omit<StreamProgress, 'stream' | 'version'> = {}): void {
    progress.set(stream, { ...progress.get(stream), stream, version, ...more });
  }

  /** Reads where every target has each stream. Checkpoints and rows of a target come from one snapshot. */
  async function readPositions(
    revisions: readonly Revision[],
  ): Promise<ReadonlyMap<Revision, ReadonlyMap<StreamId, Position>>> {
    const streams = pending.map(({ stream }) => stream);
    const answers = await database.batch<Record<string, unknown>>(
      revisions.map(({ projection, target }) => positionsStatement(database, projection, target, streams)),
    );
    return new Map(
      revisions.map((revision, index) => [
        revision,
        toPositions(revision.projection, revision.target, answers[index]?.results ?? []),
      ]),
    );
  }

  async function send(
    pointer: Pointer,
    revisions: readonly Revision[],
    steps: readonly Step[],
  ): Promise<BatchOutcome['outcome']> {
    const parts = revisions.flatMap((revision): readonly TargetMoves[] => {
      const moves = steps.flatMap((step) => step.moves.get(revision) ?? []);
      return moves.length > 0 ? [{ ...revision, moves }] : [];
    });
    const result = await sendGuardedBatch(database, projectionName, pointer, parts);
    if (result.outcome === 'applied') {
      for (const step of steps) {
        applied += step.moves.size;
        settle(step.stream, step.liveVersion);
      }
    }
    if (result.outcome === 'refused') {
      const [only, ...others] = steps;
      if (only && others.length === 0) {
        settle(only.stream, progress.get(only.stream)?.version ?? 0, {
          standstill: { cause: 'poison', reason: result.reason },
        });
      } else {
        // One of them is the culprit: each alone, so that it does not hold up its neighbours.
        for (const step of steps) await send(pointer, revisions, [step]);
      }
    }
    return result.outcome;
  }

  function isOpen({ stream, wanted }: CatchUpRequest): boolean {
    const at = progress.get(stream);
    if (!at) return true;
    if (at.standstill) return false;
    return at.version < (wanted === 'head' ? (at.head ?? Number.POSITIVE_INFINITY) : wanted);
  }

  while (pending.length > 0) {
    const pointer = await pointers.get(database, projectionName);
    const revisions = (pointer?.moved ?? []).flatMap((target): readonly Revision[] => {
      const projection = revisionOf(projectionName, target.revision);
      return projection ? [{ target, projection }] : [];
    });
    const [live, ...others] = revisions;
    if (!pointer || live?.target !== pointer.live) {
      pointers.drop(projectionName);
      return { outcome: 'building' };
    }

    const positions = await readPositions([live, ...others]);
    const looks = await eachOf(pending, LOG_READS_AT_ONCE, (request) => {
      const positionIn = (revision: Revision) => ({
        revision,
        position: positions.get(revision)?.get(request.stream) ?? START,
      });
      return nextStep(request, [positionIn(live), ...others.map(positionIn)], loadEvents, pageSize);
    });
    for (const look of looks) progress.set(look.progress.stream, look.progress);
    const moving = looks.flatMap(({ step }) => step ?? []);
    if (moving.length === 0) break;

    let isContested = false;
    for (const chunk of chunksOf(moving, maxBatchLength)) {
      const outcome = await send(pointer, revisions, chunk);
      if (outcome === 'epoch-changed') pointers.drop(projectionName);
      isContested ||= outcome === 'lost-race' || outcome === 'epoch-changed';
    }
    lostRaces = isContested ? lostRaces + 1 : 0;
    const moved = new Set(moving.map(({ stream }) => stream));
    pending = pending.filter((request) => moved.has(request.stream) && (isContested || isOpen(request)));
    if (lostRaces > maxLostRaces) {
      for (const { stream } of pending) {
        settle(stream, progress.get(stream)?.version ?? 0, {
          standstill: { cause: 'transient', reason: 'other writers kept winning' },
        });
      }
      break;
    }
    if (isContested) await sleep(Math.random() * 10 * 2 ** Math.min(lostRaces, 5));
  }
  return { outcome: 'done', streams: progress, applied };
}

function chunksOf(steps: readonly Step[], maxLength: number): readonly (readonly Step[])[] {
  const chunks: Step[][] = [];
  let length = Number.POSITIVE_INFINITY;
  for (const step of steps) {
    if (length + step.length > maxLength) {
      chunks.push([]);
      length = 0;
    }
    chunks.at(-1)?.push(step);
    length += step.length;
  }
  return chunks;
}

/** Runs `work` on every item, at most `atOnce` at a time, and keeps their order. */
async function eachOf<Item, Result>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  const queue = items.entries();
  async function worker(): Promise<void> {
    for (const [index, item] of queue) results[index] = await work(item);
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}

/** Whether a catch-up brought a stream to at least `version`. */
export function isApplied(result: CatchUpResult, stream: StreamId, version: number): boolean {
  return result.outcome === 'done' && (result.streams.get(stream)?.version ?? 0) >= version;
}
