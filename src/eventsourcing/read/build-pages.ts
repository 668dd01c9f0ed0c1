import { type Budget, affordsBatch, newBudget, spendBatch } from './catch-up-limits.ts';
import type { CatchUpResult } from './catch-up.ts';
import type { CatchUpRequest } from './stream-progress.ts';

/** A step is a checkpoint of its own: not so short that there are thousands, not so long that a crash costs much. */
const STEP_MS = 15_000;
/** An invocation may send a database 1,000 statements; a page takes about 15, and more where its streams have to be searched. */
export const STEP_PAGES = 40;
/** Of these, what a page takes beside its catch-up: for the build's row, the gap or the archive, and the glances between. */
const STATEMENTS_BESIDE = 10;

/** What one step of a build may do. It ends where its pages, its time or its invocation's statements do, and the next one goes on. */
export interface BuildStep {
  /** For all its catch-ups. */
  readonly budget: Budget;
  /** Begins another page, if there is room for it; there always is for the first. */
  beginPage(): boolean;
  /** For a step that leaves some of a page to the next one. Throws where that would come no further either. */
  assertFurther(isFurther: boolean): void;
}

/** Begins a step; `now` is in ms. */
export function beginStep(now: () => number, maxPages: number): BuildStep {
  const until = now() + STEP_MS;
  const budget = newBudget();
  let begun = 0;
  return {
    budget,
    beginPage() {
      if (begun > 0 && (begun >= maxPages || now() >= until || !affordsBatch(budget))) return false;
      begun += 1;
      spendBatch(budget, STATEMENTS_BESIDE);
      return true;
    },
    assertFurther(isFurther) {
      // Its first page had all the room that there is.
      if (begun === 1 && !isFurther) throw new Error('a whole step brought no stream further');
    },
  };
}

/** How many of the requests, in their order, come before the first that is left to the next step. */
export function doneOf(requests: readonly CatchUpRequest[], { streams }: CatchUpResult): number {
  const left = requests.findIndex(({ stream }) => streams.get(stream)?.standstill?.isLeft);
  return left === -1 ? requests.length : left;
}
