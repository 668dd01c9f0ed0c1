/** The test kit, imported as `#tidemark/testing`. It runs deciders, projections and whole systems in memory. The Worker does not contain it. */
export type { GivenEvent } from './given-events.ts';
export { given } from './given-when-then.ts';
export { inMemorySystem } from './in-memory-event-store.ts';
export { project } from './projection-harness.ts';
