import { eachOf } from '../concurrency.ts';
import type { StreamId } from '../stream.ts';
import { sleep } from '../timeout.ts';
import {
  type CatchUpRequest,
  type LoadEvents,
  type Look,
  type Revision,
  type RevisionPosition,
  type Step,
  type StreamProgress,
  type Trace,
  nextStep,
} from './catch-up-step.ts';
import { type Position, START, positionsStatement, toPositions } from './checkpoint.ts';
import {
  NO_OBSTACLES,
  type Obstacles,
  type Refusal,
  forgetRefusals,
  obstaclesStatement,
  recordRefusals,
  toObstacles,
} from './dead-letter.ts';
import { type TargetMoves, sendGuardedBatch } from './guarded-batch.ts';
import { type Pointer, type PointerCache, type Target, UNBUILT, pointerStatement, toPointer } from './pointer.ts';
import type { Projection } from './projection.ts';

/** What the catch-up stands on. Tests replace these, never the catch-up. */
export interface CatchUpPorts {
  readonly database: D1Database;
  readonly pointers: PointerCache;
  readonly loadEvents: LoadEvents;
  /** A projection's code by revision; undefined when this Worker has none for it. */
  readonly revisionOf: (name: string, revision: number) => Projection | undefined;
  /** Takes a target that cannot take an event out of the pointer: what is live goes on without it. */
  readonly failTarget: (projectionName: string, pointer: Pointer, target: Target, refusal: Refusal) => Promise<void>;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** A number in [0, 1), for jitter. */
  readonly random: () => number;
  readonly report: (event: string, details: Record<string, string | number>) => void;
}

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
  /** How many events of all streams together are read from logs at a time: an isolate has 128 MB. More streams mean smaller pages. */
  readonly maxEvents?: number;
  /** How often in a row a batch may lose against other writers before the streams are left to them. */
  readonly maxLostRaces?: number;
  /** A batch is split once its rows come to this many characters: far below the 1 MB of a bound parameter. */
  readonly maxBatchLength?: number;
  /** Takes up dead letters again. What is refused then is a dead letter at once: nobody else would try it again. */
  readonly retriesDeadLetters?: boolean;
  /** The pointer as just read, where what this isolate remembers of it may be too old to know of a target. */
  readonly pointer?: Pointer;
  /** Moves only this target, under that very pointer: a build that has not joined yet. */
  readonly build?: Target;
}

