import type { Group } from './eventsourcing/group.ts';

/** The read models that people wait for: small, fast batches. */
export const serving: Group = { name: 'serving', batchWaitMs: 1_000 };
