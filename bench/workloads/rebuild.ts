import { setTimeout as sleep } from 'node:timers/promises';

import { groups } from '../../src/groups.ts';
import { CEILINGS, TIDEMARK } from '../contenders/contenders.ts';
import { drained } from '../harness/drained.ts';
import { loadAll } from '../harness/load.ts';
import { warmUp } from '../harness/plateau.ts';
import { type Rebuilt, rebuilt } from '../harness/rebuilt.ts';
import type { Statement } from '../harness/server-protocol.ts';
import { type Server, serve } from '../harness/server.ts';
import { medianOf, perTurn } from '../harness/statistics.ts';
import { inTurns } from '../harness/turns.ts';
import type { LoadJob, LoadResult } from '../load/load-protocol.ts';
import { type SqlRow, chunksOf, insertOf } from '../seed/bulk-insert.ts';
import { compare } from './compare.ts';
import type { Finding, Workload } from './finding.ts';
import { placeOrders } from './orders.ts';
import type { Plan } from './plan.ts';
import { CHANGE_PRICE, createProducts } from './products.ts';

const PROJECTION = 'order-lookup';
const PRODUCTS = 100;
/** Writes of one event each in one turn: their rate does not depend on how many there are. */
const SINGLE_WRITES = 500;
const WRITES_A_REQUEST = 100;
/** When the objects of the orders have asked whether all was delivered: as many wake up for that as were placed, in as short a time. */
const CHECKED_AFTER_MS = 2 * Math.max(...groups.map(({ batchWaitMs }) => batchWaitMs)) + 2_000;
/** Of what the server can do without a rebuild; reads and commands take as much each. */
const SHARE = 0.15;
const CONNECTIONS = 64;

const REPLAY = 'from the empty slot until the build says that all events are replayed';

/** The final rows of the projection, as the bare database takes them. */
interface FinalRows {
  /** Bodies of requests, each a batch of many rows. */
  readonly bulk: readonly string[];
  /** Bodies of requests, each many batches of one event. */
  readonly single: readonly string[];
  readonly count: number;
  readonly singleCount: number;
}

/** Events per second. */
interface Rates {
  readonly replay: number;
  readonly whole: number;
}

interface BareRates {
  readonly bulk: number;
  readonly single: number;
}

/** What a rebuild of the customer's order page does in a second, and what it does to those who read and write meanwhile. */
export const rebuild: Workload<Plan> = {
  name: 'rebuild',
  async run(plan) {
    // Queues that wait for a second and no longer: what is asked for is work, and not how long a batch is waited for.
    const tidemark = await serve(TIDEMARK, { batchTimeoutS: 1 });
    const bare = await serve(CEILINGS);
    try {
      const productIds = await createProducts(tidemark, PRODUCTS);
      const findings: Finding[] = [];
      const rates: Rates[][] = [];
      let placed = 0;
      for (const orders of plan.rebuilt) {
        await placeOrders(tidemark, orders - placed, PRODUCTS, placed);
        placed = orders;
        const checkedAt = Date.now() + CHECKED_AFTER_MS;
        await drained(tidemark, { product: PRODUCTS, order: orders });
        await sleep(Math.max(0, checkedAt - Date.now()));
        const { ours, theirs } = await measureRates(plan, tidemark, bare);
        rates.push([...ours]);
        if (orders === plan.rebuilt.at(-1)) findings.push(...againstBare(orders, ours, theirs));
      }
      return [...findings, ...flatness(plan, rates), ...(await underTraffic(plan, tidemark, productIds))];
    } finally {
      for (const server of [tidemark, bare]) await server.stop();
    }
  },
};

async function measureRates(
  plan: Plan,
  tidemark: Server,
  bare: Server,
): Promise<{ readonly ours: readonly Rates[]; readonly theirs: readonly BareRates[] }> {
  const rows = await finalRows(tidemark);
  // The first of each is the warm-up.
  await rebuilt(tidemark, PROJECTION);
  await loadBare(bare, rows);
  const ours: Rates[] = [];
  const theirs: BareRates[] = [];
  await inTurns([tidemark, bare], plan.turns, async (server) => {
    if (server === bare) theirs.push(await loadBare(bare, rows));
    else ours.push(ratesOf(await rebuilt(tidemark, PROJECTION)));
  });
  return { ours, theirs };
}

function ratesOf({ events, replayMs, wholeMs }: Rebuilt): Rates {
  return { replay: (events / replayMs) * 1_000, whole: (events / wholeMs) * 1_000 };
}

async function finalRows(tidemark: Server): Promise<FinalRows> {
  const [pointer] = await tidemark.query<{ live_slot: string }>(
    'SERVING_DB',
    `SELECT live_slot FROM projection_pointer WHERE projection = '${PROJECTION}'`,
  );
  const slot = pointer?.live_slot;
  const orders = await tidemark.query<SqlRow>('SERVING_DB', `SELECT * FROM order_lookup_${slot} ORDER BY order_id`);
  const checkpoints = await tidemark.query<SqlRow>(
    'SERVING_DB',
    `SELECT * FROM checkpoint WHERE projection = '${PROJECTION}' AND slot = '${slot}' ORDER BY stream`,
  );
  const both = orders.map((order, index) => ({ order, checkpoint: checkpoints[index] as SqlRow }));
  const batchOf = (some: typeof both): readonly Statement[] => [
    insertOf(
      'order_lookup_a',
      some.map(({ order }) => order),
    ),
    insertOf(
      'checkpoint',
      some.map(({ checkpoint }) => checkpoint),
    ),
  ];
  const singles = both.slice(0, SINGLE_WRITES).map((one) => batchOf([one]));
  return {
    bulk: chunksOf(both).map((chunk) => JSON.stringify(batchOf([...chunk]))),
    single: chunksOf(singles, WRITES_A_REQUEST).map((chunk) => JSON.stringify(chunk)),
    count: both.length,
    singleCount: singles.length,
  };
}