/** A Worker may wait for six connections at a time. */
export const LOG_READS_AT_ONCE = 6;
const MAX_TRACES = 20;

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
  const { database, pointers, loadEvents, revisionOf, failTarget, now, random, report } = ports;
  const { pageSize = 500, maxEvents = 2_000, maxLostRaces = 8, maxBatchLength = 400_000 } = options;
  const { retriesDeadLetters = false, build } = options;
  const progress = new Map<StreamId, StreamProgress>();
  /** Smaller pages for streams of which a page was refused: the culprit is to be found, and what is before it applied. */
  const carefulPageSizes = new Map<StreamId, number>();
  const traces: Trace[] = [];
  let pending = [...requests];
  let applied = 0;
  let lostRaces = 0;
  let isSuperseded = false;
  let known = options.pointer;

  function settle(stream: StreamId, version: number, more: Omit<StreamProgress, 'stream' | 'version'> = {}): void {
    progress.set(stream, { ...progress.get(stream), stream, version, ...more });
  }

  /** Reads where every target has each stream, and what stands in its way. All of it comes from one snapshot. */
  async function readPositions(revisions: readonly Revision[]): Promise<{
    readonly epoch: number | undefined;
    readonly positions: ReadonlyMap<Revision, ReadonlyMap<StreamId, Position>>;
    readonly obstacles: ReadonlyMap<StreamId, Obstacles>;
  }> {
    const streams = pending.map(({ stream }) => stream);
    const [pointed, obstacles, ...answers] = await database.batch<Record<string, unknown>>([
      pointerStatement(database, projectionName),
      obstaclesStatement(database, projectionName, streams),
      ...revisions.map(({ projection, target }) => positionsStatement(database, projection, target, streams)),
    ]);
    return {
      epoch: toPointer(pointed?.results[0])?.epoch,
      positions: new Map(
        revisions.map((revision, index) => [
          revision,
          toPositions(revision.projection, revision.target, answers[index]?.results ?? []),
        ]),
      ),
      obstacles: toObstacles(obstacles?.results ?? []),
    };
  }

  /** One round: under one pointer, over what is pending. */
  async function runRound(pointer: Pointer, lead: Revision, others: readonly Revision[]): Promise<boolean> {
    const revisions = [lead, ...others];
    const isLive = lead.target === pointer.live;
    const { epoch, positions, obstacles } = await readPositions(revisions);
    if (epoch !== pointer.epoch) {
      // What was read may be of a slot that is not what it was: not even "there already" may be said of it.
      pointers.drop(projectionName);
      isSuperseded = build !== undefined;
      return true;
    }
    /** Streams of which a page was refused, and which are tried again with a smaller one. */
    const narrowed = new Set<StreamId>();
    let isContested = false;

    async function fail(target: Target, refusal: Refusal): Promise<void> {
      report('projection.target-failed', { projection: projectionName, ...target, ...loggable(refusal) });
      await failTarget(projectionName, pointer, target, refusal);
      pointers.drop(projectionName);
      isContested = true;
    }

    /** Sends what steps do in some of the targets, and says how that ended. */
    async function send(steps: readonly Step[], targets: readonly Revision[]): Promise<string | undefined> {
      const parts = targets.flatMap((revision): readonly TargetMoves[] => {
        const moves = steps.flatMap((step) => step.moves.get(revision) ?? []);
        return moves.length > 0 ? [{ ...revision, moves }] : [];
      });
      if (parts.length === 0) return undefined;
      const overtaken = targets.includes(lead)
        ? steps.flatMap(({ stream, leadVersion }) => {
            const refused = obstacles.get(stream)?.refused;
            return refused && refused.version <= leadVersion ? [stream] : [];
          })
        : [];
      const more = overtaken.length > 0 && isLive ? [forgetRefusals(database, projectionName, overtaken)] : [];
      const result = await sendGuardedBatch(database, projectionName, pointer, parts, more);
      if (result.outcome === 'refused') return result.reason;
      if (result.outcome === 'epoch-changed') {
        pointers.drop(projectionName);
        isSuperseded = build !== undefined;
      }
      if (result.outcome !== 'applied') {
        isContested = true;
        return undefined;
      }
      for (const step of steps) {
        applied += parts.filter(({ moves }) => moves.some(({ stream }) => stream === step.stream)).length;
        if (targets.includes(lead)) settle(step.stream, step.leadVersion);
        traces.push(...step.traces.slice(0, MAX_TRACES - traces.length));
      }
      return undefined;
    }

    /** One stream's step was refused: by which target, and for which event? */
    async function findCulprit(step: Step, reason: string): Promise<void> {
      const span = Math.max(...[...step.moves.values()].map(({ from, toVersion }) => toVersion - from.version));
      if (span > 1) {
        carefulPageSizes.set(step.stream, Math.ceil(span / 2));
        narrowed.add(step.stream);
        return;
      }
      // The leading target comes first.
      const targets = [...step.moves.keys()];
      for (const revision of targets) {
        const refused = targets.length === 1 ? reason : await send([step], [revision]);
        if (refused === undefined) continue;
        const { toVersion: version, toEventId: eventId } = step.moves.get(revision) as {
          toVersion: number;
          toEventId: string;
        };
        const refusal = {
          stream: step.stream,
          version,
          eventId,
          cause: 'poison',
          kind: kindOf(refused),
          error: refused,
        } as const;
        if (revision === lead) {
          settle(step.stream, version - 1, { standstill: { cause: 'poison', reason: refused }, refusal });
          // The others do not pass an event that the leading one cannot take.
          return;
        }
        await fail(revision.target, refusal);
      }
    }

    const share = Math.max(Math.floor(maxEvents / pending.length), 1);
    const looks = await eachOf(pending, LOG_READS_AT_ONCE, (request): Promise<Look> => {
      const { stream } = request;
      const positionIn = (revision: Revision): RevisionPosition => ({
        revision,
        position: positions.get(revision)?.get(stream) ?? START,
      });
      return nextStep(
        request,
        [positionIn(lead), ...others.map(positionIn)],
        obstacles.get(stream) ?? NO_OBSTACLES,
        loadEvents,
        {
          pageSize: carefulPageSizes.get(stream) ?? pageSize,
          readSize: share,
          retriesDeadLetters,
          isBuild: build !== undefined,
        },
      );
    });
    for (const look of looks) progress.set(look.progress.stream, look.progress);
    const failed = new Map(
      looks.flatMap(({ failures }) => failures.map(({ revision, refusal }) => [revision, refusal])),
    );
    for (const [{ target }, refusal] of failed) await fail(target, refusal);
    // Under the pointer as it was nothing can be sent any more.
    if (failed.size > 0) return true;

    const moving = looks.flatMap(({ step }) => step ?? []);
    for (const chunk of chunksOf(moving, maxBatchLength)) {
      const refused = await send(chunk, revisions);
      if (refused === undefined) continue;
      // One of them is the culprit: each alone, so that it does not hold up its neighbours.
      for (const step of chunk) {
        const alone = chunk.length === 1 ? refused : await send([step], revisions);
        if (alone !== undefined) await findCulprit(step, alone);
      }
    }

    const goesOn = new Set(moving.map(({ stream }) => stream));
    const triedAgain = new Set(
      pending
        .filter((request) => goesOn.has(request.stream))
        .filter((request) => isContested || narrowed.has(request.stream) || isOpen(request))
        .map(({ stream }) => stream),
    );
    // A stream that is tried again at once is not counted before that: one catch-up is one try, however many races it loses.
    const refusals = looks.flatMap(({ progress: { stream } }) =>
      triedAgain.has(stream) ? [] : (progress.get(stream)?.refusal ?? []),
    );
    if (refusals.length > 0 && !build && isLive) {
      for (const { stream } of await count(pointer, refusals)) {
        // It was refused under a pointer, or after a checkpoint, that is not what there is any more.
        triedAgain.add(stream);
        pointers.drop(projectionName);
        isContested = true;
      }
    }
    const [first] = refusals;
    if (first && !build && !isLive) await fail(lead.target, first);
    pending = pending.filter(({ stream }) => triedAgain.has(stream));
    return isContested;
  }

  /** Counts refusals by the live slot, and says of those that have become dead letters that they are. Returns those that were overtaken. */
  async function count(pointer: Pointer, refusals: readonly Refusal[]): Promise<readonly Refusal[]> {
    const counted = await recordRefusals(database, projectionName, pointer, refusals, {
      at: new Date(now()).toISOString(),
      ...(retriesDeadLetters && { triesBeforeDead: 1 }),
    });
    for (const refusal of refusals) {
      const isDead = counted.get(refusal.stream);
      if (isDead === undefined) continue;
      const at = progress.get(refusal.stream);
      if (at?.standstill && isDead)
        progress.set(refusal.stream, { ...at, standstill: { ...at.standstill, isDeadLetter: true } });
      report(isDead ? 'projection.dead-letter' : 'projection.refused', {
        projection: projectionName,
        ...loggable(refusal),
      });
    }
    return refusals.filter(({ stream }) => !counted.has(stream));
  }

  function isOpen({ stream, wanted }: CatchUpRequest): boolean {
    const at = progress.get(stream);
    if (!at) return true;
    if (at.isOtherBehind) return true;
    if (at.standstill) return false;
    return at.version < (wanted === 'head' ? (at.head ?? Number.POSITIVE_INFINITY) : wanted);
  }

  function end(outcome: CatchUpResult['outcome']): CatchUpResult {
    for (const { stream, version, standstill, refusal } of progress.values()) {
      // What an event or the log is to blame for was reported when it was counted.
      if (standstill && !refusal && !standstill.isDeadLetter) {
        const { cause, reason } = standstill;
        report('projection.standstill', { projection: projectionName, stream, version, cause, reason });
      }
    }
    return { outcome, streams: progress, applied, traces };
  }

  while (pending.length > 0) {
    const pointer = known ?? (await pointers.get(database, projectionName));
    if (!build) known = undefined;
    const targets = build ? [build] : (pointer?.moved ?? []);
    const [lead, ...others] = targets.flatMap((target): readonly Revision[] => {
      const projection = revisionOf(projectionName, target.revision);
      return projection ? [{ target, projection }] : [];
    });
    const isUnbuilt = !build && pointer?.live.revision === UNBUILT;
    if (!pointer || !lead || (!build && !isUnbuilt && lead.target !== pointer.live)) {
      pointers.drop(projectionName);
      return end('building');
    }

    const isContested = await runRound(pointer, lead, others);
    if (isSuperseded) return end('superseded');
    lostRaces = isContested ? lostRaces + 1 : 0;
    const isOver = pending.length === 0 || lostRaces > maxLostRaces;
    if (lostRaces > maxLostRaces) {
      for (const { stream } of pending) {
        settle(stream, progress.get(stream)?.version ?? 0, {
          standstill: { cause: 'transient', reason: 'other writers kept winning' },
        });
      }
    }
    if (isOver) return end(isUnbuilt ? 'building' : 'done');
    if (isContested) await sleep(random() * 10 * 2 ** Math.min(lostRaces, 5));
  }
  return end('done');
}

/** What of a refusal may be logged: not its error, which may quote what the event holds. */
function loggable({ stream, version, cause, kind }: Refusal): Record<string, string | number> {
  return { stream, version, cause, kind };
}

/** What refusals by one constraint have in common: D1's own words for it. */
function kindOf(reason: string): string {
  return reason.replace(/^(Error: )?(D1_ERROR: )?/, '');
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

/** Whether a catch-up brought a stream to at least `version`. */
export function isApplied(result: CatchUpResult, stream: StreamId, version: number): boolean {
  return result.outcome === 'done' && (result.streams.get(stream)?.version ?? 0) >= version;
}
