import { CEILINGS, TIDEMARK } from '../contenders/contenders.ts';
import { drained } from '../harness/drained.ts';
import { loadAll } from '../harness/load.ts';
import { warmUp } from '../harness/plateau.ts';
import { serve } from '../harness/server.ts';
import { inTurns } from '../harness/turns.ts';
import type { RequestTemplate } from '../load/load-protocol.ts';
import { ROW } from './bare-insert.ts';
import { compare } from './compare.ts';
import type { Finding, Workload } from './finding.ts';
import type { Plan } from './plan.ts';
import { CHANGE_PRICE, createProducts } from './shop-requests.ts';

const PRODUCTS = 100;
const CONNECTIONS = 32;
const ROWS_A_REQUEST = 1_000;

const ONE_STATEMENT = JSON.stringify([
  {
    sql: `INSERT OR REPLACE INTO checkpoint (projection, slot, stream, version, event_id) VALUES ('bare', 'a', ?, 1, ?)`,
    params: ['product-{{n}}', '{{n}}'],
  },
]);

/** A request of Tidemark's next to the least that the platform does for one. */
interface Pair {
  readonly what: string;
  readonly ours: RequestTemplate;
  readonly against: string;
  readonly theirs: RequestTemplate;
  /** How many of what is counted one of their requests does. Default: 1. */
  readonly worth?: number;
}

const PAIRS: readonly Pair[] = [
  {
    what: 'read one product',
    ours: { method: 'GET', path: '/products/{{id}}', status: 200 },
    against: 'a bare Hono route',
    theirs: { method: 'GET', path: '/hono', status: 200 },
  },
  {
    what: 'commands on 100 warm aggregates',
    ours: CHANGE_PRICE,
    against: 'a bare queue send',
    theirs: { method: 'POST', path: '/queue', status: 200, body: ROW },
  },
  {
    what: 'commands on 100 warm aggregates',
    ours: CHANGE_PRICE,
    against: 'a bare D1.batch of one row',
    theirs: { method: 'POST', path: '/batch', status: 200, body: ONE_STATEMENT },
  },
  {
    what: 'commands on 100 warm aggregates',
    ours: CHANGE_PRICE,
    against: 'rows of an insert loop in one object',
    theirs: { method: 'POST', path: `/object-loop/${ROWS_A_REQUEST}`, status: 200, body: ROW },
    worth: ROWS_A_REQUEST,
  },
];

/** Tidemark next to what the platform does with nothing on top. */
export const ceilings: Workload<Plan> = {
  name: 'ceilings',
  isLong: true,
  async run(plan) {
    const servers = [await serve(TIDEMARK), await serve(CEILINGS)] as const;
    const [tidemark] = servers;
    try {
      const ids = await createProducts(tidemark, PRODUCTS);
      await drained(tidemark, { product: PRODUCTS });
      const findings: Finding[] = [];
      let number = 1_000;
      for (const { what, ours, against, theirs, worth = 1 } of PAIRS) {
        const [mine, others] = await inTurns(servers, plan.turns, async (server) => {
          const job = { url: server.url, connections: CONNECTIONS, ids, request: server === tidemark ? ours : theirs };
          number += await warmUp({ ...job, firstNumber: number }, { maxPieces: plan.warmUpPieces, pieceMs: 300 });
          const pace = { type: 'closed', durationMs: plan.readMs } as const;
          const { perSecond, count } = await loadAll({ ...job, firstNumber: number, pace });
          number += count;
          return perSecond * (server === tidemark ? 1 : worth);
        });
        findings.push(compare({ what, against, unit: '/s' }, mine, others, (rate) => rate));
      }
      return findings;
    } finally {
      for (const server of servers) await server.stop();
    }
  },
};