/** Puts the rows into the bare database, by many and one by one, each time into empty tables. */
async function loadBare(bare: Server, { bulk, single, count, singleCount }: FinalRows): Promise<BareRates> {
  return {
    bulk: await rateInto(bare, '/batch', bulk, count),
    single: await rateInto(bare, '/batches', single, singleCount),
  };
}

async function rateInto(bare: Server, path: string, bodies: readonly string[], count: number): Promise<number> {
  await bare.batch('BARE_DB', [{ sql: 'DELETE FROM order_lookup_a' }, { sql: 'DELETE FROM checkpoint' }]);
  const startedAt = performance.now();
  for (const body of bodies) {
    const answer = await fetch(`${bare.url}${path}`, { method: 'POST', body });
    if (!answer.ok) throw new Error(`the bare database answered ${path} with ${answer.status}`);
    await answer.text();
  }
  return (count / (performance.now() - startedAt)) * 1_000;
}

function againstBare(orders: number, ours: readonly Rates[], theirs: readonly BareRates[]): readonly Finding[] {
  const against = (
    what: string,
    side: keyof Rates,
    other: keyof BareRates,
    about: Pick<Finding, 'against' | 'target' | 'note'>,
  ): Finding => {
    const [mine, others] = [ours.map((rates) => rates[side]), theirs.map((rates) => rates[other])];
    return {
      what,
      ...about,
      ratio: perTurn(mine, others),
      ours: medianOf(mine),
      theirs: medianOf(others),
      unit: 'events/s',
    };
  };
  const bulk = 'the same rows by json_each in batches of 1000';
  return [
    against(`rebuild of ${orders} orders, replay`, 'replay', 'bulk', {
      against: bulk,
      target: { atLeast: 0.5 },
      note: REPLAY,
    }),
    against(`rebuild of ${orders} orders, replay`, 'replay', 'single', {
      against: 'one write of D1 for each event',
      target: { atLeast: 50 },
      note: REPLAY,
    }),
    against(`rebuild of ${orders} orders, from the request to the swap`, 'whole', 'bulk', { against: bulk }),
  ];
}

function flatness({ rebuilt: sizes }: Plan, rates: readonly (readonly Rates[])[]): readonly Finding[] {
  const [few, many] = [rates[0], rates.at(-1)];
  if (few === many) return [];
  return [
    compare(
      {
        what: `rebuild of ${sizes.at(-1)} orders, replay`,
        against: `the same of ${sizes[0]}`,
        target: { atLeast: 0.8 },
        unit: 'events/s',
        note: '“flat”: taken as no less than 0.8',
      },
      many,
      few,
      ({ replay }) => replay,
    ),
  ];
}

type Job = Omit<LoadJob, 'pace'>;

interface Traffic {
  readonly reads: LoadResult;
  readonly commands: LoadResult;
}

/** Latency of reads of what is being rebuilt, and of commands, while one rebuild follows the other, and while there is none. */
async function underTraffic(plan: Plan, server: Server, productIds: readonly string[]): Promise<readonly Finding[]> {
  const rows = await server.query<{ order_id: string }>(
    'SERVING_DB',
    `SELECT order_id FROM order_lookup_a ORDER BY order_id LIMIT 1000`,
  );
  const orderIds = rows.map(({ order_id: id }) => id);
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
    while (!over.aborted) await rebuilt(server, PROJECTION);
  }

  const idle: Traffic[] = [];
  const rebuilding: Traffic[] = [];
  for (let at = 0; at < plan.turns; at += 1) {
    const both = [async () => rebuilding.push(await whileRebuilding()), async () => idle.push(await traffic())];
    for (const measure of at % 2 === 0 ? both : both.toReversed()) await measure();
  }
  const about = { against: 'the same without a rebuild', unit: 'ms' };
  const percent = Math.round(SHARE * 100);
  const note = `open loop, reads and commands at ${percent} % of saturation each, one rebuild after the other`;
  const finding = (what: string, figure: (measured: Traffic) => number, target?: Finding['target']) =>
    compare({ ...about, what, note, ...(target && { target }) }, rebuilding, idle, figure);
  return [
    finding('reads of one order during rebuilds, p50', ({ reads }) => reads.latencyMs.p50),
    finding('reads of one order during rebuilds, p99', ({ reads }) => reads.latencyMs.p99, { atMost: 1.3 }),
    finding('commands during rebuilds, p50', ({ commands }) => commands.latencyMs.p50),
    finding('commands during rebuilds, p99', ({ commands }) => commands.latencyMs.p99, { atMost: 1.3 }),
  ];
}
