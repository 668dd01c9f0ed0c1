import { PLANTED_IN_DISASTERS } from './planted-in-disasters.ts';
import { PLANTED_IN_READS } from './planted-in-reads.ts';
import { PLANTED_IN_REBUILDS } from './planted-in-rebuilds.ts';
import { PLANTED_IN_WRITES } from './planted-in-writes.ts';

/** A defect that the simulation puts into the source as it loads it. It is never shipped. */
export interface PlantedBug {
  readonly name: string;
  /** The invariants that the bug breaks, such as `I3`. */
  readonly breaks: readonly string[];
  readonly edits: readonly Edit[];
}

/** A text in a file, and its replacement. */
export interface Edit {
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

/** The simulation must catch every bug: if it misses one, it proves nothing about that invariant. */
export const PLANTED: readonly PlantedBug[] = [
  ...PLANTED_IN_WRITES,
  ...PLANTED_IN_READS,
  ...PLANTED_IN_REBUILDS,
  ...PLANTED_IN_DISASTERS,
];
