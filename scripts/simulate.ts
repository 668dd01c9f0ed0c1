/**
 * Runs the seeded simulation of the whole system: `npm run simulate -- --seeds 1000`.
 *
 *     npm run simulate -- --seeds 200 --from 5000
 *     npm run simulate -- --seeds 1 --from 12 --cuts '{"clients":1}'
 *     npm run simulate -- --seeds 20 --twice
 *     npm run simulate -- --planted
 *
 * One seed is one run, the same every time. When a run fails, the script prints the command line that repeats it, and exits with 1. It also fails when
 * an expected fault or recovery never happened. `--planted` puts known bugs into the loaded source, one after the other, and prints the number of
 * seeds and the check that caught each bug.
 */
import { parseArgs } from 'node:util';

import cliProgress from 'cli-progress';

import { plantAll, plantUnjudged } from './simulate/planted-table.ts';
import { type SeedResult, chunksOf, eachAtOnce, runSeeds } from './simulate/seed-process.ts';
import { EXPECTED } from './simulate/sometimes.ts';

const HELP = `Usage: npm run simulate -- [options]

  --seeds <n>    the number of seeds, default 100; with --planted: the most seeds for each bug, default 200
  --from <n>     the first seed, default 1
  --at-once <n>  the number of processes, default 2
  --cuts <json>  the parts of the run to leave out, as a failing run printed them
  --twice        runs each seed in two processes, which must leave the same trace
  --hashes       prints each seed's trace hash
  --unjudged     skips all checks, so a run with a bug passes
  --planted      plants known bugs, one after the other
  --only <text>  with --planted: only bugs whose name contains the text
  --help
`;

/** The number of seeds that one process runs. */
const SEEDS_A_PROCESS = 50;
/** Another number for the second time, so that other seeds come before each seed. */
const SEEDS_A_PROCESS_AGAIN = 37;
/** With fewer seeds, a rare fault may be missing by chance. */
const ENOUGH_SEEDS = 200;

const options = readArguments();
const { from, atOnce, only, cuts, isUnjudged } = options;
process.exitCode = (await act()) ? 0 : 1;

function act(): Promise<boolean> {
  if (!options.planted) return simulate(options.seeds ?? 100);
  if (isUnjudged) return plantUnjudged({ seeds: options.seeds ?? 5, from, atOnce, only });
  return plantAll({ seeds: options.seeds ?? 200, from, atOnce, only });
}

async function simulate(seeds: number): Promise<boolean> {
  const { done, rate, hashes, failed, counts } = await runAll(seeds, SEEDS_A_PROCESS);
  for (const [name, times] of [...counts].toSorted(([one], [other]) => (one < other ? -1 : 1)))
    console.log(`${String(times).padStart(8)}  ${name}`);
  if (options.hashes)
    for (const [seed, hash] of [...hashes].toSorted(([one], [other]) => one - other)) console.log(`${seed} ${hash}`);
  console.log(`${done} seeds, ${rate} per second, ${failed.length} failed`);
  for (const { seed, verdicts, troubles, cuts: smaller } of failed) {
    console.log(`\nseed ${seed}:\n${[...troubles, ...verdicts].map((failure) => `  ${failure}`).join('\n')}`);
    console.log(`  npm run simulate -- --seeds 1 --from ${seed}${smaller === '{}' ? '' : ` --cuts '${smaller}'`}`);
  }
  if (done < seeds) console.log(`\n${seeds - done} seeds did not finish.`);
  const never = seeds < ENOUGH_SEEDS ? [] : EXPECTED.filter((name) => !counts.has(name));
  if (never.length > 0) console.log(`\nNever happened:\n${never.map((name) => `  ${name}`).join('\n')}`);
  const isRepeatable = !options.twice || (await isTheSameAgain(seeds, hashes));
  return failed.length === 0 && done === seeds && never.length === 0 && isRepeatable;
}

async function isTheSameAgain(seeds: number, before: ReadonlyMap<number, string>): Promise<boolean> {
  const { hashes } = await runAll(seeds, SEEDS_A_PROCESS_AGAIN);
  const other = [...before].filter(([seed, hash]) => hashes.get(seed) !== hash);
  console.log(`${before.size - other.length} of ${before.size} seeds left the same trace in two processes`);
  for (const [seed, hash] of other) console.log(`  seed ${seed}: ${hash}, then ${hashes.get(seed) ?? 'none'}`);
  return other.length === 0 && hashes.size === seeds;
}

async function runAll(seeds: number, seedsAProcess: number) {
  const progress = new cliProgress.SingleBar({
    format: '{bar} {value}/{total} seeds, {rate} per second, {failed} failed',
    hideCursor: true,
    noTTYOutput: true,
    notTTYSchedule: 10_000,
  });
  const counts = new Map<string, number>();
  const failed: SeedResult[] = [];
  const hashes = new Map<number, string>();
  const startedAt = performance.now();
  const rate = () => (hashes.size / ((performance.now() - startedAt) / 1000)).toFixed(2);
  progress.start(seeds, 0, { rate: '-', failed: 0 });
  await eachAtOnce(chunksOf(from, seeds, seedsAProcess), atOnce, (chunk) =>
    runSeeds({ seeds: chunk, cuts, isUnjudged }, (result) => {
      for (const [name, times] of Object.entries(result.counts)) counts.set(name, (counts.get(name) ?? 0) + times);
      if (result.troubles.length + result.verdicts.length > 0) {
        failed.push(result);
        // Printed at once, since a long run takes hours.
        console.log(`\nseed ${result.seed} failed`);
      }
      hashes.set(result.seed, result.traceHash);
      progress.update(hashes.size, { rate: rate(), failed: failed.length });
    }),
  );
  progress.stop();
  return { done: hashes.size, rate: rate(), hashes, failed, counts };
}

function readArguments() {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string' },
      from: { type: 'string', default: '1' },
      'at-once': { type: 'string', default: '2' },
      cuts: { type: 'string', default: '' },
      twice: { type: 'boolean', default: false },
      hashes: { type: 'boolean', default: false },
      unjudged: { type: 'boolean', default: false },
      planted: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  const { seeds, from: first, 'at-once': processes, unjudged, ...rest } = values;
  return {
    ...rest,
    seeds: seeds === undefined ? undefined : Number(seeds),
    from: Number(first),
    atOnce: Number(processes),
    isUnjudged: unjudged,
  };
}
