/**
 * The test kit's door, imported as `#tidemark/testing`: deciders, projections and whole systems in plain memory. It never reaches the Worker.
 */
export type { GivenEvent } from './given-events.ts';
export { given } from './given-when-then.ts';
export { inMemorySystem } from './in-memory-event-store.ts';
export { project } from './projection-harness.ts';
