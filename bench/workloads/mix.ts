import { CRUD, TIDEMARK } from '../contenders/contenders.ts';
import { drained } from '../harness/drained.ts';
import { loadAll } from '../harness/load.ts';
import { warmUp } from '../harness/plateau.ts';
import { type Server, serve } from '../harness/server.ts';
import { inTurns } from '../harness/turns.ts';
import { compare } from './compare.ts';
import type { Workload } from './finding.ts';
import type { Plan } from './plan.ts';
import { CHANGE_PRICE, createProducts } from './shop-requests.ts';

const PRODUCTS = 100;
const CONNECTIONS = 32;
const READS_TO_A_WRITE = 100;

/** What a shop mostly does: a hundred reads of one product to one change of a price. */
export const mix: Workload<Plan> = {
  name: 'mix',
  isLong: true,
  async run(plan) {
    const servers = [await serve(TIDEMARK, { batchTimeoutS: 1 }), await serve(CRUD)] as const;
    const [tidemark] = servers;
    try {
      let ids: readonly string[] = [];
      for (const server of servers) ids = await createProducts(server, PRODUCTS);
      await drained(tidemark, { product: PRODUCTS });
      const numbers = new Map<Server, number>();
      const [ours, theirs] = await inTurns(servers, plan.turns, async (server) => {
        const job = {
          url: server.url,
          connections: CONNECTIONS,
          request: { method: 'GET', path: '/products/{{id}}', status: 200 } as const,
          aside: { every: READS_TO_A_WRITE + 1, request: CHANGE_PRICE },
          ids,
        };
        let number = numbers.get(server) ?? 1_000;
        number += await warmUp({ ...job, firstNumber: number }, { maxPieces: plan.warmUpPieces });
        const result = await loadAll({
          ...job,
          firstNumber: number,
          pace: { type: 'closed', durationMs: 2 * plan.readMs },
        });
        numbers.set(server, number + result.count);
        return result;
      });
      const about = { what: `${READS_TO_A_WRITE} reads of one product to one price change`, against: 'CRUD' };
      return [
        compare({ ...about, unit: '/s' }, ours, theirs, ({ perSecond }) => perSecond),
        compare({ ...about, what: `${about.what}, p99`, unit: 'ms' }, ours, theirs, ({ latencyMs }) => latencyMs.p99),
      ];
    } finally {
      for (const server of servers) await server.stop();
    }
  },
};
