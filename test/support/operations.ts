/** Billable operations, counted where they happen. */
export interface Operations {
  /** Requests from outside, batches of a queue and cron runs. */
  workerRequests: number;
  objectRequests: number;
  alarmRuns: number;
  objectRowsRead: number;
  objectRowsWritten: number;
  /** Each 64 kB of a message that is written, read or deleted. */
  queueOperations: number;
  queueMessages: number;
  databaseRowsRead: number;
  databaseRowsWritten: number;
}

export const NOTHING: Operations = {
  workerRequests: 0,
  objectRequests: 0,
  alarmRuns: 0,
  objectRowsRead: 0,
  objectRowsWritten: 0,
  queueOperations: 0,
  queueMessages: 0,
  databaseRowsRead: 0,
  databaseRowsWritten: 0,
};

/** The counts: the total, and the part that one group of projections caused (its queue and its database). */
export interface Counted {
  readonly all: Operations;
  readonly byGroup: Readonly<Record<string, Operations>>;
  /** Whether more is to come: an alarm is set, or a message was sent. */
  readonly isAnythingDue: boolean;
}
