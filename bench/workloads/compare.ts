import { medianOf, perTurn } from '../harness/statistics.ts';
import type { Finding } from './finding.ts';

/** A finding from what both sides measured in each turn. */
export function compare<Measure>(
  about: Pick<Finding, 'what' | 'against' | 'target' | 'note'> & { readonly unit: string },
  ours: readonly Measure[] | undefined,
  theirs: readonly Measure[] | undefined,
  figure: (measure: Measure) => number,
): Finding {
  const [mine, others] = [(ours ?? []).map(figure), (theirs ?? []).map(figure)];
  return { ...about, ratio: perTurn(mine, others), ours: medianOf(mine), theirs: medianOf(others) };
}
