import { CRUD, TIDEMARK } from '../contenders/contenders.ts';
import { serve } from '../harness/server.ts';
import { inTurns } from '../harness/turns.ts';
import type { Workload } from './finding.ts';
import type { Plan } from './plan.ts';
import { type Shop, compareTurns, openShops, placeOrders } from './warm-shop.ts';

/** Orders of three lines are placed: each has its object, asks three products for their prices, and is followed by five read models. */
export const orders: Workload<Plan> = {
  name: 'orders',
  isLong: true,
  async run(plan) {
    const servers = [await serve(TIDEMARK, { batchTimeoutS: 1 }), await serve(CRUD)];
    try {
      const shops = await openShops(servers);
      const [ours, theirs] = await inTurns(servers, plan.turns, (server) =>
        placeOrders(shops.get(server) as Shop, plan),
      );
      const what = {
        answered: 'orders of 3 lines',
        drained: 'orders of 3 lines up to the drained projections, five read models',
        cpu: 'CPU time for an order, projections included',
      };
      return compareTurns(what, 'CRUD', ours, theirs);
    } finally {
      for (const server of servers) await server.stop();
    }
  },
};
