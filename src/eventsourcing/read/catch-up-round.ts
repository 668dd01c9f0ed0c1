import { CONNECTIONS_AT_ONCE, eachOf } from '../concurrency.ts';
import type { StreamId } from '../stream.ts';
import type { LogPage } from '../write/aggregate.ts';
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
import { type Pointer, type PointerCache, type Target, pointerStatement, toPointer } from './pointer.ts';
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

/** What is read in the batch that brings streams up, so that it takes no round trip of its own. */
export interface ReadAlong {
  /** The batch is sent through it: afterwards its bookmark stands for what was read. */
  readonly session: D1DatabaseSession;
  /** Made for the pointer under which the batch is sent. */
  readonly statements: (pointer: Pointer) => readonly D1PreparedStatement[];
}

/** What was read along, and under which pointer. */
export interface Along {
  readonly pointer: Pointer;
  readonly results: readonly D1Result[];
}

/** What a catch-up has done so far, and what is left to do. Rounds change it. */
export interface CatchUpWork {
  pending: readonly CatchUpRequest[];
  readonly progress: Map<StreamId, StreamProgress>;
  /** Smaller pages for streams of which a page was refused: the culprit is to be found, and what is before it applied. */
  readonly carefulPageSizes: Map<StreamId, number>;
  /** How many moves were applied: one for each stream and target. */
  applied: number;
  readonly traces: Trace[];
  /** Of the last batch that was applied. */
  along?: Along;
}

/** One round: over everything that is pending, under one pointer. */
export interface Round {
  readonly ports: CatchUpPorts;
  readonly projectionName: string;
  readonly pointer: Pointer;
  /** What says how far a stream is: the live target, or the build where there is no other. */
  readonly lead: Revision;
  /** What else is moved in the same batches. They never pass the leading one. */
  readonly others: readonly Revision[];
  /** It moves only a build that has not joined yet. */
  readonly isBuild: boolean;
  readonly limits: RoundLimits;
  readonly readAlong?: ReadAlong | undefined;
}

export interface RoundLimits {
  /** See `CatchUpOptions`, for all of these. */
  readonly pageSize: number;
  readonly maxEvents: number;
  readonly maxBatchLength: number;
  readonly retriesDeadLetters: boolean;
}

/** How a round ended; what is still pending has to be tried again. */
export type RoundOutcome =
  | 'undisturbed'
  /** Somebody else moved a checkpoint or the pointer. */
  | 'contested'
  /** Only of a build: the pointer has changed, so it may no longer be this build's slot. */
  | 'superseded';

const MAX_TRACES = 20;

/** One round while it goes on. */
interface Attempt extends Round {
  readonly work: CatchUpWork;
  readonly obstacles: ReadonlyMap<StreamId, Obstacles>;
  outcome: RoundOutcome;
  /** Streams of which a page was refused, and which are tried again with a smaller one. */
  readonly narrowed: Set<StreamId>;
}

/**
 * Reads where everything pending is, takes one page of each stream, and sends what it makes in as few guarded batches as fit. Finds out who
 * is to blame where one is refused, and counts that.
 */
export async function runRound(round: Round, work: CatchUpWork): Promise<RoundOutcome> {
  const { ports, projectionName, pointer, lead, others, isBuild, limits } = round;
  const revisions = [lead, ...others];
  const share = Math.max(Math.floor(limits.maxEvents / work.pending.length), 1);
  const begun = beginLoads(round, work.pending, share);
  const { epoch, positions, obstacles } = await readPositions(round, work.pending);
  if (epoch !== pointer.epoch) {
    // What was read may be of a slot that is not what it was: not even "there already" may be said of it.
    ports.pointers.drop(projectionName);
    return isBuild ? 'superseded' : 'contested';
  }
  const attempt: Attempt = { ...round, work, obstacles, outcome: 'undisturbed', narrowed: new Set() };

  const looks = await eachOf(work.pending, CONNECTIONS_AT_ONCE, (request): Promise<Look> => {
    const { stream } = request;
    const positionIn = (revision: Revision): RevisionPosition => ({
      revision,
      position: positions.get(revision)?.get(stream) ?? START,
    });
    const at = [positionIn(lead), ...others.map(positionIn)] as const;
    const ahead = at.every(({ position }) => position.version === request.seenAt) ? begun.get(stream) : undefined;
    return nextStep(request, at, obstacles.get(stream) ?? NO_OBSTACLES, ahead ? () => ahead : ports.loadEvents, {
      pageSize: work.carefulPageSizes.get(stream) ?? limits.pageSize,
      readSize: share,
      retriesDeadLetters: limits.retriesDeadLetters,
      isBuild,
    });
  });
  for (const look of looks) work.progress.set(look.progress.stream, look.progress);
  const failed = new Map(looks.flatMap(({ failures }) => failures.map(({ revision, refusal }) => [revision, refusal])));
  for (const [{ target }, refusal] of failed) await fail(attempt, target, refusal);
  // Under the pointer as it was nothing can be sent any more.
  if (failed.size > 0) return attempt.outcome;

  const moving = looks.flatMap(({ step }) => step ?? []);
  for (const chunk of chunksOf(moving, limits.maxBatchLength)) {
    const refused = await send(attempt, chunk, revisions);
    if (refused === undefined) continue;
    // One of them is the culprit: each alone, so that it does not hold up its neighbours.
    for (const step of chunk) {
      const alone = chunk.length === 1 ? refused : await send(attempt, [step], revisions);
      if (alone !== undefined) await findCulprit(attempt, step, alone);
    }
  }

  const goesOn = new Set(moving.map(({ stream }) => stream));
  const isTriedAgain = (request: CatchUpRequest) =>
    attempt.outcome !== 'undisturbed' ||
    attempt.narrowed.has(request.stream) ||
    isOpen(request, work.progress.get(request.stream));
  const triedAgain = new Set(
    work.pending
      .filter((request) => goesOn.has(request.stream))
      .filter(isTriedAgain)
      .map(({ stream }) => stream),
  );
  // A stream that is tried again at once is not counted before that: one catch-up is one try, however many races it loses.
  const refusals = looks.flatMap(({ progress: { stream } }) =>
    triedAgain.has(stream) ? [] : (work.progress.get(stream)?.refusal ?? []),
  );
  for (const { stream } of await blame(attempt, refusals)) triedAgain.add(stream);
  work.pending = work.pending
    .filter(({ stream }) => triedAgain.has(stream))
    .map((request) => seenAgain(request, work.progress.get(request.stream)));
  return attempt.outcome;
}

