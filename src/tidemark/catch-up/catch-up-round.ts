import { timestamp } from '../platform/clock.ts';
import { CONNECTIONS_AT_ONCE, eachOf } from '../platform/concurrency.ts';
import type { StreamId } from '../domain/stream.ts';
import { withTimeout } from '../platform/timeout.ts';
import type { LogPage } from '../write/aggregate.ts';
import { applyLooks, outlast } from './catch-up-apply.ts';
import { LOADS_TIMEOUT_MS, LOAD_TIMEOUT_MS, MAX_LOADED_BYTES, spendBatch } from './catch-up-limits.ts';
import { type PageLimits, type Place, type Taken, takeFromHand, takeFromLog } from './catch-up-page.ts';
import { type Places, placesStatements, toPlaces } from './catch-up-places.ts';
import { blame, noteSharedRefusals, reportFault } from './catch-up-refusals.ts';
import { type Look, foldPage } from './catch-up-step.ts';
import {
  type Attempt,
  type CatchUpWork,
  LEFT_TO_NEXT_ATTEMPT,
  type Round,
  type RoundOutcome,
  leave,
} from './catch-up-work.ts';
import { isInternalError, kindOf } from '../projections/d1-errors.ts';
import { CHECKPOINT_WRITE, type RefusedBatch, classify } from '../projections/guarded-batch.ts';
import { readPointer } from '../projections/pointer.ts';
import { failTarget } from '../projections/failed-target.ts';
import { faultStatement, toFault } from './projection-fault.ts';
import type { CatchUpRequest, StreamProgress } from './stream-progress.ts';

/**
 * Reads the positions of all pending streams, takes one page of each, and applies the pages in as few guarded batches as fit. Events at hand go first
 * and do not wait for a log. If the tables refuse a batch, finds the event to blame and counts its refusal.
 */
export async function runRound(round: Round, work: CatchUpWork): Promise<RoundOutcome> {
  const { context, projectionName, pointer, isBuild, limits } = round;
  const share = Math.max(Math.floor(limits.maxEvents / work.pending.length), 1);
  const begun = beginLoads(round, work, share);
  let read: Places;
  try {
    read = await readPlaces(round, work);
  } catch (error) {
    return blameTablesRead(round, work, error);
  }
  const { epoch, fault, placeOf } = read;
  if (epoch !== pointer.epoch) {
    // The slot may have changed since. So the positions prove nothing, not even that a stream is already there.
    context.pointers.drop(projectionName);
    return isBuild ? 'superseded' : 'contested';
  }
  const places = work.pending.map(placeOf);
  const obstacles = new Map(places.map((place) => [place.request.stream, place.obstacles]));
  const attempt: Attempt = {
    ...round,
    work,
    obstacles,
    fault,
    outcome: 'undisturbed',
    over: undefined,
    shared: [],
  };
  const pageLimits = { ...limits, readSize: share, isBuild };

  const atHand = places.map((place) => ({ place, taken: takeFromHand(place, pageLimits) }));
  const looks = atHand.flatMap(({ taken }) => (taken === 'needs-log' ? [] : toLook(taken)));
  await applyLooks(attempt, looks);
  const needing = atHand.flatMap(({ place, taken }) => (taken === 'needs-log' ? [place] : []));
  const { loaded, deferred } = await loadAll(attempt, needing, begun, pageLimits);
  looks.push(...loaded.map(toLook));
  await applyLooks(attempt, loaded.map(toLook));
  await noteSharedRefusals(attempt);
  work.pending = await stillPending(attempt, looks, new Set(deferred));
  return attempt.outcome;
}

function toLook(taken: Taken): Look {
  return taken.kind === 'page' ? foldPage(taken.page) : taken;
}

/** The requests to try again at once. Counts the refusals of the other streams. */
async function stillPending(
  attempt: Attempt,
  looks: readonly Look[],
  deferred: ReadonlySet<StreamId>,
): Promise<readonly CatchUpRequest[]> {
  const { work } = attempt;
  const goesOn = new Set([...looks.flatMap(({ step, progress }) => (step ? [progress.stream] : [])), ...deferred]);
  const triedAgain = new Set(
    work.pending
      .filter(({ stream }) => goesOn.has(stream))
      .filter((request) => attempt.outcome !== 'undisturbed' || isOpen(request, work.progress.get(request.stream)))
      .map(({ stream }) => stream),
  );
  // A stream that is tried again at once is not counted yet: one catch-up is one try, however many races it loses.
  const refusals = looks.flatMap(({ progress: { stream } }) =>
    triedAgain.has(stream) ? [] : (work.progress.get(stream)?.refusal ?? []),
  );
  for (const { stream } of await blame(attempt, refusals)) triedAgain.add(stream);
  return work.pending
    .filter(({ stream }) => triedAgain.has(stream))
    .map((request) => seenAgain(request, work.progress.get(request.stream)));
}

type Begun = ReadonlyMap<StreamId, { readonly seenAt: number; readonly page: Promise<LogPage> }>;

/**
 * Starts to read some logs while the positions are still being read: those of streams whose position the caller has just seen. Such a page may be
 * used only if no target has moved meanwhile. Beside a later position, it could look like a restored log.
 */
function beginLoads({ context, limits }: Round, { pending, budget }: CatchUpWork, readSize: number): Begun {
  const seen = pending.flatMap(({ stream, seenAt }) => (seenAt === undefined ? [] : [{ stream, seenAt }]));
  return new Map(
    seen.slice(0, CONNECTIONS_AT_ONCE - 1).map(({ stream, seenAt }) => {
      budget.subrequests -= 1;
      const page = withTimeout(
        context.aggregates.load(stream, seenAt + 1, Math.min(limits.pageSize, readSize)),
        LOAD_TIMEOUT_MS,
      );
      // If the page is used, its user gets the error. Otherwise the error does not matter.
      page.catch(() => undefined);
      return [stream, { seenAt, page }];
    }),
  );
}

