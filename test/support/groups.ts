import { bindings } from '../../src/bindings.ts';
import type { Group } from '../../src/tidemark/platform/group.ts';

/** Every group of the system, in the order of urgency. */
export const groups: readonly Group[] = bindings.groups.map(({ group }) => group);
