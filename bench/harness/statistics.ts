/** A ratio measured several times: its median, and how sure one can be of that. */
export interface Ratio {
  readonly median: number;
  /** A confidence interval of the median. */
  readonly low: number;
  readonly high: number;
  /** The interval's actual coverage: with few turns it is what it is. */
  readonly confidence: number;
  readonly turns: readonly number[];
}

/**
 * The median and a confidence interval of it from order statistics: the k-th smallest and the k-th largest value, with the largest k that
 * covers at least `wanted`. No law is assumed of the values but that they are independent: each lies below the true median with
 * probability 1/2, so how many do is binomial.
 * W. J. Conover, Practical Nonparametric Statistics, 3rd ed., Wiley 1999, section 3.2; also Hollander, Wolfe, Chicken, Nonparametric
 * Statistical Methods, 3rd ed., section 3.6. Five turns give 93.75 % at most (the smallest and the largest of them), six give 96.9 %.
 */
export function ratioOf(turns: readonly number[], wanted = 0.9): Ratio {
  const sorted = turns.toSorted((a, b) => a - b);
  const n = sorted.length;
  if (n === 0) throw new Error('there is nothing to take a median of');
  let k = 1;
  while (k < n / 2 && coverage(n, k + 1) >= wanted) k += 1;
  return {
    median: medianOf(sorted),
    low: sorted[k - 1] as number,
    high: sorted[n - k] as number,
    confidence: coverage(n, k),
    turns,
  };
}

/** A ratio of what is counted and does not vary. */
export function exactly(ratio: number): Ratio {
  return { median: ratio, low: ratio, high: ratio, confidence: 1, turns: [ratio] };
}

export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [below, above] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]] as [number, number];
  return (below + above) / 2;
}

/** How probable it is that the median lies between the k-th smallest and the k-th largest of n values. */
function coverage(n: number, k: number): number {
  let outside = 0;
  let choose = 1;
  for (let below = 0; below < k; below += 1) {
    outside += choose / 2 ** n;
    choose = (choose * (n - below)) / (below + 1);
  }
  return Math.max(0, 1 - 2 * outside);
}

/** What each turn of one measured, divided by what the other measured in it. */
export function perTurn(one: readonly number[], other: readonly number[]): Ratio {
  return ratioOf(one.map((value, turn) => value / (other[turn] as number)));
}
