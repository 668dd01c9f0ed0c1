import { TIDEMARK } from '../contenders/contenders.ts';
import { loadAll } from '../harness/load.ts';
import { serve } from '../harness/server.ts';
import { byTurns } from '../harness/turns.ts';
import type { RequestTemplate } from '../load/load-protocol.ts';
import { compare } from './compare.ts';
import type { Workload } from './finding.ts';
import type { Plan } from './plan.ts';
import { CHANGE_PRICE, createProducts } from './shop-requests.ts';

const CONNECTIONS = 4;

const readAfterwards = (isCausal: boolean): RequestTemplate => ({
  ...CHANGE_PRICE,
  followUp: { path: '/products/{{id}}', status: 200, isCausal },
});

/** A product is read right after its price was changed, while no message is ever delivered: with the token, and without. */
export const causalAfterWrite: Workload<Plan> = {
  name: 'causal-after-write',
  async run(plan) {
    const server = await serve(TIDEMARK, { areQueuesOff: true });
    try {
      const ids = await createProducts(server, 100);
      // Without this there would be nothing to read without a token.
      await loadAll({
        url: server.url,
        connections: CONNECTIONS,
        pace: { type: 'closed', count: 200 },
        request: readAfterwards(true),
        ids,
      });
      let number = 1_000;
      const turn = async (isCausal: boolean) => {
        const count = Math.ceil(plan.commands / 4);
        number += count;
        return loadAll({
          url: server.url,
          connections: CONNECTIONS,
          pace: { type: 'closed', count },
          request: readAfterwards(isCausal),
          ids,
          firstNumber: number,
        });
      };
      const [causal, plain] = await byTurns([true, false], plan.turns, turn);
      const about = {
        what: 'causal read right after the write, queues off, p50',
        against: 'a plain read',
        target: { atMost: 2 },
        unit: 'ms',
      };
      return [compare(about, causal, plain, ({ latencyMs }) => latencyMs.p50)];
    } finally {
      await server.stop();
    }
  },
};
