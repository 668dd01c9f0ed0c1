import { CEILINGS, TIDEMARK } from '../contenders/contenders.ts';
import { loadAll } from '../harness/load.ts';
import { warmUp } from '../harness/plateau.ts';
import { type Server, serve } from '../harness/server.ts';
import { removeObjects } from '../harness/stored-objects.ts';
import { inTurns } from '../harness/turns.ts';
import type { LoadResult } from '../load/load-protocol.ts';
import { bareInsert } from './bare-insert.ts';
import { compare } from './compare.ts';
import type { Finding, Workload } from './finding.ts';
import type { Plan } from './plan.ts';
import { CHANGE_PRICE, CREATE_PRODUCT, createProducts } from './shop-requests.ts';

const HOT_CLIENTS = 64;
const CREATING = 16;

/** One hot object and many new ones, against a bare object that inserts one row for each request. */
export const singleObjects: Workload<Plan> = {
  name: 'single-objects',
  run: async (plan) => [await creating(plan), await hot(plan)],
};

const rate = ({ perSecond }: LoadResult) => perSecond;

/**
 * Each turn begins with a start without any object: those of the turn before would be put away, and would ask twenty to thirty seconds later
 * whether their events were delivered, and neither is to fall into the turn after it.
 */
async function creating(plan: Plan): Promise<Finding> {
  const servers = [await serve(TIDEMARK), await serve(CEILINGS)] as const;
  const [tidemark] = servers;
  try {
    const numbers = new Map<Server, number>();
    const [ours, theirs] = await inTurns(servers, plan.turns, async (server) => {
      await server.restart(removeObjects);
      const request = server === tidemark ? CREATE_PRODUCT : bareInsert('new-{{n}}');
      const job = { url: server.url, connections: CREATING, request };
      const before = numbers.get(server) ?? 0;
      const warmUpCount = Math.ceil(plan.creations / 2);
      await loadAll({ ...job, firstNumber: before, pace: { type: 'closed', count: warmUpCount } });
      const firstNumber = before + warmUpCount;
      const result = await loadAll({ ...job, firstNumber, pace: { type: 'closed', count: plan.creations } });
      numbers.set(server, firstNumber + result.count);
      return result;
    });
    const about = {
      what: 'creating an aggregate',
      against: 'a bare object created for one row',
      target: { atLeast: 0.85 },
      unit: '/s',
    };
    return compare(about, ours, theirs, rate);
  } finally {
    for (const server of servers) await server.stop();
  }
}

async function hot(plan: Plan): Promise<Finding> {
  const servers = [await serve(TIDEMARK), await serve(CEILINGS)] as const;
  const [tidemark] = servers;
  try {
    const ids = await createProducts(tidemark, 1);
    const numbers = new Map<Server, number>();
    const [ours, theirs] = await inTurns(servers, plan.turns, async (server) => {
      const request = server === tidemark ? CHANGE_PRICE : bareInsert('hot');
      const job = { url: server.url, connections: HOT_CLIENTS, request, ids };
      const before = numbers.get(server) ?? 1_000;
      const firstNumber = before + (await warmUp({ ...job, firstNumber: before }, { maxPieces: plan.warmUpPieces }));
      const result = await loadAll({ ...job, firstNumber, pace: { type: 'closed', count: plan.commands } });
      numbers.set(server, firstNumber + result.count);
      return result;
    });
    const about = {
      what: 'one hot aggregate, 64 clients',
      against: 'a bare object that inserts one row',
      target: { atLeast: 0.7 },
      unit: '/s',
    };
    return compare(about, ours, theirs, rate);
  } finally {
    for (const server of servers) await server.stop();
  }
}
