import { CEILINGS, TIDEMARK } from '../contenders/contenders.ts';
import { serve } from '../harness/server.ts';
import { inTurns } from '../harness/turns.ts';
import { messageOf, rowsOf } from '../seed/price-changes.ts';
import { compare } from './compare.ts';
import type { Workload } from './finding.ts';
import type { Plan } from './plan.ts';

const BATCH = 100;
const QUEUE = 'tidemark-serving';

/** How fast the product catalog takes full batches of messages, against a bare batch of D1 with the same rows. */
export const drain: Workload<Plan> = {
  name: 'drain',
  async run(plan) {
    const servers = [await serve(TIDEMARK, { areQueuesOff: true }), await serve(CEILINGS)] as const;
    const [tidemark, bare] = servers;
    try {
      const products = Array.from({ length: plan.drained }, (_, index) => index);
      const batches = Array.from({ length: Math.ceil(plan.drained / BATCH) }, (_, index) =>
        products.slice(index * BATCH, (index + 1) * BATCH),
      );

      const drainAll = async (version: number) => {
        for (const batch of batches) {
          const done = await tidemark.deliver(
            QUEUE,
            batch.map((product) => messageOf(product, version)),
          );
          if (done !== batch.length) throw new Error(`${done} of ${batch.length} messages were acknowledged`);
        }
      };
      const insertAll = async (version: number) => {
        for (const batch of batches) {
          const body = JSON.stringify(batch.flatMap((product) => rowsOf(product, version)));
          const answer = await fetch(`${bare.url}/batch`, { method: 'POST', body });
          if (!answer.ok) throw new Error(`the bare batch was answered with ${answer.status}`);
          await answer.text();
        }
      };
      // The first version of each is the warm-up.
      await drainAll(1);
      await insertAll(1);
      const [drained, inserted] = await inTurns(servers, plan.turns, async (server, turn) => {
        const startedAt = performance.now();
        await (server === tidemark ? drainAll(turn + 2) : insertAll(turn + 2));
        return (plan.drained / (performance.now() - startedAt)) * 1_000;
      });
      const about = {
        what: 'projection drain, full batches of one event for each stream',
        against: 'a bare D1.batch of the same rows',
        target: { atLeast: 0.5 },
        unit: 'events/s',
      };
      return [compare(about, drained, inserted, (rate) => rate)];
    } finally {
      for (const server of servers) await server.stop();
    }
  },
};
