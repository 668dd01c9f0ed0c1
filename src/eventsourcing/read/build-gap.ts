import type { Group } from '../group.ts';
import type { StreamId } from '../stream.ts';
import { archivedHeads } from './archive.ts';
import type { CatchUpRequest } from './stream-progress.ts';
import { type Target, UNBUILT, type Pointer } from './pointer.ts';
import { BUT_FOR_RESTORED_LOGS, restoredIn } from './restored-logs.ts';
import type { Projection } from './projection.ts';

/** Which of the two has to be brought up to the other. */
export type Side = 'build' | 'live';

/** A page of the streams in which one side is behind the other, in their order. */
export interface GapPage {
  /** The last stream that was looked at; undefined on the last page. */
  readonly last: StreamId | undefined;
  readonly requests: readonly GapRequest[];
}

export type GapRequest = CatchUpRequest & {
  /** Where the side that is behind has the stream. */
  readonly reached: number;
};

/** A build, what it is built beside, and where it replays from. */
export interface Gap {
  readonly databaseOf: (group: Group) => D1Database;
  readonly archive: Projection;
  readonly projection: Projection;
  readonly pointer: Pointer;
  readonly build: Target;
}

/** Streams that are brought up at once. */
const PAGE_STREAMS = 200;

/** The next streams after `after` in which `side` is behind: the other slot, or in a first build the archive. */
export async function nextGap(gap: Gap, side: Side, after: string): Promise<GapPage> {
  if (gap.pointer.live.revision !== UNBUILT) return gapBetweenSlots(gap, side, after);
  return side === 'build' ? gapToArchive(gap, after) : { last: undefined, requests: [] };
}

async function gapBetweenSlots(
  { databaseOf, projection, pointer, build }: Gap,
  side: Side,
  after: string,
): Promise<GapPage> {
  const [ahead, late] = side === 'build' ? (['live', 'build'] as const) : (['build', 'live'] as const);
  const slots = { live: pointer.live.slot, build: build.slot };
  const { results } = await databaseOf(projection.group)
    .prepare(
      `SELECT ${ahead}.stream, ${ahead}.version AS wanted, coalesce(${late}.version, 0) AS reached
      FROM checkpoint AS ${ahead}
      LEFT JOIN checkpoint AS ${late}
        ON ${late}.projection = ${ahead}.projection AND ${late}.slot = ?3 AND ${late}.stream = ${ahead}.stream
      WHERE ${ahead}.projection = ?1 AND ${ahead}.slot = ?2 AND ${ahead}.stream > ?4
        AND coalesce(${late}.version, 0) < ${ahead}.version
        AND ${BUT_FOR_RESTORED_LOGS}
      ORDER BY ${ahead}.stream
      LIMIT ${PAGE_STREAMS}`,
    )
    .bind(projection.name, slots[ahead], slots[late], after)
    .all<{ stream: StreamId; wanted: number; reached: number }>();
  return { last: results.length === PAGE_STREAMS ? results.at(-1)?.stream : undefined, requests: results };
}

async function gapToArchive({ databaseOf, archive, projection, build }: Gap, after: string): Promise<GapPage> {
  const archiveDatabase = databaseOf(archive.group);
  const heads = await archivedHeads(archiveDatabase, archive, projection, after, PAGE_STREAMS);
  const reached = await versionsIn(databaseOf(projection.group), projection.name, build, [...heads.versions.keys()]);
  // What the archive has of these, their logs have lost: how far they go only the logs can tell.
  const restored = new Set(await restoredIn(archiveDatabase, archive.name));
  return {
    last: heads.last,
    requests: [...heads.versions].flatMap(([stream, version]): readonly GapRequest[] => {
      const at = { stream, reached: reached.get(stream) ?? 0 };
      if (restored.has(stream)) return [{ ...at, wanted: 'head' }];
      return at.reached < version ? [{ ...at, wanted: version }] : [];
    }),
  };
}

/** The next streams after `after` that a slot has, in their order; `last` is undefined on the last page. */
export async function streamsIn(
  database: D1Database,
  name: string,
  { slot }: Target,
  after: string,
): Promise<{ readonly last: StreamId | undefined; readonly streams: readonly StreamId[] }> {
  const { results } = await database
    .prepare(
      `SELECT stream FROM checkpoint
      WHERE projection = ?1 AND slot = ?2 AND stream > ?3
      ORDER BY stream
      LIMIT ${PAGE_STREAMS}`,
    )
    .bind(name, slot, after)
    .all<{ stream: StreamId }>();
  const streams = results.map(({ stream }) => stream);
  return { last: streams.length === PAGE_STREAMS ? streams.at(-1) : undefined, streams };
}

/** How far a slot has brought some streams. */
async function versionsIn(
  database: D1Database,
  name: string,
  { slot }: Target,
  streams: readonly StreamId[],
): Promise<ReadonlyMap<StreamId, number>> {
  const { results } = await database
    .prepare(
      `SELECT c.stream, c.version
      FROM json_each(?3) AS wanted
      JOIN checkpoint AS c ON c.projection = ?1 AND c.slot = ?2 AND c.stream = wanted.value`,
    )
    .bind(name, slot, JSON.stringify(streams))
    .all<{ stream: StreamId; version: number }>();
  return new Map(results.map(({ stream, version }) => [stream, version]));
}
