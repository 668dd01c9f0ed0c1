import { bundleBytes } from '../../scripts/bundle-size.ts';
import { CRUD, TIDEMARK } from '../contenders/contenders.ts';
import { isolates } from '../harness/isolates.ts';
import { exactly } from '../harness/statistics.ts';
import { byTurns } from '../harness/turns.ts';
import { compare } from './compare.ts';
import type { Finding, Workload } from './finding.ts';
import type { Plan } from './plan.ts';
import { CREDENTIAL } from '../harness/credential.ts';

const KIB = 1_024;
const BUNDLE_LIMIT_KIB = 140;

/** What has to get to a machine and to run there before a Worker can answer. */
export const footprint: Workload<Plan> = {
  name: 'footprint',
  run: async (plan) => [...bundles(), await startUp(plan)],
};

function bundles(): readonly Finding[] {
  const [ours, theirs] = [TIDEMARK, CRUD].map(({ bundle }) => bundleBytes(bundle) / KIB) as [number, number];
  const about = { what: 'bundle, minified and gzipped', ours, unit: 'KiB' };
  return [
    {
      ...about,
      against: 'the limit',
      target: { atMost: 1 },
      ratio: exactly(ours / BUNDLE_LIMIT_KIB),
      theirs: BUNDLE_LIMIT_KIB,
    },
    { ...about, against: 'CRUD', ratio: exactly(ours / theirs), theirs },
  ];
}

/** Each turn has isolates of its own, since a module is loaded into one only once. */
async function startUp(plan: Plan): Promise<Finding> {
  const contenders = [TIDEMARK, CRUD] as const;
  const started = await isolates(contenders, plan.isolates + 1);
  try {
    const taken = await byTurns(contenders, plan.isolates + 1, async (contender, turn) =>
      firstAnswer(await started.urlOf(contender, turn)),
    );
    // In the first turn the machine has seen neither.
    const [ours, theirs] = taken.map((times) => times.slice(1));
    return compare(
      { what: 'loading the Worker and a first answer, p50', against: 'CRUD', unit: 'ms' },
      ours,
      theirs,
      (ms) => ms,
    );
  } finally {
    await started.stop();
  }
}

/** In ms, of a request that is refused before it would get to any storage. */
async function firstAnswer(url: string): Promise<number> {
  const startedAt = performance.now();
  const answer = await fetch(`${url}/products`, {
    method: 'POST',
    headers: { ...CREDENTIAL, 'content-type': 'application/json' },
    body: '{}',
  });
  await answer.arrayBuffer();
  const tookMs = performance.now() - startedAt;
  if (answer.status !== 400) throw new Error(`an empty product was answered with ${answer.status}`);
  return tookMs;
}
