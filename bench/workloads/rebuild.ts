import { CEILINGS, TIDEMARK } from '../contenders/contenders.ts';
import { type Rebuilt, rebuilt } from '../harness/rebuilt.ts';
import { serve } from '../harness/server.ts';
import { medianOf, perTurn } from '../harness/statistics.ts';
import { inTurnsOfTwo } from '../harness/turns.ts';
import { seedOrderPage } from '../seed/read-models.ts';
import { type BareRates, finalRows, loadBare } from './bare-load.ts';
import { compare } from './compare.ts';
import type { Finding, Workload } from './finding.ts';
import type { Plan } from './plan.ts';

const REPLAY = 'from the empty slot until the build says that all events are replayed';

/** Events per second, and memory. */
interface Rates {
  readonly replay: number;
  readonly whole: number;
  readonly peakMiB: number;
}

/** What a rebuild of the customer's order page does in a second. */
export const rebuild: Workload<Plan> = {
  name: 'rebuild',
  async run(plan) {
    const findings: Finding[] = [];
    const rates: (readonly Rates[])[] = [];
    for (const orders of plan.rebuilt) {
      const tidemark = await serve(TIDEMARK);
      const bare = await serve(CEILINGS);
      try {
        await seedOrderPage(tidemark, orders);
        const rows = await finalRows(tidemark);
        // The runtime keeps what filling and reading it took of memory.
        await tidemark.restart(() => undefined);
        // The first of each is the warm-up.
        await rebuilt(tidemark, 'order-lookup');
        await loadBare(bare, rows);
        const [ours, theirs] = await inTurnsOfTwo(
          { server: tidemark, measure: async () => ratesOf(await rebuilt(tidemark, 'order-lookup')) },
          { server: bare, measure: () => loadBare(bare, rows) },
          plan.turns,
        );
        rates.push(ours);
        findings.push(...againstBare(orders, ours, theirs));
      } finally {
        for (const server of [tidemark, bare]) await server.stop();
      }
    }
    return [...findings, ...flatness(plan, rates)];
  },
};

function ratesOf({ events, replayMs, wholeMs, peakBytes }: Rebuilt): Rates {
  return { replay: (events / replayMs) * 1_000, whole: (events / wholeMs) * 1_000, peakMiB: peakBytes / 2 ** 20 };
}

/** From here on the bulk load's tables outgrow the database's cache, too. */
const MANY_ORDERS = 100_000;

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
      target: { atLeast: orders < MANY_ORDERS ? 0.6 : 0.8 },
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
  const about = { what: `rebuild of ${sizes.at(-1)} orders, replay`, against: `the same of ${sizes[0]}` };
  const flat = { target: { atLeast: 0.8 }, unit: 'events/s', note: '“flat”: taken as no less than 0.8' };
  return [
    compare({ ...about, ...flat }, many, few, ({ replay }) => replay),
    compare(
      { ...about, what: `rebuild of ${sizes.at(-1)} orders, peak memory`, target: { atMost: 1.2 }, unit: 'MiB' },
      many,
      few,
      ({ peakMiB }) => peakMiB,
    ),
  ];
}