/**
 * Begins to read logs where callers have just seen where their streams are, beside the positions. What is read so early may only be used
 * if no target has moved meanwhile: next to a later position it could look like a log that was restored.
 */
function beginLoads(
  { ports, limits }: Round,
  pending: readonly CatchUpRequest[],
  readSize: number,
): ReadonlyMap<StreamId, Promise<LogPage>> {
  const seen = pending.flatMap(({ stream, seenAt }) => (seenAt === undefined ? [] : [{ stream, seenAt }]));
  return new Map(
    seen.slice(0, CONNECTIONS_AT_ONCE - 1).map(({ stream, seenAt }) => {
      const page = ports.loadEvents(stream, seenAt + 1, Math.min(limits.pageSize, readSize));
      // Whoever uses it gets to know; nobody may need it.
      page.catch(() => undefined);
      return [stream, page];
    }),
  );
}

/** Reads where every target has each stream, and what stands in its way. All of it comes from one snapshot. */
async function readPositions({ ports, projectionName, lead, others }: Round, pending: readonly CatchUpRequest[]) {
  const { database } = ports;
  const revisions = [lead, ...others];
  const streams = pending.map(({ stream }) => stream);
  const [pointed, obstacles, ...answers] = await database.batch<Record<string, unknown>>([
    pointerStatement(database, projectionName),
    obstaclesStatement(database, projectionName, streams),
    ...revisions.map(({ projection, target }) => positionsStatement(database, projection, target, streams)),
  ]);
  return {
    epoch: toPointer(pointed?.results[0])?.epoch,
    positions: new Map<Revision, ReadonlyMap<StreamId, Position>>(
      revisions.map((revision, index) => [
        revision,
        toPositions(revision.projection, revision.target, answers[index]?.results ?? []),
      ]),
    ),
    obstacles: toObstacles(obstacles?.results ?? []),
  };
}

/** Sends what steps do in some of the targets. Returns why it was refused, if it was. */
async function send(
  attempt: Attempt,
  steps: readonly Step[],
  targets: readonly Revision[],
): Promise<string | undefined> {
  const { ports, projectionName, pointer, lead, isBuild, work, obstacles, readAlong } = attempt;
  const database = readAlong?.session ?? ports.database;
  const parts = targets.flatMap((revision): readonly TargetMoves[] => {
    const moves = steps.flatMap((step) => step.moves.get(revision) ?? []);
    return moves.length > 0 ? [{ ...revision, moves }] : [];
  });
  if (parts.length === 0) return undefined;
  const isLed = targets.includes(lead);
  const overtaken = isLed
    ? steps.flatMap(({ stream, leadVersion }) => {
        const refused = obstacles.get(stream)?.refused;
        return refused && refused.version <= leadVersion ? [stream] : [];
      })
    : [];
  const forgetting =
    overtaken.length > 0 && isLive(attempt) ? [forgetRefusals(database, projectionName, overtaken)] : [];
  const reading = readAlong?.statements(pointer) ?? [];
  let result = await sendGuardedBatch(database, projectionName, pointer, parts, [...forgetting, ...reading]);
  // What is wrong with a query must not be held against an event.
  if (result.outcome === 'refused' && reading.length > 0)
    result = await sendGuardedBatch(database, projectionName, pointer, parts, forgetting);
  if (result.outcome === 'refused') return result.reason;
  if (result.outcome === 'epoch-changed') {
    ports.pointers.drop(projectionName);
    attempt.outcome = isBuild ? 'superseded' : 'contested';
  } else if (result.outcome === 'lost-race') {
    if (attempt.outcome === 'undisturbed') attempt.outcome = 'contested';
  } else {
    for (const step of steps) {
      work.applied += parts.filter(({ moves }) => moves.some(({ stream }) => stream === step.stream)).length;
      if (isLed) settle(work, step.stream, step.leadVersion);
      work.traces.push(...step.traces.slice(0, MAX_TRACES - work.traces.length));
    }
    if (result.more.length > forgetting.length) work.along = { pointer, results: result.more.slice(forgetting.length) };
  }
  return undefined;
}

