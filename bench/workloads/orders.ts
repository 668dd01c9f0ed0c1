import { CRUD, TIDEMARK } from '../contenders/contenders.ts';
import { type Server, serve } from '../harness/server.ts';
import { inTurns } from '../harness/turns.ts';
import { compare } from './compare.ts';
import type { Workload } from './finding.ts';
import type { Plan } from './plan.ts';
import { type Shop, openShop, placeOrders } from './warm-shop.ts';

/** Orders of three lines are placed: each has its object, asks three products for their prices, and is followed by five read models. */
export const orders: Workload<Plan> = {
  name: 'orders',
  isLong: true,
  async run(plan) {
    const servers = [await serve(TIDEMARK, { batchTimeoutS: 1 }), await serve(CRUD)];
    try {
      const shops = new Map<Server, Shop>();
      for (const server of servers) shops.set(server, await openShop(server));
      const [ours, theirs] = await inTurns(servers, plan.turns, (server) =>
        placeOrders(shops.get(server) as Shop, plan),
      );
      const against = 'CRUD';
      return [
        compare({ what: 'orders of 3 lines', against, unit: '/s' }, ours, theirs, ({ perSecond }) => perSecond),
        compare(
          { what: 'orders of 3 lines up to the drained projections, five read models', against, unit: '/s' },
          ours,
          theirs,
          ({ drainedPerSecond }) => drainedPerSecond,
        ),
        compare(
          { what: 'CPU time for an order, projections included', against, unit: 'ms' },
          ours,
          theirs,
          ({ cpuMs }) => cpuMs,
        ),
      ];
    } finally {
      for (const server of servers) await server.stop();
    }
  },
};
