import { env } from 'cloudflare:workers';
import { describe, expect, test } from 'vitest';

import type { Cuts } from './mix.ts';
import { type RunResult, runSeed } from './run.ts';
import { shrink } from './shrinking.ts';
import { domains, system } from './worker.ts';

const { from, count, cuts, kept, shrinks } = env.SIMULATION;

const seeds = Array.from({ length: count }, (_, index) => ({ seed: from + index, cuts }));

describe('a run of the whole system under faults', () => {
  test.each([...kept, ...seeds])('with seed $seed $cuts', async ({ seed, cuts: cutsText }) => {
    const theCuts = toCuts(cutsText);
    const startedAt = Date.now();
    const result = await runSeed(system, domains, seed, theCuts);
    let smaller = theCuts;
    if (result.failures.length > 0 && shrinks) {
      smaller = await shrink(seed, theCuts, async (tried) => {
        const { failures } = await runSeed(system, domains, seed, tried);
        return isAlike(failures, result.failures);
      });
    }
    console.log(`@@ ${JSON.stringify({ ...result, ms: Date.now() - startedAt, cuts: JSON.stringify(smaller) })}`);
    expect(result.failures, `repeat it with: ${repeat(result, smaller)}`).toEqual([]);
  });
});

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
