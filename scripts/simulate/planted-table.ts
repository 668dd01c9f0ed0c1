import { PLANTED, type PlantedBug } from './planted.ts';
import { type SeedResult, chunksOf, eachAtOnce, runSeeds } from './seed-process.ts';

export interface PlantingOptions {
  /** The most seeds for each bug. */
  readonly seeds: number;
  readonly from: number;
  readonly atOnce: number;
  /** Selects the bugs whose name contains this text. */
  readonly only: string;
}

interface Row {
  readonly bug: PlantedBug;
  readonly caught: SeedResult | undefined;
  readonly tried: number;
  readonly s: number;
}

const SEEDS_A_PROCESS = 50;

/**
 * Plants one bug after the other, each until a check catches it, and prints the table. The checks must catch the bug, not a crash of the run: so the
 * same seed must pass without checks, and must be clean without the bug.
 */
export async function plantAll({ seeds, from, atOnce, only }: PlantingOptions): Promise<boolean> {
  const bugs = PLANTED.filter(({ name }) => name.includes(only));
  const rows: Row[] = [];
  console.log(HEAD);
  await eachAtOnce(bugs, atOnce, async (bug) => {
    const began = performance.now();
    let caught: SeedResult | undefined;
    let tried = 0;
    for (const chunk of chunksOf(from, seeds, SEEDS_A_PROCESS)) {
      if (caught) break;
      await runSeeds({ seeds: chunk, planted: bug.name }, (result) => {
        if (caught) return;
        tried += 1;
        if (result.verdicts.length > 0) caught = result;
      });
    }
    const row = { bug, caught, tried, s: (performance.now() - began) / 1000 };
    rows.push(row);
    console.log(lineOf(row));
  });
  const missed = rows.filter(({ caught }) => !caught);
  console.log(`${rows.length - missed.length} of ${rows.length} caught`);
  for (const { bug } of missed) console.log(`  missed: ${bug.name}`);
  const broken = rows.filter(({ caught }) => caught && caught.unjudged?.length !== 0);
  console.log(`${rows.length - missed.length - broken.length} of these pass without checks`);
  for (const { bug, caught } of broken) console.log(`  ${bug.name}: ${caught?.unjudged?.join('\n    ')}`);
  const unclean = await reference(rows);
  return missed.length === 0 && broken.length === 0 && unclean === 0;
}

/** Runs the seeds that caught a bug again, without a bug. Returns the number of seeds that are not clean. */
async function reference(rows: readonly Row[]): Promise<number> {
  const seeds = [...new Set(rows.flatMap(({ caught }) => caught?.seed ?? []))].toSorted((one, other) => one - other);
  if (seeds.length === 0) return 0;
  let clean = 0;
  await runSeeds({ seeds }, ({ seed, verdicts, troubles }) => {
    if (verdicts.length + troubles.length === 0) clean += 1;
    else console.log(`  seed ${seed}, without a bug: ${[...troubles, ...verdicts].join('\n    ')}`);
  });
  console.log(`${clean} of the ${seeds.length} seeds that caught a bug are clean without it`);
  return seeds.length - clean;
}

/** Runs every bug without checks: each run must finish, whatever the bug does. */
export async function plantUnjudged({ seeds, from, atOnce, only }: PlantingOptions): Promise<boolean> {
  const bugs = PLANTED.filter(({ name }) => name.includes(only));
  let isPassed = true;
  await eachAtOnce(bugs, atOnce, async ({ name }) => {
    const troubles: string[] = [];
    let ran = 0;
    await runSeeds({ seeds: chunksOf(from, seeds, seeds)[0] ?? [], planted: name, isUnjudged: true }, (result) => {
      ran += 1;
      troubles.push(...result.troubles, ...result.verdicts);
    });
    const isPass = ran === seeds && troubles.length === 0;
    isPassed &&= isPass;
    console.log(`${isPass ? 'passes' : 'FAILS '}  ${name}${isPass ? '' : `: ${troubles.join('\n    ')}`}`);
  });
  return isPassed;
}

const HEAD = `${'bug'.padEnd(62)} ${'breaks'.padEnd(9)} ${'seeds'.padStart(5)} ${'s'.padStart(5)}  caught by`;

function lineOf({ bug, caught, tried, s }: Row): string {
  const by = caught?.verdicts[0]?.split('\n')[0]?.slice(0, 110) ?? 'NOT CAUGHT';
  return `${bug.name.padEnd(62)} ${bug.breaks.join(', ').padEnd(9)} ${String(tried).padStart(5)} ${s.toFixed(0).padStart(5)}  ${by}`;
}
