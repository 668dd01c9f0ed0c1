import { OverloadedError } from '../platform/faults.ts';
import type { BuildError } from '../projections/build.ts';
import { compareWithLive, compareWithLogs } from './build-comparison.ts';
import { type BuildContext, BuildEnded, type RebuildContext, buildContext } from './build-context.ts';
import { closeGap } from './build-gap.ts';
import { clearBuildSlot, replayArchive } from './build-replay.ts';
import { join, swap, swapUnlessBehind } from './build-swap.ts';
import { endBuild } from './build-transitions.ts';
import { waitForFormerWorkers, waitForLive } from './build-waits.ts';
import { type DurableSteps, stepsOf } from './durable-steps.ts';

/**
 * Makes a second copy of a projection beside the live one, and swaps the two (decisions 4 and 14).
 *
 * Every step may run again, also twice at the same time: checkpoints and the epoch guard its writes. An error of the build itself is recorded in its
 * row and not thrown. Throws only the errors of the durable steps themselves, for example when they are paused or ended. Their owner handles these.
 */
export async function runBuild(context: RebuildContext, name: string, id: string, steps: DurableSteps): Promise<void> {
  const build = buildContext(context, name, id);
  const { once, untilDone } = stepsOf(build, steps);
  try {
    await untilDone('compare with the logs', compareWithLogs);
    await untilDone('clear the slot of the build', clearBuildSlot);
    await untilDone('replay the archive', replayArchive);
    await untilDone('close the gap before the join', closeGap);
    await once('join', join);
    await untilDone('wait for former Workers', waitForFormerWorkers);
    await untilDone('close the gap after the join', closeGap);
    await untilDone('wait for live', waitForLive);
    const { maySwap } = await untilDone('compare with live', compareWithLive);
    if (maySwap) await untilDone('swap', swap);
  } catch (error) {
    if (!(error instanceof BuildEnded)) throw error;
    const { why } = error;
    if (why) await steps.do('fail', () => endFailed(build, why));
  }
}

async function endFailed({ database, name, id, report, at }: BuildContext, why: BuildError): Promise<void> {
  report('build.failed', { projection: name, build: id, ...(why.kind !== undefined && { kind: why.kind }) });
  await endBuild(database, name, id, { state: 'failed', at: at(), error: why });
}

/**
 * Makes a build live that waits to be accepted. Returns false if no such build waits. Throws `OverloadedError` if the live slot has moved on without
 * it, by more than one request can make up.
 */
export async function acceptBuild(context: RebuildContext, name: string, id: string): Promise<boolean> {
  const build = buildContext(context, name, id);
  try {
    if (await swapUnlessBehind(build)) return true;
    await closeGap(build);
    if (await swapUnlessBehind(build)) return true;
  } catch (error) {
    if (error instanceof BuildEnded) return false;
    throw error;
  }
  throw new OverloadedError(`the live slot of ${name} keeps moving without the build`);
}
