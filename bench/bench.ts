/**
 * Measures Tidemark against plain CRUD and against the limits of the platform: `npm run bench`. With `-- --quick` it takes under five minutes.
 *
 *     npm run bench -- --quick                     the workloads at small sizes, without the long ones
 *     npm run bench -- --only commands,reads       some workloads
 *     npm run bench -- --only rebuild --rebuilt 10000,1000000 --turns 1     rebuilds of other sizes, which may take long
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { build } from './contenders/build.ts';
import { CEILINGS, CRUD, EMMETT, TIDEMARK } from './contenders/contenders.ts';
import { CORES } from './harness/cores.ts';
import { versions } from './versions.ts';
import { toTable } from './table.ts';
import { bill } from './workloads/bill.ts';
import { causalAfterWrite } from './workloads/causal-after-write.ts';
import { ceilings } from './workloads/ceilings.ts';
import { cold } from './workloads/cold.ts';
import { commands } from './workloads/commands.ts';
import { drain } from './workloads/drain.ts';
import { emmett } from './workloads/emmett.ts';
import { type Finding, type Workload, isMet } from './workloads/finding.ts';
import { FULL, type Plan, QUICK } from './workloads/plan.ts';
import { footprint } from './workloads/footprint.ts';
import { memory } from './workloads/memory.ts';
import { freshness } from './workloads/freshness.ts';
import { mix } from './workloads/mix.ts';
import { orders } from './workloads/orders.ts';
import { popularity } from './workloads/popularity.ts';
import { reads } from './workloads/reads.ts';
import { rebuild } from './workloads/rebuild.ts';
import { rebuildTraffic } from './workloads/rebuild-traffic.ts';
import { singleObjects } from './workloads/single-objects.ts';

const WORKLOADS = [
  commands,
  orders,
  emmett,
  singleObjects,
  ceilings,
  reads,
  mix,
  causalAfterWrite,
  freshness,
  drain,
  cold,
  popularity,
  rebuild,
  rebuildTraffic,
  footprint,
  memory,
  bill,
];

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    turns: { type: 'string' },
    rebuilt: { type: 'string' },
  },
});
const plan: Plan = {
  ...(values.quick ? QUICK : FULL),
  ...(values.turns !== undefined && { turns: Number(values.turns) }),
  ...(values.rebuilt !== undefined && { rebuilt: values.rebuilt.split(',').map(Number) }),
};
const only = values.only?.split(',');
const unknown = (only ?? []).filter((name) => !WORKLOADS.some((workload) => workload.name === name));
if (unknown.length > 0) {
  console.error(
    `There is no workload ${unknown.join(', ')}. There are: ${WORKLOADS.map(({ name }) => name).join(', ')}.`,
  );
  process.exit(2);
}

const chosen = WORKLOADS.filter(({ name, isLong }) => (only ? only.includes(name) : !(values.quick && isLong)));

const startedAt = new Date();
await build(TIDEMARK, CRUD, CEILINGS, ...(chosen.includes(emmett) ? [EMMETT] : []));

const folder = join(import.meta.dirname, 'results');
mkdirSync(folder, { recursive: true });
const name = `${startedAt.toISOString().slice(0, 19).replaceAll(':', '-')}${values.quick ? '-quick' : ''}.json`;
const measured = new Map<Workload<Plan>, readonly Finding[]>();
const seconds: Record<string, number> = {};

async function measure(workload: Workload<Plan>): Promise<void> {
  const from = performance.now();
  console.error(`${workload.name} …`);
  measured.set(workload, await workload.run(plan));
  seconds[workload.name] = (performance.now() - from) / 1_000;
  console.error(`${workload.name}: ${Math.round(seconds[workload.name] ?? 0)} s`);
  // Written after each workload, so that a run that breaks off keeps its results.
  const result = { startedAt, plan, cores: CORES ?? 'not bound', versions: versions(), seconds, findings: findings() };
  writeFileSync(join(folder, name), `${JSON.stringify(result, undefined, 2)}\n`);
}

const findings = () => WORKLOADS.flatMap((workload) => measured.get(workload) ?? []);

const counting = chosen.filter(({ isCounted }) => isCounted).map(measure);
// From last to first, so that counting is in its waits when the throughput and latency of commands are measured.
for (const workload of chosen.filter(({ isCounted }) => !isCounted).toReversed()) await measure(workload);
await Promise.all(counting);

console.log(`\n${toTable(findings())}\n`);
const missed = findings().filter((finding) => isMet(finding) === false);
console.log(
  `${missed.length} of ${findings().filter(({ target }) => target).length} targets missed. Written to bench/results/${name}.`,
);
process.exit(0);
