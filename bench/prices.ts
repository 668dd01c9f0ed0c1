import type { Operations } from '../test/support/operations.ts';

/**
 * Cloudflare's prices in dollars for a million operations, beyond those that a paid plan includes. As of November 2026:
 * https://developers.cloudflare.com/workers/platform/pricing/ (requests, objects), /d1/platform/pricing/, /queues/platform/pricing/. They leave out
 * CPU time, wall time, storage, and the operations that a plan includes.
 */
export const DOLLARS_PER_MILLION: Readonly<Record<Exclude<keyof Operations, 'queueMessages'>, number>> = {
  workerRequests: 0.3,
  objectRequests: 0.15,
  /** An alarm run is a request to its object. */
  alarmRuns: 0.15,
  objectRowsRead: 0.001,
  objectRowsWritten: 1,
  queueOperations: 0.4,
  databaseRowsRead: 0.001,
  databaseRowsWritten: 1,
};

/** The price, in dollars, of a million commands or queries that take these operations each. */
export function dollarsPerMillion(operations: Operations): number {
  return Object.entries(DOLLARS_PER_MILLION).reduce(
    (sum, [name, price]) => sum + price * operations[name as keyof Operations],
    0,
  );
}

/** The shop of the monthly estimate. */
export const TRAFFIC = {
  description:
    'a shop with 100,000 orders, 100,000 shipments, 20,000 price changes and 5 million reads of one order a month',
  orders: 100_000,
  shipments: 100_000,
  priceChanges: 20_000,
  reads: 5_000_000,
} as const;
