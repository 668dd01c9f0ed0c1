import { type BuildContext, BuildEnded, current } from './build-context.ts';
import { aheadOfLive, closeGap } from './build-gap.ts';
import { tryJoin, trySwap } from './build-transitions.ts';
import { restoredIn } from '../dead-letters/restored-logs.ts';

/** Makes every guarded batch move the build together with the live slot, so that the build does not fall behind again. */
export async function join(context: BuildContext): Promise<void> {
  for (;;) {
    const { build, pointer } = await current(context);
    if ((await tryJoin(context.database, build, pointer)) === 'changed') return;
  }
}

/** The most tries of a swap while the live slot moves without the build. */
const SWAP_TRIES = 50;

interface SwapProgress {
  readonly isDone: boolean;
  readonly tries: number;
}

/** Makes the build the live slot. If the live slot has moved on without it, closes that gap first, and leaves the swap to the next try. */
export async function swap(
  context: BuildContext,
  { tries }: SwapProgress = { isDone: false, tries: 0 },
): Promise<SwapProgress> {
  if (tries === SWAP_TRIES)
    throw new BuildEnded({
      message: 'the live slot keeps moving without the build: does a Worker without its code still run?',
    });
  if (await swapUnlessBehind(context)) return { isDone: true, tries };
  await closeGap(context);
  return { isDone: false, tries: tries + 1 };
}

/** Swaps. Returns false if the build is behind the live slot. */
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
    // Two kinds of stream need a catch-up. A stream that a restored log had stopped now goes on: consumers acknowledged its messages while it was
    // held. A stream in which only the build has an event is compared with its log, which may have lost the event. If this fails, the swap stands,
    // and the sweep finds these streams.
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
