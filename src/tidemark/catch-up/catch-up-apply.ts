import { affordsBatch } from './catch-up-limits.ts';
import type { Revision } from './catch-up-page.ts';
import { type Look, type Step, cutPage, foldPage, restOfPage } from './catch-up-step.ts';
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
import {
  type BatchOutcome,
  type RefusedBatch,
  type TargetMoves,
  sendGuardedBatch,
  writesOf,
} from '../projections/guarded-batch.ts';
import { failTarget } from '../rebuild/build-transitions.ts';
import { answerOf, statementsOf } from '../queries/guarded-query.ts';
import { isInternalError, kindOf } from '../projections/d1-errors.ts';
import type { Target } from '../projections/pointer.ts';
import { type ProjectionFault, hasLasted, noteApplied, noteFault } from './projection-fault.ts';
import { type Trial, tryWrites } from './write-trial.ts';

/*
 * "Apply these steps; if they are refused, halve." A batch that the tables refuse has a culprit among its streams, and then among the events
 * of one stream. Halving finds it in about twice log2(n) batches, and everything beside it is applied on the way.
 */

const MAX_TRACES = 20;

/** What pages of several streams make: notes where they stand, and applies their steps in as few guarded batches as fit. */
export async function applyLooks(attempt: Attempt, looks: readonly Look[]): Promise<void> {
  const failed = new Map(looks.flatMap(({ failures }) => failures.map(({ revision, refusal }) => [revision, refusal])));
  for (const { progress, step } of looks) attempt.work.progress.set(progress.stream, step ? before(step) : progress);
  for (const [{ target }, refusal] of failed) await fail(attempt, target, refusal);
  const steps = looks.flatMap(({ step }) => step ?? []);
  // What was refused before is apart from the others, so that it does not make their batch fail once more.
  const isSuspect = ({ page }: Step) => page.place.obstacles.refused !== undefined;
  for (const some of [steps.filter((step) => !isSuspect(step)), steps.filter(isSuspect)])
    for (const chunk of chunksOf(some, attempt.limits.maxBatchLength)) await applyAll(attempt, chunk);
}

/** Where a stream stands as long as its step is not taken. */
function before({ page: { place, head } }: Step) {
  const [{ position }] = place.positions;
  return { stream: place.request.stream, version: position.version, ...(head !== undefined && { head }) };
}

/** Applies steps of several streams. False: some of them were not applied. */
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
  // What does the same kind of write as what has failed for every stream would fail too. Anything else goes on.
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

/** Applies one stream's step that was refused as a whole: up to the event that is the culprit. */
async function applyPiecemeal(attempt: Attempt, step: Step, refused: RefusedBatch): Promise<boolean> {
  const { page, moves } = step;
  const last = Math.max(...[...moves.values()].map(({ toVersion }) => toVersion));
  const moving = page.events.filter(({ version }) => version <= last).length;
  if (moving <= 1) return findTarget(attempt, step, refused);
  const first = foldPage(cutPage(page, Math.ceil(moving / 2))).step;
  if (!first || !(await applyAll(attempt, [first]))) return false;
  const rest = foldPage(restOfPage(page, first));
  await applyLooks(attempt, [rest]);
  return attempt.work.progress.get(rest.progress.stream)?.version === rest.progress.version;
}

/** One event was refused: by which target? The leading one comes first; the others do not pass an event that it cannot take. */
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

/** Whether the leading target takes of others what it has refused of a stream. If so, the refusal is the stream's own. */
async function tryOthers(attempt: Attempt, step: Step, { kind }: RefusedBatch): Promise<Trial> {
  const { database, lead, work } = attempt;
  if (kind === 'data') return 'taken';
  // It says nothing of what was written, and may still pass.
  if (kind === 'internal') return 'refused';
  return tryWrites(database, lead.projection, lead.target.slot, writesIn(attempt, step), work.budget);
}

/** The kinds of write that a step makes in the leading target. */
function writesIn({ lead }: Attempt, { moves }: Step): readonly string[] {
  const move = moves.get(lead);
  try {
    return move ? writesOf(lead.projection, move.changes) : [];
  } catch {
    // A value that its column cannot encode: it is not even sent.
    return [];
  }
}

/** Sends what steps do in some of the targets. */
async function send(attempt: Attempt, steps: readonly Step[], targets: readonly Revision[]): Promise<BatchOutcome> {
  const { context, projectionName, pointer, lead, isBuild, work, batchRead, fault } = attempt;
  const database = batchRead?.session ?? attempt.database;
  const parts = targets.flatMap((revision): readonly TargetMoves[] => {
    const moves = steps.flatMap((step) => step.moves.get(revision) ?? []);
    return moves.length > 0 ? [{ ...revision, moves }] : [];
  });
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
          ...(isFaultOpen
            ? [noteApplied(database, projectionName, writes, new Date(context.clock.now()).toISOString())]
            : []),
        ]
      : [];
  const query = batchRead?.queryUnder(pointer);
  let reading = query ? statementsOf(database, query) : [];
  const sendWith = (more: readonly D1PreparedStatement[]) =>
    sendGuardedBatch(database, projectionName, pointer, parts, more, work.budget).catch((error: unknown) =>
      outlast(attempt, fault, writes, error),
    );
  let result = await sendWith([...noting, ...reading]);
  // What is wrong with a query must not be held against an event.
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
      const traces = step.page.events.map(({ metadata: { correlationId, causationId } }) => ({
        correlationId,
        causationId,
      }));
      work.traces.push(...traces.slice(0, MAX_TRACES - work.traces.length));
    }
    if (query && reading.length > 0) batchRead?.found(answerOf(query, result.results.slice(-reading.length)));
  }
  return result;
}

/**
 * An internal error of D1 that has lasted is a refusal: then it is searched for, and tried again slowly. Before that it is noted as a
 * suspicion, and thrown again as what passes. Throws any other error.
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
    // If the database is away, it does not take the note either, and its first answer tells more.
    await noteFault(database, projectionName, pointer, kindOf(reason), writes, at).catch(() => undefined);
  }
  throw error;
}

/** Takes a target that cannot take an event out of what is moved: what is live goes on without it. */
export async function fail(attempt: Attempt, target: Target, refusal: Refusal): Promise<void> {
  const { context, database, projectionName, pointer } = attempt;
  context.report('projection.target-failed', { projection: projectionName, ...target, ...loggable(refusal) });
  await failTarget(database, projectionName, pointer, target, refusal, new Date(context.clock.now()).toISOString());
  context.pointers.drop(projectionName);
  if (attempt.outcome === 'undisturbed') attempt.outcome = 'contested';
  // Under the pointer as it was nothing can be sent any more.
  attempt.over = 'contested';
}

/** What of a refusal may be logged: not its error, which may quote what the event holds. */
export function loggable({ stream, version, cause, kind }: Refusal): Record<string, string | number> {
  return { stream, version, cause, kind };
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
