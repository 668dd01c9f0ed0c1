import { type BuildContext, BuildEnded, current } from './build-context.ts';
import { aheadOfLive, closeGap } from './build-gap.ts';
import { tryJoin, trySwap } from './build-transitions.ts';
import { restoredIn } from '../dead-letters/restored-logs.ts';

/** From now on every guarded batch moves the build together with what is live, so that it cannot fall behind again. */
export async function join(context: BuildContext): Promise<void> {
  for (;;) {
    const { build, pointer } = await current(context);
    if ((await tryJoin(context.database, build, pointer)) === 'changed') return;
  }
}

/** How often a swap is tried while what is live moves on without the build. */
const SWAP_TRIES = 50;

interface SwapProgress {
  readonly isDone: boolean;
  readonly tries: number;
}

/** Makes the build what is live. Where live has moved on without it, closes that gap first, and leaves the swap to the next try. */
export async function swap(
  context: BuildContext,
  { tries }: SwapProgress = { isDone: false, tries: 0 },
): Promise<SwapProgress> {
  if (tries === SWAP_TRIES)
    throw new BuildEnded({
      message: 'what is live keeps moving without it: is there a Worker that has no code for it?',
    });
  if (await swapUnlessBehind(context)) return { isDone: true, tries };
  await closeGap(context);
  return { isDone: false, tries: tries + 1 };
}

/** Swaps. False: the build is behind what is live. */
export async function swapUnlessBehind(context: BuildContext): Promise<boolean> {
  const { database, name, id, catchUp, report, at } = context;
  for (;;) {
    const { build, pointer, projection } = await current(context);
    const ahead = await aheadOfLive(database, name, pointer.live, build.target);
    const unsure = [...(await restoredIn(database, name)), ...ahead];
    const outcome = await trySwap(database, build, pointer, at());
    if (outcome === 'behind') return false;
    if (outcome !== 'changed') continue;
    report('build.swapped', { projection: name, build: id, ...build.target });
    // What restored logs have stopped goes on: its messages were acknowledged while it was held. And what only the build has is compared
    // with its log, which may have lost it. The swap stands, whatever becomes of this: the sweep finds what is left.
    try {
      await catchUp(
        projection,
        unsure.map((stream) => ({ stream, wanted: 'head' as const, isRecheck: true })),
      );
    } catch (error) {
      report('build.restored-behind', { projection: name, build: id, error: String(error) });
    }
    return true;
  }
}
