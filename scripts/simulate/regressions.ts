import { readFileSync } from 'node:fs';

/** A run that failed once: its seed and its cuts. */
export interface KeptRun {
  readonly seed: number;
  /** JSON of the cuts; empty: the whole run. */
  readonly cuts: string;
}

/** Reads test/consistency/seeds.txt. Each line has a seed, the cuts if there are any, and the reason after a #. */
export function keptRuns(path: string): readonly KeptRun[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '')
    .map((line) => {
      const [seed = '', ...cuts] = line.split(' ');
      return { seed: Number(seed), cuts: cuts.join(' ') };
    });
}
