import { timestamp } from '../platform/clock.ts';
import { affordsBatch } from './catch-up-limits.ts';
import type { Revision } from './catch-up-page.ts';
import { type Look, type Step, chunksOf, cutPage, foldPage, noteTraces, partsOf, restOfPage } from './catch-up-step.ts';
import {
  type Attempt,
  LEFT_TO_NEXT_ATTEMPT,
  type Round,
  isLive,
  leave,
  settle,
  sharedRefusalOf,
} from './catch-up-work.ts';
import { type Refusal, forgetRefusals } from '../dead-letters/dead-letter.ts';
import { type BatchOutcome, type RefusedBatch, sendGuardedBatch, writesOf } from '../projections/guarded-batch.ts';
import { failTarget } from '../projections/failed-target.ts';
import { answerOf, statementsOf } from '../queries/guarded-query.ts';
import { isInternalError, kindOf } from '../projections/d1-errors.ts';
import type { Target } from '../projections/pointer.ts';
import { type ProjectionFault, hasLasted, noteApplied, noteFault } from './projection-fault.ts';
import { type Trial, tryWrites } from './write-trial.ts';

/*
 * Applies steps. If the tables refuse a batch, one of its streams is the culprit, and one event of that stream. Halving the batch finds that event in
 * about 2 × log2(n) batches, and applies everything else on the way (decision 0023).
 */

/**
 * Records the progress of each look's stream, and takes each target that cannot take an event out of the pointer. Then applies the steps in as few
 * guarded batches as fit.
 */
export async function applyLooks(attempt: Attempt, looks: readonly Look[]): Promise<void> {
  const failed = new Map(looks.flatMap(({ failures }) => failures.map(({ revision, refusal }) => [revision, refusal])));
  for (const { progress, step } of looks) attempt.work.progress.set(progress.stream, step ? before(step) : progress);
  for (const [{ target }, refusal] of failed) await fail(attempt, target, refusal);
  const steps = looks.flatMap(({ step }) => step ?? []);
  // A stream that was refused before goes into a separate batch, so that it does not make the others' batch fail again.
  const isSuspect = ({ page }: Step) => page.place.obstacles.refused !== undefined;
  for (const some of [steps.filter((step) => !isSuspect(step)), steps.filter(isSuspect)])
    for (const chunk of chunksOf(some, attempt.limits.maxBatchLength)) await applyAll(attempt, chunk);
}

/** The progress of a stream before its step is applied. */
function before({ page: { place, head } }: Step) {
  const [{ position }] = place.positions;
  return { stream: place.request.stream, version: position.version, ...(head !== undefined && { head }) };
}

/** Applies steps of several streams. Returns false if some of them were not applied. */
async function applyAll(attempt: Attempt, steps: readonly Step[]): Promise<boolean> {
  const { work, lead, others } = attempt;
  const [only, ...more] = steps;
  if (!only) return true;
  if (!attempt.over && !affordsBatch(work.budget)) attempt.over = LEFT_TO_NEXT_ATTEMPT;
  if (attempt.over) {
    if (attempt.over !== 'contested')
      for (const { page } of steps) leave(work, page.place.request.stream, attempt.over);
    return false;
  }
  // A step would fail too if it makes kinds of write that fail for every stream. The other steps go on.
  const sound = steps.filter((step) => {
    const fault = sharedRefusalOf(attempt, writesIn(attempt, step));
    if (fault) leave(work, step.page.place.request.stream, { cause: 'projection-fault', reason: fault.kind });
    return !fault;
  });
  if (sound.length < steps.length) {
    await applyAll(attempt, sound);
    return false;
  }
  const sent = await send(attempt, steps, [lead, ...others]);
  if (sent.outcome !== 'refused') return sent.outcome === 'applied';
  if (more.length === 0) return applyPiecemeal(attempt, only, sent);
  const middle = Math.ceil(steps.length / 2);
  const isFirstHalfApplied = await applyAll(attempt, steps.slice(0, middle));
  return (await applyAll(attempt, steps.slice(middle))) && isFirstHalfApplied;
}

/** Applies one stream's refused step in halves, up to the event that the tables refuse. */
async function applyPiecemeal(attempt: Attempt, step: Step, refused: RefusedBatch): Promise<boolean> {
  const { page, moves } = step;
  const last = Math.max(...[...moves.values()].map(({ toVersion }) => toVersion));
  const moving = page.events.filter(({ version }) => version <= last).length;
  if (moving <= 1) return findTarget(attempt, step, refused);
  const first = foldPage(cutPage(page, Math.ceil(moving / 2))).step;
  if (!first || !(await applyAll(attempt, [first]))) return false;
  const rest = foldPage(restOfPage(page, first, attempt.context.sharesCheckpoints));
  await applyLooks(attempt, [rest]);
  return attempt.work.progress.get(rest.progress.stream)?.version === rest.progress.version;
}

/** Finds the target that refuses one event. Asks the leading target first: the others never pass an event that the leading target cannot take. */
async function findTarget(attempt: Attempt, step: Step, refused: RefusedBatch): Promise<boolean> {
  const { work, lead, shared } = attempt;
  const { stream } = step.page.place.request;
  const moves = [...step.moves];
  for (const [revision, { toVersion: version, toEventId: eventId }] of moves) {
    const sent = moves.length === 1 ? refused : await send(attempt, [step], [revision]);
    if (sent.outcome === 'applied') continue;
    if (sent.outcome !== 'refused') return false;
    const { reason } = sent;
    const refusal = { stream, version, eventId, cause: 'poison', kind: kindOf(reason), error: reason } as const;
    if (revision !== lead) {
      await fail(attempt, revision.target, refusal);
      return false;
    }
    const trial = await tryOthers(attempt, step, sent);
    if (trial === 'taken') {
      settle(work, stream, version - 1, { standstill: { cause: 'poison', reason }, refusal });
    } else {
      shared.push({ kind: refusal.kind, writes: writesIn(attempt, step), isSure: trial === 'refused' });
      settle(work, stream, version - 1, { standstill: { cause: 'projection-fault', reason: refusal.kind } });
    }
    return false;
  }
  return true;
}

