import { type ActiveBuild, type BuildContext, BuildEnded } from './build-context.ts';
import type { StreamId } from '../domain/stream.ts';
import type { CatchUpResult } from '../catch-up/catch-up.ts';
import { type Budget, affordsBatch, newBudget, spendBatch } from '../catch-up/catch-up-limits.ts';
import { UNBUILT } from '../projections/pointer.ts';
import type { CatchUpRequest, StreamProgress } from '../catch-up/stream-progress.ts';

/** The length of one step, in ms. A step is a durable checkpoint: shorter ones would be thousands, and with longer ones a crash would cost more. */
const STEP_MS = 15_000;
/** Statements of a page beside its catch-up: for the build's row, the gap or the archive, and the throttle. */
const STATEMENTS_BESIDE = 10;
/** Characters of rows in one batch. A page should be one batch, since the build waits for each. The throttle decides the size of a page. */
const LENGTH_AT_ONCE = 3_000_000;

/** The result of one page. */
interface TakenPage<Progress> {
  readonly progress: Progress;
  /** Set if the next step has to take the rest of this page. */
  readonly left?: { readonly hasMoved: boolean };
}

/**
 * Takes pages after `from`, until all is done or the step has used its pages, its time or its invocation's statements. Takes a page again that is
 * undefined: the pointer has changed meanwhile.
 *
 * Throws if a whole step brings no stream further, since the next step would not either.
 */
export async function takePages<Progress extends { readonly isDone: boolean }>(
  { clock, pagesAStep, throttle }: BuildContext,
  from: Progress,
  takePage: (from: Progress, budget: Budget) => Promise<TakenPage<Progress> | undefined>,
): Promise<Progress> {
  const until = clock.now() + STEP_MS;
  const budget = newBudget();
  let progress = from;
  // The first page runs in any case: it has the whole budget.
  for (let pages = 0; pages === 0 || (pages < pagesAStep && clock.now() < until && affordsBatch(budget)); pages += 1) {
    spendBatch(budget, STATEMENTS_BESIDE);
    const page = await takePage(progress, budget);
    if (!page) continue;
    ({ progress } = page);
    if (page.left && pages === 0 && !page.left.hasMoved) throw new Error('a whole step brought no stream further');
    if (page.left || progress.isDone) break;
    await throttle.rest();
  }
  return progress;
}

/**
 * Brings streams of a build up: before the join the build alone, then together with the live slot. Undefined if the pointer has changed meanwhile.
 * Throws `BuildEnded` at an event that the build cannot apply.
 */
export async function catchUpBuild(
  { catchUp }: BuildContext,
  active: ActiveBuild,
  requests: readonly CatchUpRequest[],
  budget: Budget,
): Promise<CatchUpResult | undefined> {
  const { projection, build, pointer, hasJoined } = active;
  const result = await catchUp(projection, requests, {
    pointer,
    budget,
    maxBatchLength: LENGTH_AT_ONCE,
    ...(!hasJoined && { build: build.target }),
  });
  if (result.outcome === 'superseded') return undefined;
  for (const progress of result.streams.values()) assertGoesOn(active, progress);
  return result;
}

/** Throws if the build cannot pass a stream's standstill. */
function assertGoesOn(
  { pointer, hasJoined }: ActiveBuild,
  { stream, version, standstill, refusal }: StreamProgress,
): void {
  if (!standstill || standstill.isDeadLetter || standstill.isLeft) return;
  // The live slot has refused the event, and the catch-up has counted that. The build waits for the outcome.
  if (hasJoined && refusal) return;
  // The live tables refuse every stream. The build is to replace them.
  if (hasJoined && pointer.live.revision !== UNBUILT && standstill.cause === 'projection-fault') return;
  const { reason, cause } = standstill;
  if (refusal) throw new BuildEnded({ message: reason, stream, version: refusal.version, kind: refusal.kind });
  const message = `${stream} does not go beyond ${version}: ${reason}`;
  if (cause === 'unreadable-event') throw new BuildEnded({ message, stream, version: version + 1 });
  throw new Error(message);
}

/** The number of requests, in order, before the first that is left to the next step. */
export function doneOf(requests: readonly CatchUpRequest[], { streams }: CatchUpResult): number {
  const left = requests.findIndex(({ stream }) => streams.get(stream)?.standstill?.isLeft);
  return left === -1 ? requests.length : left;
}

/** The progress of a pass over all streams. */
export interface Pass {
  readonly isDone: boolean;
  /** The last stream of the pass so far. */
  readonly after: string;
}

export const NEW_PASS: Pass = { isDone: false, after: '' };

/** Streams of one page of a pass. */
export const PAGE_STREAMS = 200;

/** A page of a pass. */
export interface StreamPage {
  /** The last stream of the page. Undefined on the last page. */
  readonly last: StreamId | undefined;
  readonly requests: readonly CatchUpRequest[];
}

/** The result of a page of streams after `after`. A stream counts as done if every one of the results has brought it up. */
export function takenStreams(
  after: string,
  { last, requests }: StreamPage,
  results: readonly CatchUpResult[],
): TakenPage<Pass> {
  const done = Math.min(...results.map((result) => doneOf(requests, result)));
  if (done === requests.length) return { progress: { isDone: last === undefined, after: last ?? after } };
  return {
    progress: { isDone: false, after: requests[done - 1]?.stream ?? after },
    left: { hasMoved: done > 0 || results.some(({ applied }) => applied > 0) },
  };
}
