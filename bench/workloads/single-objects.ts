import { CEILINGS, TIDEMARK } from '../contenders/contenders.ts';
import { loadAll } from '../harness/load.ts';
import { warmUp } from '../harness/plateau.ts';
import { type Server, serve } from '../harness/server.ts';
import { inTurns } from '../harness/turns.ts';
import { bareInsert } from './bare-insert.ts';
import { compare } from './compare.ts';
import type { Workload } from './finding.ts';
import type { Plan } from './plan.ts';
import { CHANGE_PRICE, CREATE_PRODUCT, createProducts } from './products.ts';

const HOT_CLIENTS = 64;
const CREATING = 16;

/** One hot object and many new ones, against a bare object that inserts one row for each request. */
export const singleObjects: Workload<Plan> = {
  name: 'single-objects',
  async run(plan) {
    const servers = [await serve(TIDEMARK), await serve(CEILINGS)] as const;
    const [tidemark] = servers;
    try {
      const ids = await createProducts(tidemark, 1);
      const numbers = new Map<Server, number>(servers.map((server) => [server, 1_000]));
      const next = (server: Server, count: number) => {
        const first = numbers.get(server) ?? 0;
        numbers.set(server, first + count);
        return first;
      };

      const [hot, bareHot] = await inTurns(servers, plan.turns, async (server) => {
        const request = server === tidemark ? CHANGE_PRICE : bareInsert('hot');
        const job = { url: server.url, connections: HOT_CLIENTS, request, ids };
        await warmUp({ ...job, firstNumber: next(server, 100_000) }, { maxPieces: plan.warmUpPieces });
        return loadAll({
          ...job,
          firstNumber: next(server, plan.commands),
          pace: { type: 'closed', count: plan.commands },
        });
      });
      const [created, bareCreated] = await inTurns(servers, plan.turns, async (server) => {
        const request = server === tidemark ? CREATE_PRODUCT : bareInsert('new-{{n}}');
        const job = { url: server.url, connections: CREATING, request };
        const half = Math.ceil(plan.creations / 2);
        await loadAll({ ...job, firstNumber: next(server, half), pace: { type: 'closed', count: half } });
        return loadAll({
          ...job,
          firstNumber: next(server, plan.creations),
          pace: { type: 'closed', count: plan.creations },
        });
      });
      const rate = ({ perSecond }: { readonly perSecond: number }) => perSecond;
      return [
        compare(
          {
            what: 'creating an aggregate',
            against: 'a bare object created for one row',
            target: { atLeast: 0.85 },
            unit: '/s',
          },
          created,
          bareCreated,
          rate,
        ),
        compare(
          {
            what: 'one hot aggregate, 64 clients',
            against: 'a bare object that inserts one row',
            target: { atLeast: 0.8 },
            unit: '/s',
          },
          hot,
          bareHot,
          rate,
        ),
      ];
    } finally {
      for (const server of servers) await server.stop();
    }
  },
};