/** Whether the leading target takes the refused kinds of write for other streams. If it does, the refused stream's own data is at fault. */
async function tryOthers(attempt: Attempt, step: Step, { kind }: RefusedBatch): Promise<Trial> {
  const { database, lead, work } = attempt;
  if (kind === 'data') return 'taken';
  // An internal error says nothing about the write, and may still pass.
  if (kind === 'internal') return 'refused';
  return tryWrites(database, lead.projection, lead.target.slot, writesIn(attempt, step), work.budget);
}

/** The kinds of write that a step makes in the leading target. */
function writesIn({ lead }: Attempt, { moves }: Step): readonly string[] {
  const move = moves.get(lead);
  try {
    return move ? writesOf(lead.projection, move.changes) : [];
  } catch {
    // A column cannot encode its value. Such a batch is never sent.
    return [];
  }
}

/** Sends the moves of some steps in some targets, as one guarded batch. */
async function send(attempt: Attempt, steps: readonly Step[], targets: readonly Revision[]): Promise<BatchOutcome> {
  const { context, projectionName, pointer, lead, isBuild, work, batchRead, fault } = attempt;
  const database = batchRead?.session ?? attempt.database;
  const parts = partsOf(steps, targets);
  if (parts.length === 0) return { outcome: 'applied', results: [] };
  const isLed = targets.includes(lead);
  const overtaken = steps.flatMap(({ page: { place }, after }) => {
    const { refused } = place.obstacles;
    return isLed && refused && refused.version <= after.version ? [place.request.stream] : [];
  });
  const isFaultOpen = fault !== undefined && fault.appliedAt === null;
  const writes = isLed ? [...new Set(steps.flatMap((step) => writesIn(attempt, step)))] : [];
  const noting =
    isLed && isLive(attempt)
      ? [
          ...(overtaken.length > 0 ? [forgetRefusals(database, projectionName, overtaken)] : []),
          ...(isFaultOpen ? [noteApplied(database, projectionName, writes, timestamp(context.clock))] : []),
        ]
      : [];
  const query = batchRead?.queryUnder(pointer);
  let reading = query ? statementsOf(database, query) : [];
  const sendWith = (more: readonly D1PreparedStatement[]) =>
    sendGuardedBatch(database, [{ projectionName, pointer }], parts, {
      more,
      budget: work.budget,
      shares: context.sharesCheckpoints,
    }).catch((error: unknown) => outlast(attempt, fault, writes, error));
  let result = await sendWith([...noting, ...reading]);
  // An error of the query must not count against an event.
  if (result.outcome === 'refused' && reading.length > 0) {
    reading = [];
    result = await sendWith(noting);
  }
  if (result.outcome === 'epoch-changed') {
    context.pointers.drop(projectionName);
    attempt.outcome = isBuild ? 'superseded' : 'contested';
    attempt.over = 'contested';
  } else if (result.outcome === 'lost-race') {
    if (attempt.outcome === 'undisturbed') attempt.outcome = 'contested';
  } else if (result.outcome === 'applied') {
    for (const step of steps) {
      work.applied += parts.filter(({ moves }) => moves.some(({ stream }) => stream === step.after.stream)).length;
      if (isLed) work.progress.set(step.after.stream, step.after);
      noteTraces(work.traces, step);
    }
    if (query && reading.length > 0) batchRead?.found(answerOf(query, result.results.slice(-reading.length)));
  }
  return result;
}

/**
 * Treats an internal error of D1 as a refusal once it has lasted (`hasLasted`). Before that, records it as a suspicion and throws it again, as a
 * transient fault. Throws any other error.
 */
export async function outlast(
  round: Round,
  fault: ProjectionFault | undefined,
  writes: readonly string[],
  error: unknown,
): Promise<RefusedBatch> {
  const { context, database, projectionName, pointer } = round;
  if (!isInternalError(error)) throw error;
  const reason = String(error);
  const now = context.clock.now();
  if (hasLasted(fault, now)) return { outcome: 'refused', reason, kind: 'internal' };
  if (isLive(round)) {
    const at = new Date(now).toISOString();
    // If the database is away, it cannot take the note either. Then the first error tells more.
    await noteFault(database, projectionName, pointer, kindOf(reason), writes, at).catch(() => undefined);
  }
  throw error;
}

/** Takes a target out of the pointer because it cannot take an event. The live target goes on without it. */
export async function fail(attempt: Attempt, target: Target, refusal: Refusal): Promise<void> {
  const { context, database, projectionName, pointer } = attempt;
  context.report('projection.target-failed', { projection: projectionName, ...target, ...loggable(refusal) });
  await failTarget(database, projectionName, pointer, target, refusal, timestamp(context.clock));
  context.pointers.drop(projectionName);
  if (attempt.outcome === 'undisturbed') attempt.outcome = 'contested';
  // The pointer has changed, so nothing more can be sent under it.
  attempt.over = 'contested';
}

/** The fields of a refusal that may be logged. Its error may quote the event's data. */
export function loggable({ stream, version, cause, kind }: Refusal): Record<string, string | number> {
  return { stream, version, cause, kind };
}
