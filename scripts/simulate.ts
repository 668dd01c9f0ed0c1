/**
 * Runs the seeded simulation of the whole system: `npm run simulate -- --seeds 1000`.
 *
 *     npm run simulate -- --seeds 200 --from 5000
 *     npm run simulate -- --seeds 1 --from 12 --cuts '{"clients":1}'
 *     npm run simulate -- --planted
 *
 * One seed is one run, the same every time. Ends with 1, and the line that repeats it, when one fails, or when something that has to happen
 * now and then (a fault, a way of recovery) never did. `--planted` puts one known bug after the other into the source as it is loaded,
 * and tells after how many seeds each was caught, and by which check.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

import cliProgress from 'cli-progress';

import { PLANTED, type PlantedBug } from './simulate/planted.ts';
import { EXPECTED } from './simulate/sometimes.ts';

/** What the simulation prints for each seed. */
interface SeedResult {
  readonly seed: number;
  readonly failures: readonly string[];
  readonly traceHash: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly operations: number;
  readonly steps: number;
  readonly cuts: string;
}

const HELP = `Usage: npm run simulate -- [options]

  --seeds <n>    how many, default 100; with --planted: at most so many for each bug, default 200
  --from <n>     the first one, default 1
  --at-once <n>  processes, default 2
  --cuts <json>  what to leave out, as a failing run printed it
  --hashes       print each seed's trace hash
  --planted      plant known bugs, one after the other
  --only <text>  with --planted: those whose name has this in it
  --help
`;

/** A process runs so many seeds; then a new one starts from nothing. */
const SEEDS_A_PROCESS = 50;
/** Below so many seeds it means nothing that something rare never happened. */
const ENOUGH_SEEDS = 200;

const options = readArguments();
const counts = new Map<string, number>();
const startedAt = performance.now();
process.exitCode = (await (options.planted ? plantAll() : simulate())) ? 0 : 1;

async function simulate(): Promise<boolean> {
  const { seeds = 100, from, atOnce } = options;
  const progress = new cliProgress.SingleBar({
    format: '{bar} {value}/{total} seeds, {rate} a second, {failed} failed',
    hideCursor: true,
    noTTYOutput: true,
    notTTYSchedule: 10_000,
  });
  const failed: SeedResult[] = [];
  const hashes: string[] = [];
  let done = 0;
  const rate = () => (done / ((performance.now() - startedAt) / 1000)).toFixed(2);
  progress.start(seeds, 0, { rate: '-', failed: 0 });
  const chunks = Array.from({ length: Math.ceil(seeds / SEEDS_A_PROCESS) }, (_, index) => ({
    first: from + index * SEEDS_A_PROCESS,
    count: Math.min(SEEDS_A_PROCESS, seeds - index * SEEDS_A_PROCESS),
  }));
  const queue = chunks.values();
  async function worker(): Promise<void> {
    for (const { first, count } of queue) {
      await runSeeds({ from: first, count, cuts: options.cuts }, (result) => {
        done += 1;
        for (const [name, times] of Object.entries(result.counts)) counts.set(name, (counts.get(name) ?? 0) + times);
        if (result.failures.length > 0) failed.push(result);
        hashes.push(`${String(result.seed).padStart(6)} ${result.traceHash}`);
        progress.update(done, { rate: rate(), failed: failed.length });
      });
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker));
  progress.stop();

  for (const [name, times] of [...counts].toSorted(([one], [other]) => (one < other ? -1 : 1)))
    console.log(`${String(times).padStart(8)}  ${name}`);
  if (options.hashes) console.log(hashes.toSorted().join('\n'));
  console.log(`${done} seeds, ${rate()} a second, ${failed.length} failed`);
  for (const { seed, failures, cuts } of failed) {
    console.log(`\nseed ${seed}:\n${failures.map((failure) => `  ${failure}`).join('\n')}`);
    console.log(`  npm run simulate -- --seeds 1 --from ${seed}${cuts === '{}' ? '' : ` --cuts '${cuts}'`}`);
  }
  if (done < seeds) console.log(`\n${seeds - done} seeds never came to an end.`);
  const never = EXPECTED.filter((name) => !counts.has(name));
  const isEnough = seeds >= ENOUGH_SEEDS;
  if (never.length > 0 && isEnough) console.log(`\nNever happened:\n${never.map((name) => `  ${name}`).join('\n')}`);
  return failed.length === 0 && done === seeds && !(isEnough && never.length > 0);
}

