import type { StreamId } from '../domain/stream.ts';
import { archivedHeads } from '../archive/archive.ts';
import { type ActiveBuild, type BuildContext, current } from './build-context.ts';
import {
  NEW_PASS,
  PAGE_STREAMS,
  type Pass,
  type StreamPage,
  catchUpBuild,
  takePages,
  takenStreams,
} from './build-pages.ts';
import { type Target, UNBUILT } from '../projections/pointer.ts';
import type { Projection } from '../projections/projection.ts';
import { firstInBoth, joinPosition, ofTarget, positionAt } from '../projections/checkpoint.ts';
import { butForRestoredLogs, restoredIn } from '../dead-letters/restored-logs.ts';
import type { CatchUpRequest } from '../catch-up/stream-progress.ts';

/** Brings the build up in every stream in which the live slot (for a first build, the archive) is ahead of it. */
export function closeGap(context: BuildContext, from: Pass = NEW_PASS): Promise<Pass> {
  return takePages(context, from, async ({ after }, budget) => {
    const active = await current(context);
    const isFirst = active.pointer.live.revision === UNBUILT;
    const page = await (isFirst ? gapToArchive : gapToLive)(context, active, after);
    const result = await catchUpBuild(context, active, page.requests, budget);
    return result && takenStreams(after, page, [result]);
  });
}

async function gapToLive(
  { database, name }: BuildContext,
  { pointer, build }: ActiveBuild,
  after: string,
): Promise<StreamPage> {
  const { results } = await database
    .prepare(
      firstInBoth(
        `${PAGE_STREAMS}`,
        (table, onPage) => `SELECT live.stream, live.version AS wanted
          FROM ${table} AS live
          ${joinPosition('build', '?1', '?3', 'live.stream')}
          WHERE ${ofTarget(table, 'live', '?1', '?2')} AND live.stream > ?4 AND ${onPage('live.stream')}
            AND coalesce(${positionAt('build', 'version')}, 0) < live.version
            AND ${butForRestoredLogs('?1')}`,
      ),
    )
    .bind(name, pointer.live.slot, build.target.slot, after)
    .all<{ stream: StreamId; wanted: number }>();
  return { last: results.length === PAGE_STREAMS ? results.at(-1)?.stream : undefined, requests: results };
}

/** The next streams after `after` in which the archive is ahead of the build. */
export async function gapToArchive(
  { databaseOf, archive, database, name }: Pick<BuildContext, 'databaseOf' | 'archive' | 'database' | 'name'>,
  { projection, build }: { readonly projection: Projection; readonly build: { readonly target: Target } },
  after: string,
): Promise<StreamPage> {
  const archiveDatabase = databaseOf(archive.group);
  const heads = await archivedHeads(archiveDatabase, archive, projection, after, PAGE_STREAMS);
  const reached = await versionsIn(database, name, build.target, [...heads.versions.keys()]);
  // The logs of these streams have lost events that the archive has. Only the logs know their length.
  const restored = new Set(await restoredIn(archiveDatabase, archive.name));
  return {
    last: heads.last,
    requests: [...heads.versions].flatMap(([stream, version]): readonly CatchUpRequest[] => {
      if (restored.has(stream)) return [{ stream, wanted: 'head' }];
      return (reached.get(stream) ?? 0) < version ? [{ stream, wanted: version }] : [];
    }),
  };
}

/** The versions to which a slot has brought some streams. */
async function versionsIn(
  database: D1Database,
  name: string,
  { slot }: Target,
  streams: readonly StreamId[],
): Promise<ReadonlyMap<StreamId, number>> {
  const { results } = await database
    .prepare(
      `SELECT wanted.value AS stream, ${positionAt('at', 'version')} AS version
      FROM json_each(?3) AS wanted
      ${joinPosition('at', '?1', '?2', 'wanted.value')}
      WHERE ${positionAt('at', 'version')} IS NOT NULL`,
    )
    .bind(name, slot, JSON.stringify(streams))
    .all<{ stream: StreamId; version: number }>();
  return new Map(results.map(({ stream, version }) => [stream, version]));
}

/**
 * Streams from `from` on in which the build is further than the live slot, in order. Streams that a dead letter holds are left out:
 * only an operator brings them up.
 */
export async function aheadOfLive(
  database: D1Database,
  name: string,
  live: Target,
  build: Target,
  { from = '', atMost = PAGE_STREAMS }: { readonly from?: string; readonly atMost?: number } = {},
): Promise<readonly StreamId[]> {
  if (live.revision === UNBUILT) return [];
  const { results } = await database
    .prepare(
      firstInBoth(
        '?5',
        (table, onPage) => `SELECT build.stream
          FROM ${table} AS build
          ${joinPosition('live', '?1', '?2', 'build.stream')}
          WHERE ${ofTarget(table, 'build', '?1', '?3')} AND build.stream >= ?4 AND ${onPage('build.stream')}
            AND build.version > coalesce(${positionAt('live', 'version')}, 0)
            AND NOT EXISTS (SELECT 1 FROM held_stream AS h WHERE h.projection = ?1 AND h.stream = build.stream)`,
      ),
    )
    .bind(name, live.slot, build.slot, from, atMost)
    .all<{ stream: StreamId }>();
  return results.map(({ stream }) => stream);
}
