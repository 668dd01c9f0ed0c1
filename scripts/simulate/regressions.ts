import { readFileSync } from 'node:fs';

/** A run that failed once: its seed, and what of it was cut. */
export interface KeptRun {
  readonly seed: number;
  /** JSON of the cuts; empty: the whole run. */
  readonly cuts: string;
}

/** The runs of test/consistency/seeds.txt: a seed, what was cut if anything, and after a # why it is kept. */
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