/** One stream's step was refused: by which target, and for which event? */
async function findCulprit(attempt: Attempt, step: Step, reason: string): Promise<void> {
  const { work, lead, narrowed } = attempt;
  const span = Math.max(...[...step.moves.values()].map(({ from, toVersion }) => toVersion - from.version));
  if (span > 1) {
    work.carefulPageSizes.set(step.stream, Math.ceil(span / 2));
    narrowed.add(step.stream);
    return;
  }
  // The leading target comes first.
  const moves = [...step.moves];
  for (const [revision, { toVersion: version, toEventId: eventId }] of moves) {
    const refused = moves.length === 1 ? reason : await send(attempt, [step], [revision]);
    if (refused === undefined) continue;
    const kind = kindOf(refused);
    const refusal = { stream: step.stream, version, eventId, cause: 'poison', kind, error: refused } as const;
    if (revision === lead) {
      settle(work, step.stream, version - 1, { standstill: { cause: 'poison', reason: refused }, refusal });
      // The others do not pass an event that the leading one cannot take.
      return;
    }
    await fail(attempt, revision.target, refusal);
  }
}

/** Takes a target that cannot take an event out of what is moved: what is live goes on without it. */
async function fail(attempt: Attempt, target: Target, refusal: Refusal): Promise<void> {
  const { ports, projectionName, pointer } = attempt;
  ports.report('projection.target-failed', { projection: projectionName, ...target, ...loggable(refusal) });
  await ports.failTarget(projectionName, pointer, target, refusal);
  ports.pointers.drop(projectionName);
  if (attempt.outcome === 'undisturbed') attempt.outcome = 'contested';
}

/**
 * What the leading target refused is counted where that is live, the way to a dead letter; ends a build that others move; and is a
 * build's own affair where it moves itself. Returns refusals that were overtaken meanwhile.
 */
async function blame(attempt: Attempt, refusals: readonly Refusal[]): Promise<readonly Refusal[]> {
  const { ports, projectionName, lead, isBuild } = attempt;
  const [first] = refusals;
  if (!first || isBuild) return [];
  if (!isLive(attempt)) {
    await fail(attempt, lead.target, first);
    return [];
  }
  // One that was refused under a pointer, or after a checkpoint, that is not what there is any more.
  const overtaken = await count(attempt, refusals);
  if (overtaken.length > 0) {
    ports.pointers.drop(projectionName);
    if (attempt.outcome === 'undisturbed') attempt.outcome = 'contested';
  }
  return overtaken;
}

/** Counts refusals by the live slot, and says of those that have become dead letters that they are. Returns those that were overtaken. */
async function count(attempt: Attempt, refusals: readonly Refusal[]): Promise<readonly Refusal[]> {
  const { ports, projectionName, pointer, work, limits } = attempt;
  const counted = await recordRefusals(ports.database, projectionName, pointer, refusals, {
    at: new Date(ports.now()).toISOString(),
    ...(limits.retriesDeadLetters && { triesBeforeDead: 1 }),
  });
  for (const refusal of refusals) {
    const isDead = counted.get(refusal.stream);
    if (isDead === undefined) continue;
    const at = work.progress.get(refusal.stream);
    if (at?.standstill && isDead)
      work.progress.set(refusal.stream, { ...at, standstill: { ...at.standstill, isDeadLetter: true } });
    ports.report(isDead ? 'projection.dead-letter' : 'projection.refused', {
      projection: projectionName,
      ...loggable(refusal),
    });
  }
  return refusals.filter(({ stream }) => !counted.has(stream));
}

function isLive({ lead, pointer }: Round): boolean {
  return lead.target === pointer.live;
}

/** Notes where a stream stands now. */
export function settle(
  { progress }: CatchUpWork,
  stream: StreamId,
  version: number,
  more: Omit<StreamProgress, 'stream' | 'version'> = {},
): void {
  progress.set(stream, { ...progress.get(stream), stream, version, ...more });
}

/** The same request where a round has left its stream. */
function seenAgain(request: CatchUpRequest, at: StreamProgress | undefined): CatchUpRequest {
  return request.seenAt === undefined || !at ? request : { ...request, seenAt: at.version };
}

function isOpen({ wanted }: CatchUpRequest, at: StreamProgress | undefined): boolean {
  if (!at) return true;
  if (at.isOtherBehind) return true;
  if (at.standstill) return false;
  return at.version < (wanted === 'head' ? (at.head ?? Number.POSITIVE_INFINITY) : wanted);
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
