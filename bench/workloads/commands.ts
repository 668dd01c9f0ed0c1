import { CRUD, CRUD_WITH_PROMISES, TIDEMARK } from '../contenders/contenders.ts';
import { loadAll } from '../harness/load.ts';
import { type Server, serve } from '../harness/server.ts';
import { medianOf } from '../harness/statistics.ts';
import { inTurns } from '../harness/turns.ts';
import type { RequestTemplate } from '../load/load-protocol.ts';
import { compare } from './compare.ts';
import type { Finding, Workload } from './finding.ts';
import type { Plan } from './plan.ts';
import { CHANGE_PRICE, CHANGE_PRICE_ONCE } from './shop-requests.ts';
import { type Shop, type Turn, changePrices, openShops } from './warm-shop.ts';

const OPEN_CONNECTIONS = 128;

/** Prices of a hundred warm products change: the rates of answers, and of answers whose events have got everywhere. */
export const commands: Workload<Plan> = {
  name: 'commands',
  async run(plan) {
    // Queues that wait for a second and no longer: what is asked for is work, and not how long a batch is waited for.
    const servers = [await serve(TIDEMARK, { batchTimeoutS: 1 }), await serve(CRUD), await serve(CRUD_WITH_PROMISES)];
    try {
      const shops = await openShops(servers);
      const [tidemark, crud, withPromises] = servers as [Server, Server, Server];

      const turn = (server: Server, request: RequestTemplate) => changePrices(shops.get(server) as Shop, request, plan);
      const [plain, crudPlain] = await inTurns([tidemark, crud], plan.turns, (server) => turn(server, CHANGE_PRICE));
      const [keyed, crudKeyed] = await inTurns([tidemark, withPromises], plan.turns, (server) =>
        turn(server, CHANGE_PRICE_ONCE),
      );
      const perSecond = ({ perSecond: rate }: Turn) => rate;
      const findings = [
        compare(
          { what: 'commands on 100 warm aggregates', against: 'CRUD', target: { atLeast: 1 }, unit: '/s' },
          plain,
          crudPlain,
          perSecond,
        ),
        compare(
          {
            what: 'the same, with idempotency keys',
            against: 'CRUD with the same promises',
            target: { atLeast: 1.2 },
            unit: '/s',
          },
          keyed,
          crudKeyed,
          perSecond,
        ),
        compare(
          {
            what: 'commands up to the drained projections, two read models',
            against: 'CRUD',
            target: { atLeast: 0.9 },
            unit: '/s',
          },
          plain,
          crudPlain,
          ({ drainedPerSecond }) => drainedPerSecond,
        ),
        compare(
          { what: 'CPU time for a command, projections included', against: 'CRUD', unit: 'ms' },
          plain,
          crudPlain,
          ({ cpuMs }) => cpuMs,
        ),
      ];
      const saturation = medianOf((crudPlain ?? []).map(perSecond));
      return [...findings, ...(await openLoop(plan, [tidemark, crud], shops, saturation))];
    } finally {
      for (const server of servers) await server.stop();
    }
  },
};

/** Latency at shares of what CRUD can take, from when each request should have started. */
async function openLoop(
  plan: Plan,
  servers: readonly Server[],
  shops: ReadonlyMap<Server, Shop>,
  saturation: number,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const share of plan.shares) {
    const [ours, theirs] = await inTurns(servers, plan.turns, async (server) => {
      const shop = shops.get(server) as Shop;
      const job = { url: server.url, connections: OPEN_CONNECTIONS, request: CHANGE_PRICE, ids: shop.productIds };
      const pace = (durationMs: number) => ({ type: 'open', ratePerS: share * saturation, durationMs }) as const;
      // So that what is measured is the middle of a long day: the projections are at work as well.
      const before = await loadAll({ ...job, firstNumber: shop.events.product, pace: pace(plan.openMs / 2) });
      shop.events.product += before.count;
      const result = await loadAll({ ...job, firstNumber: shop.events.product, pace: pace(plan.openMs) });
      shop.events.product += result.count;
      return result;
    });
    const percent = Math.round(share * 100);
    const isFull = share === 0.7;
    findings.push(
      compare(
        {
          what: `command p50 at ${percent} % load, open loop`,
          against: 'CRUD',
          ...(isFull && { target: { atMost: 1 } }),
          unit: 'ms',
        },
        ours,
        theirs,
        ({ latencyMs }) => latencyMs.p50,
      ),
      compare(
        {
          what: `command p99 at ${percent} % load, open loop`,
          against: 'CRUD',
          ...(isFull && { target: { atMost: 1 } }),
          unit: 'ms',
        },
        ours,
        theirs,
        ({ latencyMs }) => latencyMs.p99,
      ),
    );
  }
  return findings;
}
