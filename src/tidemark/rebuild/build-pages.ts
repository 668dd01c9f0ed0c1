import { type ActiveBuild, type BuildContext, BuildEnded } from './build-context.ts';
import type { StreamId } from '../domain/stream.ts';
import type { CatchUpResult } from '../catch-up/catch-up.ts';
import { type Budget, affordsBatch, newBudget, spendBatch } from '../catch-up/catch-up-limits.ts';
import { UNBUILT } from '../projections/pointer.ts';
import type { CatchUpRequest, StreamProgress } from '../catch-up/stream-progress.ts';

/** A step is a checkpoint of its own: not so short that there are thousands, not so long that a crash costs much. */
const STEP_MS = 15_000;
/** What a page takes of an invocation's statements beside its catch-up: for the build's row, the gap or the archive, and the throttle. */
const STATEMENTS_BESIDE = 10;
/** Characters of rows: a page is to be one batch, since each has to be waited for; the throttle decides its size. */
const LENGTH_AT_ONCE = 3_000_000;

/** What came of a page. */
interface TakenPage<Progress> {
  readonly progress: Progress;
  /** The next step takes the rest of this page. */
  readonly left?: { readonly hasMoved: boolean };
}

/**
 * Takes page after page after `from`: until all is done, or the step has taken its pages, its time or its invocation's statements. A page
 * that is undefined is taken again: the pointer has changed meanwhile.
 *
 * Throws where a whole step brings no stream further: the next step would not either.
 */
export async function takePages<Progress extends { readonly isDone: boolean }>(
  { clock, pagesAStep, throttle }: BuildContext,
  from: Progress,
  takePage: (from: Progress, budget: Budget) => Promise<TakenPage<Progress> | undefined>,
): Promise<Progress> {
  const until = clock.now() + STEP_MS;
  const budget = newBudget();
  let progress = from;
  // The first page has all the room that there is.
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
 * Brings streams of a build up: before the join the build alone, then together with what is live. Undefined when the pointer has changed
 * meanwhile. Throws `BuildEnded` at an event that the build cannot take.
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

/** Throws where a stream stands still in a way that the build cannot pass over. */
function assertGoesOn(
  { pointer, hasJoined }: ActiveBuild,
  { stream, version, standstill, refusal }: StreamProgress,
): void {
  if (!standstill || standstill.isDeadLetter || standstill.isLeft) return;
  // What is live has refused it, and that was counted. The build waits for what comes of it.
  if (hasJoined && refusal) return;
  // The build is to take the place of live tables that refuse every stream.
  if (hasJoined && pointer.live.revision !== UNBUILT && standstill.cause === 'projection-fault') return;
  const { reason, cause } = standstill;
  if (refusal) throw new BuildEnded({ message: reason, stream, version: refusal.version, kind: refusal.kind });
  const message = `${stream} does not go beyond ${version}: ${reason}`;
  if (cause === 'unreadable-event') throw new BuildEnded({ message, stream, version: version + 1 });
  throw new Error(message);
}

/** How many of the requests, in their order, come before the first that is left to the next step. */
export function doneOf(requests: readonly CatchUpRequest[], { streams }: CatchUpResult): number {
  const left = requests.findIndex(({ stream }) => streams.get(stream)?.standstill?.isLeft);
  return left === -1 ? requests.length : left;
}

/** How far a pass over all streams is. */
export interface Pass {
  readonly isDone: boolean;
  /** The last stream that was looked at. */
  readonly after: string;
}

export const NEW_PASS: Pass = { isDone: false, after: '' };

/** Streams that are brought up at once. */
export const PAGE_STREAMS = 200;

/** A page of a pass. */
export interface StreamPage {
  /** The last stream that was looked at; undefined on the last page. */
  readonly last: StreamId | undefined;
  readonly requests: readonly CatchUpRequest[];
}

/** What came of a page of streams after `after`, all of which each result has brought up. */
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
