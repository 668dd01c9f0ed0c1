import { PLANTED_IN_DISASTERS } from './planted-in-disasters.ts';
import { PLANTED_IN_READS } from './planted-in-reads.ts';
import { PLANTED_IN_REBUILDS } from './planted-in-rebuilds.ts';
import { PLANTED_IN_WRITES } from './planted-in-writes.ts';

/** A defect that is put into the source on its way to the simulation, and never into what is shipped. */
export interface PlantedBug {
  readonly name: string;
  /** The invariants that it breaks, such as `I3`. */
  readonly breaks: readonly string[];
  readonly edits: readonly Edit[];
}

/** Text in a file and what takes its place. */
export interface Edit {
  readonly file: string;
  /** Exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

/** Every one has to be caught: a simulation that misses one proves nothing about it. */
export const PLANTED: readonly PlantedBug[] = [
  ...PLANTED_IN_WRITES,
  ...PLANTED_IN_READS,
  ...PLANTED_IN_REBUILDS,
  ...PLANTED_IN_DISASTERS,
];
