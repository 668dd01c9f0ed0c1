/*
 * How much one catch-up, and one invocation that runs several, may ask of the platform. A batch of a queue may name far more streams than
 * that: what does not fit is left to the message's next attempt, and what was applied until then stays applied. What a caller may choose
 * otherwise is a default here. catch-up-bounds.test.ts asks for ten times what fits.
 *
 * Limits of the platform: https://developers.cloudflare.com/d1/platform/limits/, https://developers.cloudflare.com/workers/platform/limits/
 */

/** Streams that are looked at, folded and written together. */
export const STREAMS_AT_ONCE = 500;

/** Events of one stream that are read and applied at a time; each page commits. */
export const EVENTS_OF_A_PAGE = 500;

/** Characters of rows that are sent at once: nobody else gets into the database meanwhile. */
export const MAX_BATCH_LENGTH = 400_000;

/** Batches in a row that may lose against other writers before the streams are left to them. */
export const MAX_LOST_RACES = 8;

/** Statements that one invocation sends to databases. D1 allows 1,000; the rest is for what comes beside the catch-up. */
export const MAX_STATEMENTS = 900;

/** Reads of logs and calls of databases in one invocation. The platform allows 10,000 subrequests. */
export const MAX_SUBREQUESTS = 9_000;

/** What one guarded batch may still need once it is begun, so that a batch is not begun that could not be sent. */
const STATEMENTS_OF_A_BATCH = 40;

/** Bytes of one bound parameter. D1 refuses more than 2,000,000; local SQLite takes more. */
export const MAX_PARAMETER_BYTES = 2_000_000;

/** Events of all streams together that are read from logs at a time. More streams mean smaller pages. */
export const MAX_LOADED_EVENTS = 2_000;

/** Bytes of events that are read from logs at a time: an isolate has 128 MB for everything. */
export const MAX_LOADED_BYTES = 8_000_000;

/** How long one log may take to answer, in ms. A stream whose object is slower is left to the next attempt. */
export const LOAD_TIMEOUT_MS = 3_000;

/** How long the logs of one round may take together, in ms. */
export const LOADS_TIMEOUT_MS = 10_000;

/** After so long, in ms, no further streams are begun, nor further pages of those that are. A consumer may run for 15 minutes, and others wait for its streams. */
export const MAX_CATCH_UP_MS = 120_000;

/** What is left of an invocation's statements and subrequests. Catch-ups of one invocation share one. */
export interface Budget {
  statements: number;
  subrequests: number;
}

export function newBudget(): Budget {
  return { statements: MAX_STATEMENTS, subrequests: MAX_SUBREQUESTS };
}

/** Takes one call of a database out of a budget. */
export function spendBatch(budget: Budget, statements: number): void {
  budget.statements -= statements;
  budget.subrequests -= 1;
}

/** Whether another batch can be begun. */
export function affordsBatch({ statements, subrequests }: Budget): boolean {
  return statements >= STATEMENTS_OF_A_BATCH && subrequests > 0;
}