async function readPlaces(round: Round, { pending, budget }: CatchUpWork): Promise<Places> {
  const { database } = round;
  const statements = placesStatements(
    database,
    round,
    pending.map(({ stream }) => stream),
  );
  spendBatch(budget, statements.length);
  return toPlaces(round, await database.batch<Record<string, unknown>>([...statements]));
}

/**
 * Handles an error of the read itself, for example a missing table or column. If another target's tables are at fault, fails that target. Otherwise
 * reports a fault of the leading target. Throws again an error that is not the tables' fault.
 */
async function blameTablesRead(round: Round, work: CatchUpWork, error: unknown): Promise<RoundOutcome> {
  const { context, database, projectionName, pointer, others, isBuild } = round;
  const kind = kindOf((await refusalIn(round, error)).reason);
  // The cached pointer may be stale. Then its slot may no longer move, and the tables may be damaged or gone.
  const current = await readPointer(database, projectionName);
  if (current?.epoch !== pointer.epoch) {
    context.pointers.drop(projectionName);
    return isBuild ? 'superseded' : 'contested';
  }
  for (const other of others) {
    const refused = await probe({ ...round, lead: other, others: [] }, work);
    if (!refused) continue;
    const [first] = work.pending;
    const unplaced = { stream: first?.stream as StreamId, version: 0, eventId: '', cause: 'poison' } as const;
    const refusal = { ...unplaced, kind: kindOf(refused.reason), error: refused.reason };
    const at = timestamp(context.clock);
    await failTarget(database, projectionName, pointer, other.target, refusal, at);
    context.pointers.drop(projectionName);
    return 'contested';
  }
  for (const { stream } of work.pending) leave(work, stream, { cause: 'projection-fault', reason: kind });
  await reportFault(round, work, { kind, writes: [CHECKPOINT_WRITE] }, work.pending.length);
  work.pending = [];
  return 'undisturbed';
}

/**
 * Reads the tables of the leading target alone. Returns the refusal, if they refuse. Throws a transient fault, which says nothing about the tables.
 */
async function probe(round: Round, work: CatchUpWork): Promise<RefusedBatch | undefined> {
  try {
    await readPlaces(round, work);
    return undefined;
  } catch (error) {
    return refusalIn(round, error);
  }
}

/** The refusal that an error of a read means. Throws any other error. */
async function refusalIn(round: Round, error: unknown): Promise<RefusedBatch> {
  const { database, projectionName } = round;
  if (isInternalError(error)) {
    const fault = toFault(await faultStatement(database, projectionName).first());
    return outlast(round, fault, [CHECKPOINT_WRITE], error);
  }
  const result = classify(error);
  if (result.outcome !== 'refused') throw error;
  return result;
}

/**
 * Reads a page of each stream's log, a few at a time. A log that takes too long is left to the next attempt. The same holds once the time or the
 * budget is spent. `deferred` are streams for the next round: the pointer has changed, or the memory for events is used up.
 */
export async function loadAll(
  attempt: Pick<Attempt, 'context' | 'work' | 'over'>,
  places: readonly Place[],
  begun: Begun,
  limits: PageLimits,
): Promise<{ readonly loaded: readonly Taken[]; readonly deferred: readonly StreamId[] }> {
  const { context, work } = attempt;
  const until = context.clock.now() + LOADS_TIMEOUT_MS;
  const deferred: StreamId[] = [];
  let bytes = 0;

  async function load(place: Place): Promise<Taken | undefined> {
    const { request, positions } = place;
    const { stream } = request;
    const [{ position }] = positions;
    const early = begun.get(stream);
    const isUsable = positions.every(({ position: { version } }) => version === early?.seenAt);
    if (attempt.over === 'contested' || bytes > MAX_LOADED_BYTES) {
      work.progress.set(stream, { stream, version: position.version });
      deferred.push(stream);
      return undefined;
    }
    const isAffordable = (early && isUsable) || (work.budget.subrequests > 0 && context.clock.now() < until);
    const standstill = attempt.over ?? (isAffordable ? undefined : LEFT_TO_NEXT_ATTEMPT);
    if (standstill)
      return { kind: 'settled', progress: { stream, version: position.version, standstill }, failures: [] };
    const taken = await takeFromLog(place, limits, (fromVersion, limit) => {
      if (early && isUsable) return early.page;
      work.budget.subrequests -= 1;
      return withTimeout(context.aggregates.load(stream, fromVersion, limit), LOAD_TIMEOUT_MS);
    });
    if (taken.kind === 'page') bytes += JSON.stringify(taken.page.events).length;
    return taken;
  }

  const loaded = await eachOf(places, CONNECTIONS_AT_ONCE, load);
  return { loaded: loaded.flatMap((taken) => taken ?? []), deferred };
}

/** The request for the next round, with the version that this round has reached as `seenAt`. */
function seenAgain(request: CatchUpRequest, at: StreamProgress | undefined): CatchUpRequest {
  return request.seenAt === undefined || !at ? request : { ...request, seenAt: at.version };
}

function isOpen({ wanted }: CatchUpRequest, at: StreamProgress | undefined): boolean {
  if (!at) return true;
  if (at.isOtherBehind) return true;
  if (at.standstill) return false;
  return at.version < (wanted === 'head' ? (at.head ?? Number.POSITIVE_INFINITY) : wanted);
}
