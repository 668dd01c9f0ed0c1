import { EMMETT, TIDEMARK } from '../contenders/contenders.ts';
import { type Server, serve } from '../harness/server.ts';
import { inTurns } from '../harness/turns.ts';
import { versionOfBenchPackage } from '../versions.ts';
import { compare } from './compare.ts';
import type { Workload } from './finding.ts';
import type { Plan } from './plan.ts';
import { CHANGE_PRICE } from './shop-requests.ts';
import { type Shop, changePrices, openShop } from './warm-shop.ts';

/** Prices of a hundred warm products change, against another event store that runs on Workers. */
export const emmett: Workload<Plan> = {
  name: 'emmett',
  isLong: true,
  async run(plan) {
    const servers = [await serve(TIDEMARK, { batchTimeoutS: 1 }), await serve(EMMETT)];
    try {
      const shops = new Map<Server, Shop>();
      for (const server of servers) shops.set(server, await openShop(server));
      const [ours, theirs] = await inTurns(servers, plan.turns, (server) =>
        changePrices(shops.get(server) as Shop, CHANGE_PRICE, plan),
      );
      const against = `Emmett ${versionOfBenchPackage('@event-driven-io/emmett-sqlite')} in one Durable Object`;
      return [
        compare(
          { what: 'commands on 100 warm aggregates', against, unit: '/s' },
          ours,
          theirs,
          ({ perSecond }) => perSecond,
        ),
        compare(
          { what: 'commands up to the drained projections', against, unit: '/s' },
          ours,
          theirs,
          ({ drainedPerSecond }) => drainedPerSecond,
        ),
        compare(
          { what: 'CPU time for a command, projections included', against, unit: 'ms' },
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
