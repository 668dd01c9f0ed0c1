import { CRUD, TIDEMARK } from '../contenders/contenders.ts';
import { loadAll } from '../harness/load.ts';
import { warmUp } from '../harness/plateau.ts';
import { type Server, serve } from '../harness/server.ts';
import { medianOf, perTurn } from '../harness/statistics.ts';
import { byTurns, inTurns } from '../harness/turns.ts';
import type { LoadResult, RequestTemplate } from '../load/load-protocol.ts';
import { seedCrud, seedReadModels } from '../seed/read-models.ts';
import { idOf } from '../seed/season.ts';
import { compare } from './compare.ts';
import type { Finding, Target, Workload } from './finding.ts';
import type { Plan } from './plan.ts';
import { CREDENTIAL } from '../harness/credential.ts';

const CONNECTIONS = 16;

const get = (path: string): RequestTemplate => ({ method: 'GET', path, status: 200 });

const ONE = get('/orders/{{id}}');

interface Read {
  readonly what: string;
  readonly request: RequestTemplate;
  /** What stands for `{{id}}`. Default: ids of orders. */
  readonly ids?: readonly string[];
  readonly target?: Target;
  /** Whether the target is meant for the largest number of orders. */
  readonly growsWithOrders: boolean;
}

const READS: readonly Read[] = [
  { what: 'read one order', request: ONE, target: { atLeast: 1 }, growsWithOrders: false },
  { what: 'list of 20 orders', request: get('/orders?limit=20'), target: { atLeast: 1 }, growsWithOrders: false },
  {
    what: 'search for a customer, 20 hits',
    request: get('/orders/search?q=lovelace%20{{id}}&limit=20'),
    ids: Array.from({ length: 100 }, (_, number) => String(number)),
    growsWithOrders: false,
  },
  { what: 'dashboard', request: get('/dashboard'), target: { atLeast: 50 }, growsWithOrders: true },
  {
    what: 'analytics by day',
    request: get('/analytics/orders?groupBy=day'),
    target: { atLeast: 50 },
    growsWithOrders: true,
  },
];

/** Reads of read models as they stand after many orders, and what a token adds to them. */
export const reads: Workload<Plan> = {
  name: 'reads',
  async run(plan) {
    const findings: Finding[] = [];
    const [fewest] = plan.orders;
    const most = plan.orders.at(-1);
    const rates = new Map<string, LoadResult[][]>();
    for (const orders of plan.orders) {
      const servers = [await serve(TIDEMARK), await serve(CRUD)] as const;
      try {
        await seedReadModels(servers[0], orders);
        await seedCrud(servers[1], orders);
        const ids = Array.from({ length: 200 }, (_, index) => idOf(Math.floor((index * orders) / 200)));
        for (const read of READS) {
          if (!plan.readsAllAtEverySize && (!read.target || (!read.growsWithOrders && orders !== most))) continue;
          const [ours = [], theirs = []] = await inTurns(servers, plan.turns, (server) =>
            turn(plan, server, read.request, read.ids ?? ids),
          );
          const about = {
            what: `${read.what}, of ${orders} orders`,
            against: 'CRUD',
            unit: '/s',
            ...(orders === most && read.target && { target: read.target }),
          };
          findings.push(compare(about, ours, theirs, ({ perSecond }) => perSecond));
          rates.set(read.what, [...(rates.get(read.what) ?? []), [...ours]]);
        }
        if (orders === most) findings.push(await withToken(plan, servers[0], ids));
      } finally {
        for (const server of servers) await server.stop();
      }
    }
    for (const { what, growsWithOrders } of READS) {
      const measured = rates.get(what) ?? [];
      const [few, many] = [measured[0], measured.at(-1)];
      if (!growsWithOrders || !few || !many || few === many) continue;
      const [at, before] = [many, few].map((results) => results.map(({ perSecond }) => perSecond)) as [
        number[],
        number[],
      ];
      findings.push({
        what: `${what}, of ${most} orders`,
        against: `the same of ${fewest}`,
        target: { atLeast: 0.8 },
        ratio: perTurn(at, before),
        ours: medianOf(at),
        theirs: medianOf(before),
        unit: '/s',
        note: '“flat”: taken as no less than 0.8',
      });
    }
    return findings;
  },
};

async function turn(
  plan: Plan,
  server: Server,
  request: RequestTemplate,
  ids: readonly string[],
  tokens: readonly string[] = [],
): Promise<LoadResult> {
  const job = { url: server.url, connections: CONNECTIONS, request, ids, tokens };
  await warmUp(job, { maxPieces: plan.warmUpPieces, pieceMs: 300 });
  return loadAll({ ...job, pace: { type: 'closed', durationMs: plan.readMs } });
}

/** The same read with a token that the read model satisfies and without one, by turns on one server. */
async function withToken(plan: Plan, server: Server, ids: readonly string[]): Promise<Finding> {
  const tokens = await Promise.all(
    ids.map(
      async (id) =>
        (await fetch(`${server.url}/orders/${id}`, { headers: CREDENTIAL })).headers.get('x-causal-token') ?? '',
    ),
  );
  const causal = { ...ONE, headers: { 'x-causal-token': '{{token}}' } };
  const [ours, theirs] = await byTurns([causal, ONE], plan.turns, (request) =>
    turn(plan, server, request, ids, tokens),
  );
  const about = {
    what: 'causal read, caught up, p50',
    against: 'the same without a token',
    target: { atMost: 1.05 },
    unit: 'ms',
  };
  return compare(about, ours, theirs, ({ latencyMs }) => latencyMs.p50);
}
