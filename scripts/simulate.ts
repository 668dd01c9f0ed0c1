/**
 * Runs the seeded simulation of the whole system: `npm run simulate -- --seeds 1000`.
 *
 *     npm run simulate -- --seeds 200 --from 5000
 *     npm run simulate -- --seeds 1 --from 12 --cuts '{"clients":1}'
 *     npm run simulate -- --seeds 20 --twice
 *     npm run simulate -- --planted
 *
 * One seed is one run, the same every time. Ends with 1, and the line that repeats it, when one fails, or when something that has to happen
 * now and then (a fault, a way of recovery) never did. `--planted` puts one known bug after the other into the source as it is loaded,
 * and tells after how many seeds each was caught, and by which check.
 */
import { parseArgs } from 'node:util';

import cliProgress from 'cli-progress';

import { plantAll, plantUnjudged } from './simulate/planted-table.ts';
import { type SeedResult, chunksOf, eachAtOnce, runSeeds } from './simulate/seed-process.ts';
import { EXPECTED } from './simulate/sometimes.ts';

const HELP = `Usage: npm run simulate -- [options]

  --seeds <n>    how many, default 100; with --planted: at most so many for each bug, default 200
  --from <n>     the first one, default 1
  --at-once <n>  processes, default 2
  --cuts <json>  what to leave out, as a failing run printed it
  --twice        each seed in two processes: both have to leave the same trace
  --hashes       print each seed's trace hash
  --unjudged     nobody looks at what came of it: no bug shows itself then
  --planted      plant known bugs, one after the other
  --only <text>  with --planted: those whose name has this in it
  --help
`;

/** A process runs so many seeds; then a new one starts from nothing. */
const SEEDS_A_PROCESS = 50;
/** Other processes than the first time, with other seeds before each. */
const SEEDS_A_PROCESS_AGAIN = 37;
/** Below so many seeds it means nothing that something rare never happened. */
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
  console.log(`${done} seeds, ${rate} a second, ${failed.length} failed`);
  for (const { seed, verdicts, troubles, cuts: smaller } of failed) {
    console.log(`\nseed ${seed}:\n${[...troubles, ...verdicts].map((failure) => `  ${failure}`).join('\n')}`);
    console.log(`  npm run simulate -- --seeds 1 --from ${seed}${smaller === '{}' ? '' : ` --cuts '${smaller}'`}`);
  }
  if (done < seeds) console.log(`\n${seeds - done} seeds never came to an end.`);
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
    format: '{bar} {value}/{total} seeds, {rate} a second, {failed} failed',
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
        // At once: a long run goes on for long.
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
