import { env } from 'cloudflare:workers';
import { describe, expect, test } from 'vitest';

import type { Cuts } from './mix.ts';
import { type RunResult, runSeed } from './run.ts';
import { shrink } from './shrinking.ts';
import { domains, system } from './worker.ts';

const { seeds, cuts, kept, shrinks, isPlanted, isJudged, isEveryTest } = env.SIMULATION;

const asked = seeds.map((seed) => ({ seed, cuts }));

describe('a run of the whole system under faults', () => {
  test.each([...kept, ...asked])('with seed $seed $cuts', async ({ seed, cuts: cutsText }) => {
    const theCuts = toCuts(cutsText);
    const startedAt = Date.now();
    const result = await runSeed(system, domains, { seed, cuts: theCuts, isJudged });
    const failures = failuresOf(result);
    let smaller = theCuts;
    if (failures.length > 0 && shrinks) {
      smaller = await shrink(seed, theCuts, async (tried) => {
        return isAlike(failuresOf(await runSeed(system, domains, { seed, cuts: tried })), failures);
      });
    }
    // What shows that it was judgement that found the bug.
    const unjudged =
      isPlanted && result.verdicts.length > 0
        ? failuresOf(await runSeed(system, domains, { seed, isJudged: false }))
        : undefined;
    console.log(
      `@@ ${JSON.stringify({ ...result, unjudged, ms: Date.now() - startedAt, cuts: JSON.stringify(smaller) })}`,
    );
    expect(failures, `repeat it with: ${repeat(result, smaller)}`).toEqual([]);
  });

  // `npm run simulate -- --twice` does so for many seeds, and in two processes.
  test.runIf(isEveryTest)('leaves the same trace when it is run again', async () => {
    const [seed = 1] = seeds;
    const [one, other] = [await runSeed(system, domains, { seed }), await runSeed(system, domains, { seed })];
    expect(other.traceHash).toBe(one.traceHash);
    expect(other.counts).toEqual(one.counts);
  });
});

function failuresOf({ troubles, verdicts }: RunResult): readonly string[] {
  return [...troubles, ...verdicts];
}

function toCuts(text: string): Cuts {
  return text === '' ? {} : (JSON.parse(text) as Cuts);
}

/** Whether a smaller run fails for a reason that the larger one had. */
function isAlike(failures: readonly string[], before: readonly string[]): boolean {
  const kinds = new Set(before.map(kindOf));
  return failures.some((failure) => kinds.has(kindOf(failure)));
}

function kindOf(failure: string): string {
  return failure.slice(0, failure.indexOf(' '));
}

function repeat({ seed }: RunResult, smaller: Cuts): string {
  const cutsText = JSON.stringify(smaller);
  return `npm run simulate -- --seeds 1 --from ${seed}${cutsText === '{}' ? '' : ` --cuts '${cutsText}'`}`;
}
