import { countBills, findingsOf } from '../bill/bills.ts';
import { HOT_PRICE_CHANGE, WITH_TARGETS } from '../bill/scenarios.ts';
import type { Workload } from './finding.ts';
import type { Plan } from './plan.ts';

/** What Cloudflare would bill, counted: the same at every size and on every machine. `npm run bench:bill` prints all of it. */
export const bill: Workload<Plan> = {
  name: 'bill',
  isCounted: true,
  // One list after the other: a server for each would take the machine from whoever measures.
  run: async () => findingsOf(await countBills([WITH_TARGETS], [[HOT_PRICE_CHANGE]])),
};
