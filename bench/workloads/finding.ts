import type { Ratio } from '../harness/statistics.ts';

/** What a ratio has to be. */
export type Target = { readonly atLeast: number } | { readonly atMost: number };

/** One line of the table: something of Tidemark's against the same of another contender. */
export interface Finding {
  readonly what: string;
  readonly against: string;
  /** Missing: reported only. */
  readonly target?: Target;
  readonly ratio: Ratio;
  /** Medians of both sides. */
  readonly ours: number;
  readonly theirs: number;
  readonly unit: string;
  readonly note?: string;
}

export function isMet({ ratio, target }: Finding): boolean | undefined {
  if (!target) return undefined;
  return 'atLeast' in target ? ratio.median >= target.atLeast : ratio.median <= target.atMost;
}

/** A part of the benchmark. */
export interface Workload<Plan> {
  readonly name: string;
  /** `--quick` leaves it out, unless it is asked for by name. */
  readonly isLong?: true;
  /** It counts, and mostly waits: it can run beside others. */
  readonly isCounted?: true;
  readonly run: (plan: Plan) => Promise<readonly Finding[]>;
}
