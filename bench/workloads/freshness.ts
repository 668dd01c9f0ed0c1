import { CRUD, TIDEMARK } from '../contenders/contenders.ts';
import { drained } from '../harness/drained.ts';
import { loadAll } from '../harness/load.ts';
import { warmUp } from '../harness/plateau.ts';
import { type Server, serve } from '../harness/server.ts';
import type { LoadResult } from '../load/load-protocol.ts';
import { compare } from './compare.ts';
import type { Finding, Workload } from './finding.ts';
import type { Plan } from './plan.ts';
import { CHANGE_PRICE, createProducts } from './shop-requests.ts';

const PRODUCTS = 100;
const CONNECTIONS = 32;
const OPEN_CONNECTIONS = 128;
const LOOKERS = 2;
const SHARE = 0.7;

/** The pause between two looks, in ms. Under load more looks would be a load of their own. */
const LOOK_EVERY_MS = { atRest: 5, atLoad: 20 } as const;

/** In ms. */
const LIMITS = { p50: 200, p99: 1_000 } as const;

/** How long after a command's answer a read without a token shows its event: at rest, and while other commands come. */
export const freshness: Workload<Plan> = {
  name: 'freshness',
  async run(plan) {
    const ratePerS = SHARE * (await saturationOfCrud(plan));
    const server = await serve(TIDEMARK);
    try {
      const shop = await openShop(server, plan);
      const atRest: LoadResult[] = [];
      const atLoad: LoadResult[] = [];
      for (let turn = 0; turn < plan.turns; turn += 1) {
        await drained(server, { product: shop.events });
        atRest.push(await shop.look(LOOK_EVERY_MS.atRest, plan.freshMs / 3));
        const pace = { type: 'open', ratePerS, durationMs: plan.freshMs } as const;
        const [looks] = await Promise.all([
          shop.look(LOOK_EVERY_MS.atLoad, plan.freshMs),
          shop.change({ connections: OPEN_CONNECTIONS, pace }),
        ]);
        atLoad.push(looks);
      }
      return [...findingsOf('at rest', atRest), ...findingsOf(`at ${Math.round(SHARE * 100)} % load`, atLoad, true)];
    } finally {
      await server.stop();
    }
  },
};

/** Price changes that CRUD answers in a second, as in `commands`. */
async function saturationOfCrud(plan: Plan): Promise<number> {
  const server = await serve(CRUD);
  try {
    const shop = await openShop(server, plan);
    const { perSecond } = await shop.change({
      connections: CONNECTIONS,
      pace: { type: 'closed', count: plan.commands },
    });
    return perSecond;
  } finally {
    await server.stop();
  }
}

/** A warm shop whose products get a new price with each request. */
async function openShop(server: Server, plan: Plan) {
  const ids = await createProducts(server, PRODUCTS);
  const job = { url: server.url, request: CHANGE_PRICE, ids };
  let changes = await warmUp({ ...job, connections: CONNECTIONS }, { maxPieces: plan.warmUpPieces });
  let looks = 0;
  return {
    /** Events so far. */
    get events() {
      return PRODUCTS + changes + looks;
    },
    async change(more: Pick<Parameters<typeof loadAll>[0], 'connections' | 'pace'>): Promise<LoadResult> {
      const result = await loadAll({ ...job, ...more, firstNumber: changes });
      changes += result.count;
      return result;
    },
    /** Changes prices, and looks after each until it shows. */
    async look(untilShownEveryMs: number, durationMs: number): Promise<LoadResult> {
      const followUp = { path: '/products/{{id}}', status: 200, isCausal: false, untilShownEveryMs };
      const request = { ...CHANGE_PRICE, body: CHANGE_PRICE.body?.replace('1{{n}}', '2{{n}}') ?? '', followUp };
      const result = await loadAll({
        ...job,
        request,
        connections: LOOKERS,
        firstNumber: looks,
        pace: { type: 'closed', durationMs },
      });
      looks += result.count;
      return result;
    },
  };
}

function findingsOf(when: string, results: readonly LoadResult[], hasTarget = false): readonly Finding[] {
  return (['p50', 'p99'] as const).map((which) => {
    const about = {
      what: `a read without a token shows an event, ${when}, ${which}`,
      against: 'the limit',
      unit: 'ms',
    };
    const limits = results.map(() => LIMITS[which]);
    const figures = results.map(({ latencyMs }) => latencyMs[which]);
    return compare({ ...about, ...(hasTarget && { target: { atMost: 1 } }) }, figures, limits, (ms) => ms);
  });
}
