import { REPLAYED_AT_ONCE, type ReplayPage, replayPage } from '../archive/archive.ts';
import { noteProgress } from '../projections/build.ts';
import { type BuildContext, BuildEnded, current } from './build-context.ts';
import { catchUpBuild, doneOf, takePages } from './build-pages.ts';
import { noteCleared } from './build-transitions.ts';
import { clearSlot } from './slot-clearing.ts';
import type { CatchUpRequest } from '../catch-up/stream-progress.ts';

/** Empties the build's slot, which no query reads and no batch moves. */
export async function clearBuildSlot(context: BuildContext): Promise<{ readonly isDone: boolean }> {
  const { database, name, registry, throttle, pagesAStep, at } = context;
  for (;;) {
    const { build, pointer, hasJoined } = await current(context);
    // Another run of this step came first, for example after a timeout; or the steps run anew, and the build has joined already.
    if (hasJoined || build.clearedAt !== null) return { isDone: true };
    const outcomes = new Set<string>();
    for (const revision of registry.revisionsOf(name)) {
      const options = { throttle, maxChunks: pagesAStep };
      outcomes.add(await clearSlot(database, revision, build.target.slot, pointer, options));
      if (outcomes.has('more')) return { isDone: false };
    }
    if (outcomes.has('epoch-changed')) continue;
    if ((await noteCleared(database, build, pointer, at())) === 'changed') return { isDone: true };
  }
}

/** The progress of a replay. */
interface ReplayProgress {
  readonly isDone: boolean;
  /** The last position in the archive that was replayed. */
  readonly position: number;
  /** The number of replayed events. */
  readonly replayed: number;
}

/** Applies the archived events to the build, page by page. */
export function replayArchive(
  context: BuildContext,
  from: ReplayProgress = { isDone: false, position: 0, replayed: 0 },
): Promise<ReplayProgress> {
  const { databaseOf, archive, database, id, throttle, at } = context;
  return takePages(context, from, async (progress, budget) => {
    const active = await current(context);
    const maxEvents = throttle.take(REPLAYED_AT_ONCE);
    const archiveDatabase = databaseOf(archive.group);
    const page = await replayPage(archiveDatabase, archive, active.projection, progress.position, { maxEvents });
    if (!page) throw new BuildEnded({ message: 'the archive is not live, so there is nothing to build from' });
    if (page.last === undefined) return { progress: { ...progress, isDone: true } };
    const requests = toRequests(page);
    const result = await catchUpBuild(context, active, requests, budget);
    if (!result) return undefined;
    if (doneOf(requests, result) < requests.length) return { progress, left: { hasMoved: result.applied > 0 } };
    const replayed = progress.replayed + page.events.length;
    await noteProgress(database, id, { replayed, at: at() });
    return { progress: { isDone: false, position: page.last, replayed } };
  });
}

/** Requests for the archived events, stream by stream. A stream whose log was restored is taken from its log. */
function toRequests({ events, restored }: ReplayPage): readonly CatchUpRequest[] {
  return [...Map.groupBy(events, ({ stream }) => stream)].map(([stream, archived]) =>
    restored.has(stream)
      ? { stream, wanted: 'head' as const }
      : { stream, wanted: archived.at(-1)?.version ?? 0, archived },
  );
}
