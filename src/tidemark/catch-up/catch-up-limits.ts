/*
 * The limits of one catch-up, and of one invocation that runs several. A queue batch may name far more streams than fit. Applied events stay applied,
 * and the message's next attempt takes the rest. Some limits are defaults that a caller may override. catch-up-bounds.test.ts asks for ten times what
 * fits.
 *
 * Limits of the platform: https://developers.cloudflare.com/d1/platform/limits/, https://developers.cloudflare.com/workers/platform/limits/
 */

/** Streams that the catch-up reads, folds and writes together. */
export const STREAMS_AT_ONCE = 500;

/** Events of one stream that the catch-up reads and applies at a time. Each page commits. */
export const EVENTS_OF_A_PAGE = 500;

/** Characters of rows in one guarded batch. The database runs nothing else during a batch. */
export const MAX_BATCH_LENGTH = 400_000;

/** Rounds in a row that may lose against other writers. After that, the catch-up leaves the streams to them. */
export const MAX_LOST_RACES = 8;

/** Statements that one invocation sends to databases. D1 allows 1,000; the rest is for statements beside the catch-up. */
export const MAX_STATEMENTS = 900;

/** Log reads and database calls in one invocation. The platform allows 10,000 subrequests. */
export const MAX_SUBREQUESTS = 9_000;

/** Statements that one guarded batch may need. The catch-up starts no batch if fewer are left, since it could not send it. */
const STATEMENTS_OF_A_BATCH = 40;

/** Bytes of one bound parameter. D1 refuses more than 2,000,000; local SQLite takes more. */
export const MAX_PARAMETER_BYTES = 2_000_000;

/** Events of all streams together that one round reads from logs. More streams mean smaller pages. */
export const MAX_LOADED_EVENTS = 2_000;

/** Size of the events, in characters of JSON, after which a round reads no further log. An isolate has 128 MB for everything. */
export const MAX_LOADED_BYTES = 8_000_000;

/** Time, in ms, that one log may take to answer. A stream whose object is slower is left to the next attempt. */
export const LOAD_TIMEOUT_MS = 3_000;

/** Time, in ms, after which a round starts no further log read. */
export const LOADS_TIMEOUT_MS = 10_000;

/**
 * Time, in ms, after which a catch-up starts no further streams and no further pages. A consumer may run for 15 minutes, but others wait for its
 * streams.
 */
export const MAX_CATCH_UP_MS = 120_000;

/** The statements and subrequests that an invocation has left. Its catch-ups share one budget. */
export interface Budget {
  statements: number;
  subrequests: number;
}

export function newBudget(): Budget {
  return { statements: MAX_STATEMENTS, subrequests: MAX_SUBREQUESTS };
}

/** Subtracts one database call from a budget. */
export function spendBatch(budget: Budget, statements: number): void {
  budget.statements -= statements;
  budget.subrequests -= 1;
}

/** Whether the budget allows another guarded batch. */
export function affordsBatch({ statements, subrequests }: Budget): boolean {
  return statements >= STATEMENTS_OF_A_BATCH && subrequests > 0;
}
