import type { Group } from '#tidemark/worker';

/** The read models of which clients wait for answers: small, fast batches. */
export const serving: Group = { name: 'serving', batchWaitMs: 1_000, appliesAfterAnswer: true };

/** The read models that count and search, and the archive: large batches. */
export const reporting: Group = { name: 'reporting', batchWaitMs: 10_000 };
