import type { Group } from './tidemark/platform/group.ts';

/** The read models that people wait for: small, fast batches. */
export const serving: Group = { name: 'serving', batchWaitMs: 1_000 };

/** The read models that count, search and keep: large batches. */
export const reporting: Group = { name: 'reporting', batchWaitMs: 10_000 };

/**
 * Every group, in the order of urgency. An object sends what is new to the first one that follows its stream, and that one's consumer
 * passes it on to the others.
 */
export const groups: readonly Group[] = [serving, reporting];
