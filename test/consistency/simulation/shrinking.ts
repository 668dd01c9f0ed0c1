import { ALL_FAULTS, type Cuts, mixOf } from './mix.ts';

/** Each attempt is a whole run of about a second. */
const MAX_ATTEMPTS = 40;

/**
 * A smaller run that still fails: fewer operations, fewer clients, no operator, fewer kinds of faults. Greedy, and bounded: what is cut has
 * to fail again each time.
 */
export async function shrink(seed: number, from: Cuts, fails: (cuts: Cuts) => Promise<boolean>): Promise<Cuts> {
  let cuts = from;
  let attempts = 0;

  async function attempt(more: Cuts): Promise<boolean> {
    attempts += 1;
    if (attempts > MAX_ATTEMPTS) return false;
    const smaller = { ...cuts, ...more };
    if (!(await fails(smaller))) return false;
    cuts = smaller;
    return true;
  }

  const { clients } = mixOf(seed, cuts);
  if (mixOf(seed, cuts).operates) await attempt({ operates: false });
  for (let fewer = 1; fewer < clients; fewer += 1) if (await attempt({ clients: fewer })) break;
  for (const fault of ALL_FAULTS) {
    if (mixOf(seed, cuts).rates[fault] !== undefined) await attempt({ without: [...(cuts.without ?? []), fault] });
  }
  for (let step = Math.ceil(mixOf(seed, cuts).operations / 2); step >= 1; step = step === 1 ? 0 : Math.ceil(step / 2)) {
    for (;;) {
      const { operations } = mixOf(seed, cuts);
      if (operations <= step || !(await attempt({ operations: operations - step }))) break;
    }
  }
  return cuts;
}
