import { OverloadedError } from '../platform/faults.ts';
import type { BuildError } from './build.ts';
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
 * Every step may be run again, by two at the same time too: what it writes is guarded by checkpoints and by the epoch. What is the
 * build's own trouble is written down beside it and not thrown. Throws only what the durable steps themselves threw, as when they are
 * paused or ended: then whoever has them decides.
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
    if (why) await steps.do('fail', () => fail(build, why));
  }
}

async function fail({ database, name, id, report, at }: BuildContext, why: BuildError): Promise<void> {
  report('build.failed', { projection: name, build: id, ...(why.kind !== undefined && { kind: why.kind }) });
  await endBuild(database, name, id, { state: 'failed', at: at(), error: why });
}

/**
 * Makes a build that waits for consent the live one. False when it is none that waits, or not any more. Throws `OverloadedError` when what
 * is live has moved on without it, further than one request can make up for.
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
  throw new OverloadedError(`${name} keeps moving without the build`);
}
