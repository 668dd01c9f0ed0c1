import { TIDEMARK } from '../contenders/contenders.ts';
import { drained } from '../harness/drained.ts';
import { loadAll } from '../harness/load.ts';
import { warmUp } from '../harness/plateau.ts';
import { rebuilt } from '../harness/rebuilt.ts';
import { type Server, serve } from '../harness/server.ts';
import { byTurns } from '../harness/turns.ts';
import type { LoadJob, LoadResult } from '../load/load-protocol.ts';
import { seedOrderPage } from '../seed/read-models.ts';
import { idOf } from '../seed/season.ts';
import { compare } from './compare.ts';
import type { Finding, Workload } from './finding.ts';
import type { Plan } from './plan.ts';
import { CHANGE_PRICE, createProducts } from './shop-requests.ts';

const PRODUCTS = 100;
/** Of what the server can do without a rebuild; reads and commands take as much each. */
const SHARE = 0.15;
const CONNECTIONS = 64;
/** Next to the other traffic a look is nothing, and the next rebuild is not to wait long for its turn. */
const LOOK_EVERY_MS = 100;

/** What a rebuild of the customer's order page does to those who read and write meanwhile. */
export const rebuildTraffic: Workload<Plan> = {
  name: 'rebuild-traffic',
  async run(plan) {
    // Queues that wait for a second and no longer: what is asked for is work, and not how long a batch is waited for.
    const tidemark = await serve(TIDEMARK, { batchTimeoutS: 1 });
    try {
      const productIds = await createProducts(tidemark, PRODUCTS);
      await drained(tidemark, { product: PRODUCTS });
      const [orders = 0] = plan.rebuilt;
      await seedOrderPage(tidemark, orders);
      const orderIds = Array.from({ length: Math.min(orders, 1_000) }, (_, index) => idOf(index));
      return await underTraffic(plan, tidemark, productIds, orderIds);
    } finally {
      await tidemark.stop();
    }
  },
};

type Job = Omit<LoadJob, 'pace'>;

interface Traffic {
  readonly reads: LoadResult;
  readonly commands: LoadResult;
}

/** Latency of reads of what is being rebuilt, and of commands, while one rebuild follows the other, and while there is none. */
async function underTraffic(
  plan: Plan,
  server: Server,
  productIds: readonly string[],
  orderIds: readonly string[],
): Promise<readonly Finding[]> {
  const jobs = {
    reads: {
      url: server.url,
      connections: CONNECTIONS,
      request: { method: 'GET', path: '/orders/{{id}}', status: 200 },
      ids: orderIds,
    },
    commands: { url: server.url, connections: CONNECTIONS, request: CHANGE_PRICE, ids: productIds },
  } satisfies Record<string, Job>;
  // Of prices, so that none is set to what it is.
  let number = 1_000;

  async function load(job: Job, pace: LoadJob['pace']): Promise<LoadResult> {
    const firstNumber = number;
    number += 100_000;
    return loadAll({ ...job, firstNumber, pace });
  }

  async function saturation(job: Job): Promise<number> {
    await warmUp(job, { maxPieces: plan.warmUpPieces, pieceMs: 300 });
    return (await load(job, { type: 'closed', durationMs: plan.readMs })).perSecond;
  }

  const perSecond = {
    reads: SHARE * (await saturation(jobs.reads)),
    commands: SHARE * (await saturation(jobs.commands)),
  };

  async function traffic(): Promise<Traffic> {
    const [reads, commands] = await Promise.all([
      load(jobs.reads, { type: 'open', ratePerS: perSecond.reads, durationMs: plan.openMs }),
      load(jobs.commands, { type: 'open', ratePerS: perSecond.commands, durationMs: plan.openMs }),
    ]);
    return { reads, commands };
  }

  async function whileRebuilding(): Promise<Traffic> {
    const over = new AbortController();
    const [measured] = await Promise.all([traffic().finally(() => over.abort()), rebuildUntil(over.signal)]);
    return measured;
  }

  async function rebuildUntil(over: AbortSignal): Promise<void> {
    while (!over.aborted) await rebuilt(server, 'order-lookup', LOOK_EVERY_MS);
  }

  const [rebuilding, idle] = await byTurns([whileRebuilding, traffic], plan.turns, (measure) => measure());
  const about = { against: 'the same without a rebuild', unit: 'ms' };
  const percent = Math.round(SHARE * 100);
  const note = `open loop, reads and commands at ${percent} % of saturation each, one rebuild after the other`;
  const finding = (what: string, figure: (measured: Traffic) => number, target?: Finding['target']) =>
    compare({ ...about, what, note, ...(target && { target }) }, rebuilding, idle, figure);
  return [
    finding('reads of one order during rebuilds, p50', ({ reads }) => reads.latencyMs.p50),
    finding('reads of one order during rebuilds, p99', ({ reads }) => reads.latencyMs.p99, { atMost: 1.8 }),
    finding('commands during rebuilds, p50', ({ commands }) => commands.latencyMs.p50),
    finding('commands during rebuilds, p99', ({ commands }) => commands.latencyMs.p99, { atMost: 1.3 }),
  ];
}
