import type { StreamId } from '../domain/stream.ts';
import { noteProgress } from '../projections/build.ts';
import { type BuildContext, current } from './build-context.ts';
import { NEW_PASS, PAGE_STREAMS, type Pass, type StreamPage, takePages, takenStreams } from './build-pages.ts';
import type { CatchUpResult } from '../catch-up/catch-up.ts';
import { type ComparisonProgress, compareSlots } from './comparison.ts';
import { countHeld } from '../dead-letters/dead-letter.ts';
import { firstPositionsOf } from '../projections/checkpoint.ts';
import { type Target, UNBUILT } from '../projections/pointer.ts';
import { restoredIn } from '../dead-letters/restored-logs.ts';
import { isUncompared } from '../catch-up/stream-progress.ts';

/**
 * Only in a trial: compares every live stream with its log, in the live slot and in the archive. If a log was restored to an earlier time, both stop
 * at a dead letter. A replay of the archive alone would not notice that.
 */
export function compareWithLogs(context: BuildContext, from: Pass = NEW_PASS): Promise<Pass> {
  const { database, name, archive, catchUp } = context;
  return takePages(context, from, async ({ after }, budget) => {
    const { projection, pointer, build } = await current(context);
    // The purpose of a trial is to compare. Other builds do not read every log.
    if (!build.isTrial || pointer.live.revision === UNBUILT) return { progress: { isDone: true, after } };
    const page = await streamsIn(database, name, pointer.live, after);
    const results = [
      await catchUp(projection, page.requests, { budget }),
      await catchUp(archive, page.requests, { budget }),
    ];
    for (const result of results) assertCompared(result);
    return takenStreams(after, page, results);
  });
}

/** Throws if a log could not be compared. The step is then tried again. */
function assertCompared({ streams }: CatchUpResult): void {
  for (const { stream, standstill } of streams.values()) {
    if (standstill && isUncompared(standstill) && !standstill.isLeft)
      throw new Error(`the log of ${stream} could not be compared: ${standstill.reason}`);
  }
}

/** The next streams of a slot after `after`, in order. */
async function streamsIn(database: D1Database, name: string, { slot }: Target, after: string): Promise<StreamPage> {
  const { results } = await database
    .prepare(firstPositionsOf('?1', '?2', 'stream > ?3', `${PAGE_STREAMS}`))
    .bind(name, slot, after)
    .all<{ stream: StreamId }>();
  return {
    last: results.length === PAGE_STREAMS ? results.at(-1)?.stream : undefined,
    requests: results.map(({ stream }) => ({ stream, wanted: 'head', isRecheck: true })),
  };
}

/** The progress of the comparison of a build with the live slot. */
interface BuildComparison {
  readonly isDone: boolean;
  readonly compared?: ComparisonProgress | undefined;
  /** Set once it is done. False if the build waits for an operator to accept it. */
  readonly maySwap?: boolean;
}

/** Compares the build with the live slot, row by row, and decides whether the build may be swapped in. */
export async function compareWithLive(
  context: BuildContext,
  { compared: from }: BuildComparison = { isDone: false },
): Promise<BuildComparison> {
  const { database, name, id, registry, throttle, pagesAStep, at } = context;
  const { build, pointer, projection } = await current(context);
  if (pointer.live.revision === UNBUILT) return decided(context, !build.isTrial);
  const live = registry.revisionsOf(name).find(({ revision }) => revision === pointer.live.revision);
  if (!live) throw new Error(`this Worker has no code for revision ${pointer.live.revision} of ${name}`);
  await noteProgress(database, id, { state: 'comparing', at: at() });
  const compared = await compareSlots(
    database,
    { target: pointer.live, projection: live },
    { target: build.target, projection },
    { throttle, maxPages: pagesAStep },
    from,
  );
  if (!compared.isDone) return { isDone: false, compared: compared.progress };
  const { comparison } = compared;
  // Neither slot applies events beyond an open dead letter. So both can be equal and yet behind the log.
  const held = await countHeld(database, name);
  const restored = (await restoredIn(database, name)).length;
  await noteProgress(database, id, { comparison: JSON.stringify({ ...comparison, held, restored }), at: at() });
  // The declaration accepts the differences of its own revision. A build of the live revision must not differ.
  const isRevision = build.liveRevision !== build.target.revision;
  const mayDiffer = build.acceptsDifferences || (isRevision && projection.acceptsDifferences === true);
  return decided(context, !build.isTrial && (comparison.isEqual || mayDiffer));
}

async function decided({ database, id, at }: BuildContext, maySwap: boolean): Promise<BuildComparison> {
  if (!maySwap) await noteProgress(database, id, { state: 'awaiting-acceptance', at: at() });
  return { isDone: true, maySwap };
}