async function plantAll(): Promise<boolean> {
  const { seeds = 200, from, atOnce } = options;
  const bugs = PLANTED.filter(({ name }) => name.includes(options.only));
  const rows: {
    readonly bug: PlantedBug;
    readonly caught: SeedResult | undefined;
    readonly tried: number;
    readonly s: number;
  }[] = [];
  const queue = bugs.values();
  async function worker(): Promise<void> {
    for (const bug of queue) {
      const began = performance.now();
      const found: SeedResult[] = [];
      let tried = 0;
      for (let first = from; first < from + seeds && found.length === 0; first += SEEDS_A_PROCESS) {
        await runSeeds({ from: first, count: SEEDS_A_PROCESS, planted: bug.name }, (result) => {
          if (found.length > 0) return;
          tried += 1;
          if (result.failures.length > 0) found.push(result);
        });
      }
      const row = { bug, caught: found[0], tried, s: (performance.now() - began) / 1000 };
      rows.push(row);
      console.log(lineOf(row));
    }
  }
  console.log(lineOf());
  await Promise.all(Array.from({ length: atOnce }, worker));
  const missed = rows.filter(({ caught }) => !caught);
  console.log(`${rows.length - missed.length} of ${rows.length} caught`);
  return missed.length === 0;

  function lineOf(row?: (typeof rows)[number]): string {
    if (!row) return `${'bug'.padEnd(56)} ${'breaks'.padEnd(10)} ${'seeds'.padStart(5)} ${'s'.padStart(6)}  caught by`;
    const by = row.caught?.failures[0]?.split('\n')[0]?.slice(0, 110) ?? 'NOT CAUGHT';
    return `${row.bug.name.padEnd(56)} ${row.bug.breaks.padEnd(10)} ${String(row.tried).padStart(5)} ${row.s.toFixed(0).padStart(6)}  ${by}`;
  }
}

/** Runs some seeds in a process of their own. A planted bug is caught with the first that fails. */
async function runSeeds(
  { from, count, cuts = '', planted }: { from: number; count: number; cuts?: string; planted?: string },
  onResult: (result: SeedResult) => void,
): Promise<void> {
  const child = spawn(
    'vitest',
    ['run', '--config', 'vitest.simulation.config.ts', ...(planted === undefined ? [] : ['--bail', '1'])],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        SIMULATION_FROM: String(from),
        SIMULATION_COUNT: String(count),
        SIMULATION_CUTS: cuts,
        ...(planted !== undefined && { SIMULATION_PLANTED: planted }),
      },
    },
  );
  // What workerd says of objects that were torn away is the point of the run, and no news.
  const said: string[] = [];
  child.stderr.on('data', (chunk: Buffer) => void said.push(String(chunk)));
  let results = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const start = line.indexOf('@@ {');
    if (start === -1) {
      said.push(line);
      continue;
    }
    results += 1;
    onResult(JSON.parse(line.slice(start + '@@ '.length)) as SeedResult);
  }
  if (results === 0) console.error(said.join('\n').slice(-4_000));
}

function readArguments() {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string' },
      from: { type: 'string', default: '1' },
      'at-once': { type: 'string', default: '2' },
      cuts: { type: 'string', default: '' },
      hashes: { type: 'boolean', default: false },
      planted: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  const { seeds, from, cuts, hashes, planted, only } = values;
  return {
    seeds: seeds === undefined ? undefined : Number(seeds),
    from: Number(from),
    atOnce: Number(values['at-once']),
    cuts,
    hashes,
    planted,
    only,
  };
}
