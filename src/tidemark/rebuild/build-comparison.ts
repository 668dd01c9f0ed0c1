import type { StreamId } from '../domain/stream.ts';
import { noteProgress } from './build.ts';
import { type BuildContext, current } from './build-context.ts';
import { NEW_PASS, PAGE_STREAMS, type Pass, type StreamPage, takePages, takenStreams } from './build-pages.ts';
import type { CatchUpResult } from '../catch-up/catch-up.ts';
import { type ComparisonProgress, compareSlots } from './comparison.ts';
import { countHeld } from '../dead-letters/dead-letter.ts';
import { type Target, UNBUILT } from '../projections/pointer.ts';
import { restoredIn } from '../dead-letters/restored-logs.ts';
import { isUncompared } from '../catch-up/stream-progress.ts';

/**
 * Only in a trial: has every stream that is live compared with its log, in what is live and in the archive. Where a log was restored to an
 * earlier time, both stop at a dead letter. A replay of the archive alone would not notice.
 */
export function compareWithLogs(context: BuildContext, from: Pass = NEW_PASS): Promise<Pass> {
  const { database, name, archive, catchUp } = context;
  return takePages(context, from, async ({ after }, budget) => {
    const { projection, pointer, build } = await current(context);
    // Comparing is what a trial is for. Any other build is spared a read of every log.
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

/** Throws where a log could not be compared: the step is tried again. */
function assertCompared({ streams }: CatchUpResult): void {
  for (const { stream, standstill } of streams.values()) {
    if (standstill && isUncompared(standstill) && !standstill.isLeft)
      throw new Error(`the log of ${stream} could not be compared: ${standstill.reason}`);
  }
}

/** The next streams after `after` that a slot has, in their order. */
async function streamsIn(database: D1Database, name: string, { slot }: Target, after: string): Promise<StreamPage> {
  const { results } = await database
    .prepare(
      `SELECT stream FROM checkpoint
      WHERE projection = ?1 AND slot = ?2 AND stream > ?3
      ORDER BY stream
      LIMIT ${PAGE_STREAMS}`,
    )
    .bind(name, slot, after)
    .all<{ stream: StreamId }>();
  return {
    last: results.length === PAGE_STREAMS ? results.at(-1)?.stream : undefined,
    requests: results.map(({ stream }) => ({ stream, wanted: 'head', isRecheck: true })),
  };
}

/** How far the comparison of a build with what is live is. */
interface BuildComparison {
  readonly isDone: boolean;
  readonly compared?: ComparisonProgress | undefined;
  /** Once it is done: false where the build waits for consent. */
  readonly maySwap?: boolean;
}

/** Compares the build with what is live, row by row, and decides whether it may be swapped in. */
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
  // Beyond an open dead letter neither of the two was folded: they may be equal, and both behind the log.
  const held = await countHeld(database, name);
  const restored = (await restoredIn(database, name)).length;
  await noteProgress(database, id, { comparison: JSON.stringify({ ...comparison, held, restored }), at: at() });
  // What the declaration accepts is what its revision brings; of the same revision, nothing may differ.
  const isRevision = build.liveRevision !== build.target.revision;
  const mayDiffer = build.acceptsDifferences || (isRevision && projection.acceptsDifferences === true);
  return decided(context, !build.isTrial && (comparison.isEqual || mayDiffer));
}

async function decided({ database, id, at }: BuildContext, maySwap: boolean): Promise<BuildComparison> {
  if (!maySwap) await noteProgress(database, id, { state: 'awaiting-acceptance', at: at() });
  return { isDone: true, maySwap };
}
