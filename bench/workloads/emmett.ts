import { EMMETT, TIDEMARK } from '../contenders/contenders.ts';
import { serve } from '../harness/server.ts';
import { inTurns } from '../harness/turns.ts';
import { versionOfBenchPackage } from '../versions.ts';
import type { Workload } from './finding.ts';
import type { Plan } from './plan.ts';
import { CHANGE_PRICE } from './shop-requests.ts';
import { type Shop, changePrices, compareTurns, openShops } from './warm-shop.ts';

/** Prices of a hundred warm products change, against another event store that runs on Workers. */
export const emmett: Workload<Plan> = {
  name: 'emmett',
  isLong: true,
  async run(plan) {
    const servers = [await serve(TIDEMARK, { batchTimeoutS: 1 }), await serve(EMMETT)];
    try {
      const shops = await openShops(servers);
      const [ours, theirs] = await inTurns(servers, plan.turns, (server) =>
        changePrices(shops.get(server) as Shop, CHANGE_PRICE, plan),
      );
      const against = `Emmett ${versionOfBenchPackage('@event-driven-io/emmett-sqlite')} in one Durable Object`;
      const what = {
        answered: 'commands on 100 warm aggregates',
        drained: 'commands up to the drained projections',
        cpu: 'CPU time for a command, projections included',
      };
      return compareTurns(what, against, ours, theirs);
    } finally {
      for (const server of servers) await server.stop();
    }
  },
};
