import { TIDEMARK } from '../contenders/contenders.ts';
import { loadAll } from '../harness/load.ts';
import { warmUp } from '../harness/plateau.ts';
import { serve } from '../harness/server.ts';
import { byTurns } from '../harness/turns.ts';
import type { Choice, LoadResult } from '../load/load-protocol.ts';
import { compare } from './compare.ts';
import type { Workload } from './finding.ts';
import type { Plan } from './plan.ts';
import { CHANGE_PRICE, createProducts } from './shop-requests.ts';

const CONNECTIONS = 32;

/** Aggregates chosen by Zipf's law, as a shop's customers choose, against evenly chosen ones. */
export const popularity: Workload<Plan> = {
  name: 'popularity',
  async run(plan) {
    const server = await serve(TIDEMARK);
    try {
      const ids = await createProducts(server, plan.aggregates);
      let number = 0;
      const turn = async (choice: Choice): Promise<LoadResult> => {
        const job = { url: server.url, connections: CONNECTIONS, request: CHANGE_PRICE, ids, choice };
        number += 100_000;
        await warmUp({ ...job, firstNumber: number }, { maxPieces: plan.warmUpPieces });
        number += 100_000;
        return loadAll({ ...job, firstNumber: number, pace: { type: 'closed', count: plan.commands } });
      };
      const choices: readonly ((seed: number) => Choice)[] = [
        (seed) => ({ law: 'zipf', seed, exponent: 1 }),
        (seed) => ({ law: 'even', seed }),
      ];
      const [zipf, even] = await byTurns(choices, plan.turns, (choiceOf, at) => turn(choiceOf(at)));
      const what = `aggregates chosen by Zipf's law over ${plan.aggregates}`;
      return [
        compare(
          { what, against: 'evenly chosen', target: { atLeast: 0.8 }, unit: '/s' },
          zipf,
          even,
          ({ perSecond }) => perSecond,
        ),
      ];
    } finally {
      await server.stop();
    }
  },
};
