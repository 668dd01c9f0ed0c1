import { noteProgress } from '../projections/build.ts';
import { type BuildContext, current } from './build-context.ts';
import { aheadOfLive } from './build-gap.ts';

interface Wait {
  readonly isDone: boolean;
  /** Time, in ms, to sleep before the next check, unless the wait is over. */
  readonly napMs: number;
}

/** In ms. Shorter than the time after which a build counts as silent. */
const LONGEST_NAP_MS = 15_000;

/** For a new revision: waits until no Worker without its code can still run. Such a Worker moves the live slot alone. */
export async function waitForFormerWorkers(context: BuildContext): Promise<Wait> {
  const { database, id, buildGraceMs, clock, at } = context;
  const { build } = await current(context);
  await noteProgress(database, id, { at: at() });
  const isRevision = build.liveRevision !== build.target.revision;
  const leftMs = isRevision ? Date.parse(build.startedAt) + buildGraceMs - clock.now() : 0;
  return { isDone: leftMs <= 0, napMs: Math.min(leftMs, LONGEST_NAP_MS) };
}

/** About ten minutes. By then a lost message has been sent again, and the cron trigger has started two sweeps. */
const NAPS_FOR_LIVE = 44;

interface WaitForLive extends Wait {
  readonly naps: number;
  /** The first stream that the live slot lacked events of. */
  readonly from: string;
}

/**
 * Waits until the live slot has every event that the build has. The archive, from which the build was replayed, may have been ahead, and a
 * comparison would take that for a difference. Queue and sweep bring the live slot up. After ten minutes something keeps it back, and the
 * comparison shows it.
 *
 * Each look begins at the stream that the look before ended at, so that all of them together read the checkpoints about twice. The last one
 * reads them from the start, since a dead letter may have released a stream meanwhile.
 */
export async function waitForLive(
  context: BuildContext,
  { naps, from = '' }: { readonly naps: number; readonly from?: string } = { naps: 0 },
): Promise<WaitForLive> {
  const { database, name, id, at } = context;
  const { build, pointer } = await current(context);
  await noteProgress(database, id, { at: at() });
  const napMs = Math.min(1_000 * 2 ** naps, LONGEST_NAP_MS);
  if (naps === NAPS_FOR_LIVE) return { isDone: true, naps, from, napMs };

  async function firstAhead(start: string): Promise<string | undefined> {
    const [first] = await aheadOfLive(database, name, pointer.live, build.target, { from: start, atMost: 1 });
    return first;
  }
  const ahead = (await firstAhead(from)) ?? (from === '' ? undefined : await firstAhead(''));
  return { isDone: ahead === undefined, naps: naps + 1, from: ahead ?? '', napMs };
}
