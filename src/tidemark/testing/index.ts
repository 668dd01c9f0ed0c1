/**
 * The test kit's door, imported as `#tidemark/testing`: deciders, projections and whole systems in plain memory. It never reaches the Worker.
 */
export type { GivenEvent } from '../../eventsourcing/testing/given-events.ts';
export { given } from '../../eventsourcing/testing/given-when-then.ts';
export { inMemorySystem } from '../../eventsourcing/testing/in-memory-event-store.ts';
export { project } from '../../eventsourcing/testing/projection-harness.ts';
