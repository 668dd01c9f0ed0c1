import type { RecordedEvent, StoredEvent } from '../event.ts';
import { OverloadedError } from '../faults.ts';
import type { Hint } from '../message.ts';
import { type StreamId, categoryOf } from '../stream.ts';
import { sleep } from '../timeout.ts';
import type { LogPage } from '../write/aggregate.ts';
import { upcast } from '../write/upcaster.ts';
import { type Position, positionsStatement, toPositions } from './checkpoint.ts';
import { PoisonEventError, foldStream } from './fold.ts';
import { type BatchOutcome, type Move, type TargetMoves, sendGuardedBatch } from './guarded-batch.ts';
import type { Pointer, PointerCache, Target } from './pointer.ts';
import type { Projection } from './projection.ts';

/** Reads a stream's events from its own log, the truth. */
export type LoadEvents = (stream: StreamId, fromVersion: number, limit: number) => Promise<LogPage>;

/** What the catch-up stands on. Tests replace these, never the catch-up. */
export interface CatchUpPorts {
  readonly database: D1Database;
  readonly pointers: PointerCache;
  readonly loadEvents: LoadEvents;
  /** A projection's code by revision; undefined when this Worker has none for it. */
  readonly revisionOf: (name: string, revision: number) => Projection | undefined;
}

/** "Bring this stream to at least this version", with the events at hand, if any. */
export interface CatchUpRequest {
  readonly stream: StreamId;
  /** At least this version; `head`: whatever its log has. */
  readonly wanted: number | 'head';
  readonly hints?: readonly Hint[];
}

/** Why a stream could not be brought further. */
export type StandstillCause =
  /** A handler threw, or a constraint refused what it made. Trying again will not help. */
  | 'poison'
  /** The log is not the one that the checkpoint was made from: it was restored to an earlier time. */
  | 'log-restored'
  /** An event type or schema version that this code does not know, as during a deploy. */
  | 'unreadable-event'
  /** The object that has its log turned the read away. */
  | 'overloaded'
  /** Its log could not be read, or other writers kept winning. */
  | 'transient';

/** Where a stream stands after a catch-up, in the live slot. */
export interface StreamProgress {
  readonly stream: StreamId;
  readonly version: number;
  /** The stream's own version, where its log was read. */
  readonly head?: number;
  readonly standstill?: { readonly cause: StandstillCause; readonly reason: string };
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

interface Revision {
  readonly target: Target;
  readonly projection: Projection;
}

/** What one stream contributes to a batch: a move for each target that is behind. */
interface Step {
  readonly stream: StreamId;
  readonly moves: ReadonlyMap<Revision, Move>;
  readonly liveVersion: number;
  readonly length: number;
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

  /** One stream's next page, folded for every target that is behind; undefined when there is nothing (more) to do for it. */
  async function nextStep(
    request: CatchUpRequest,
    positions: readonly (readonly [Revision, Position])[],
  ): Promise<Step | undefined> {
    const { stream, wanted, hints = [] } = request;
    const live = positions[0]?.[1] as Position;
    const lowest = positions
      .map(([, position]) => position)
      .reduce((low, position) => (position.version < low.version ? position : low));
    progress.set(stream, { stream, version: live.version });
    if (wanted !== 'head' && lowest.version >= wanted) return undefined;

    let events = eventsFromHints(hints, lowest);
    if (!events) {
      const page = await loadEvents(stream, lowest.version + 1, pageSize);
      settle(stream, live.version, { head: page.head });
      const isRestored =
        page.previousId !== lowest.eventId || positions.some(([, position]) => contradicts(page, position));
      if (isRestored) {
        settle(stream, live.version, {
          standstill: {
            cause: 'log-restored',
            reason: `the log no longer has event ${lowest.eventId} at version ${lowest.version}`,
          },
        });
        return undefined;
      }
      events = page.events;
    }
    if (events.length === 0) return undefined;

    const moves = new Map<Revision, Move>();
    for (const [revision, position] of positions) {
      const move = moveOver(revision.projection, stream, position, events);
      if (move) moves.set(revision, move);
    }
    const liveMove = moves.get(positions[0]?.[0] as Revision);
    const length = [...moves.values()].reduce((sum, { changes }) => sum + JSON.stringify(changes).length, 0);
    return moves.size > 0 ? { stream, moves, liveVersion: liveMove?.toVersion ?? live.version, length } : undefined;
  }

  /** Folds a page for one target. What stands before an event that cannot be applied is applied all the same. */
  function moveOver(
    projection: Projection,
    stream: StreamId,
    from: Position,
    stored: readonly StoredEvent[],
  ): Move | undefined {
    const types = projection.follows[categoryOf(stream)];
    const events: RecordedEvent[] = [];
    try {
      for (const event of stored) if (event.version > from.version) events.push(upcast(types ?? {}, event));
    } catch (error) {
      settle(stream, from.version, { standstill: { cause: 'unreadable-event', reason: String(error) } });
    }
    try {
      return toMove(projection, stream, from, events);
    } catch (error) {
      if (!(error instanceof PoisonEventError)) throw error;
      settle(stream, from.version, { standstill: { cause: 'poison', reason: error.message } });
      return toMove(projection, stream, from, events.slice(0, events.indexOf(error.event)));
    }
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
    if (!pointer || revisions[0]?.target !== pointer.live) {
      pointers.drop(projectionName);
      return { outcome: 'building' };
    }

    const positions = await readPositions(revisions);
    const steps = await eachOf(pending, LOG_READS_AT_ONCE, async (request) => {
      try {
        const own = revisions.map(
          (revision) => [revision, positions.get(revision)?.get(request.stream) as Position] as const,
        );
        return await nextStep(request, own);
      } catch (error) {
        const cause = error instanceof OverloadedError ? 'overloaded' : 'transient';
        settle(request.stream, progress.get(request.stream)?.version ?? 0, {
          standstill: { cause, reason: String(error) },
        });
        return undefined;
      }
    });
    const moving = steps.filter((step) => step !== undefined);
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

function toMove(
  projection: Projection,
  stream: StreamId,
  from: Position,
  events: readonly RecordedEvent[],
): Move | undefined {
  const last = events.at(-1);
  if (!last) return undefined;
  const changes = foldStream(projection, stream, from.row, events);
  return { stream, from, toVersion: last.version, toEventId: last.id, changes };
}

/** Whether a page shows another event, or none, where this position was. */
function contradicts(page: LogPage, { version, eventId }: Position): boolean {
  if (version > page.head) return true;
  const same = page.events.find((event) => event.version === version);
  return same !== undefined && same.id !== eventId;
}

/** The events right after a position, from hints that are contiguous with it; undefined when the hints do not reach back to it. */
function eventsFromHints(hints: readonly Hint[], after: Position): readonly StoredEvent[] | undefined {
  const found: StoredEvent[] = [];
  let { version, eventId } = after;
  for (const hint of hints.toSorted((one, other) => one.fromVersion - other.fromVersion)) {
    if (!hint.events || hint.toVersion <= version) continue;
    if (hint.fromVersion > version + 1) break;
    const before =
      hint.fromVersion === version + 1 ? hint.previousId : hint.events.find((event) => event.version === version)?.id;
    if ((before ?? null) !== eventId) break;
    const next = hint.events.filter((event) => event.version > version);
    found.push(...next);
    version = hint.toVersion;
    eventId = next.at(-1)?.id ?? eventId;
  }
  return found.length > 0 ? found : undefined;
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
