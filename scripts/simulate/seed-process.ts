import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** The result that the simulation prints for each seed. */
export interface SeedResult {
  readonly seed: number;
  /** The findings of the checks: the checker, the oracles, and refusals with a false reason. */
  readonly verdicts: readonly string[];
  /** The reasons why the run could not finish. They are not findings. */
  readonly troubles: readonly string[];
  /** Only for a run with verdicts and a planted bug: the troubles of the same run without checks. */
  readonly unjudged?: readonly string[];
  readonly traceHash: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly operations: number;
  readonly steps: number;
  readonly ms: number;
  readonly cuts: string;
}

/** The work of one process. */
export interface SeedRequest {
  readonly seeds: readonly number[];
  readonly cuts?: string;
  /** The name of a planted bug. The process ends with the first seed that catches it. */
  readonly planted?: string;
  /** Skips the checks. */
  readonly isUnjudged?: boolean;
}

/**
 * Runs seeds in a process of their own. The process may crash: seeds without a result run once more.
 */
export async function runSeeds(request: SeedRequest, onResult: (result: SeedResult) => void): Promise<void> {
  const done = new Set<number>();
  let isCaught = false;
  const note = (result: SeedResult) => {
    done.add(result.seed);
    isCaught ||= request.planted !== undefined && result.verdicts.length > 0;
    onResult(result);
  };
  await runOnce(request, note);
  const left = request.seeds.filter((seed) => !done.has(seed));
  if (left.length > 0 && !isCaught) await runOnce({ ...request, seeds: left }, note);
}

async function runOnce(request: SeedRequest, onResult: (result: SeedResult) => void): Promise<void> {
  const { seeds, cuts = '', planted, isUnjudged = false } = request;
  const child = spawn(
    'vitest',
    ['run', '--config', 'vitest.simulation.config.ts', ...(planted === undefined ? [] : ['--bail', '1'])],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        SIMULATION_SEEDS: JSON.stringify(seeds),
        SIMULATION_CUTS: cuts,
        SIMULATION_UNJUDGED: isUnjudged ? '1' : '0',
        ...(planted !== undefined && { SIMULATION_PLANTED: planted }),
      },
    },
  );
  // workerd reports objects that the run destroyed on purpose. That output is printed only if there is no result.
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

/** Splits a range of seeds into chunks, one for each process. */
export function chunksOf(from: number, count: number, size: number): readonly (readonly number[])[] {
  return Array.from({ length: Math.ceil(count / size) }, (_, index) => {
    const first = from + index * size;
    return Array.from({ length: Math.min(size, from + count - first) }, (__, offset) => first + offset);
  });
}

/** Works on each item, `atOnce` of them at a time. */
export async function eachAtOnce<Item>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  async function worker(): Promise<void> {
    for (const item of queue) await work(item);
  }
  await Promise.all(Array.from({ length: atOnce }, worker));
}
