import { joinPosition, positionAt } from '../projections/checkpoint.ts';
import type { Group } from '../platform/group.ts';
import type { StreamId } from '../domain/stream.ts';
import type { Reached } from '../write/relay.ts';
import { ACTIVE } from '../projections/build.ts';
import type { Projection } from '../projections/projection.ts';
import type { SystemContext } from '../projections/system-context.ts';

/** How far the live slot of one projection has brought one stream. */
export interface LiveVersion {
  readonly projection: string;
  readonly stream: StreamId;
  readonly version: number;
  /** The id of the event at `version`; null at 0. */
  readonly eventId: string | null;
  /** An open dead letter holds the stream: only an operator can move it. */
  readonly isHeld: boolean;
  /** Nothing is live, the last build has ended, and none is active: only an operator can start another. */
  readonly awaitsBuild: boolean;
}

/**
 * How far the live slots of some projections of one database have brought some streams, read from its primary in one statement. A projection without
 * a row for a stream is at version 0, not "up to date".
 */
export async function liveVersions(
  database: D1Database | D1DatabaseSession,
  projections: readonly Pick<Projection, 'name'>[],
  streams: readonly StreamId[],
): Promise<readonly LiveVersion[]> {
  const { results } = await database
    .prepare(
      `SELECT projection.value AS projection, stream.value AS stream, coalesce(${positionAt('live', 'version')}, 0) AS version,
        ${positionAt('live', 'event_id')} AS eventId,
        EXISTS (SELECT 1 FROM held_stream AS h WHERE h.projection = projection.value AND h.stream = stream.value) AS is_held,
        -- In this sequence, the query reads no build of a live projection.
        coalesce(pointer.live_revision, 0) = 0
          AND EXISTS (SELECT 1 FROM projection_build AS b WHERE b.projection = projection.value)
          AND NOT EXISTS (SELECT 1 FROM projection_build AS b WHERE b.projection = projection.value AND b.state IN ${ACTIVE})
          AS awaits_build
      FROM json_each(?1) AS projection
      CROSS JOIN json_each(?2) AS stream
      LEFT JOIN projection_pointer AS pointer ON pointer.projection = projection.value
      ${joinPosition('live', 'projection.value', 'pointer.live_slot', 'stream.value')}`,
    )
    .bind(JSON.stringify(projections.map(({ name }) => name)), JSON.stringify(streams))
    .all<Omit<LiveVersion, 'isHeld' | 'awaitsBuild'> & { is_held: number; awaits_build: number }>();
  return results.map(({ is_held: isHeld, awaits_build: awaitsBuild, ...version }) => ({
    ...version,
    isHeld: isHeld === 1,
    awaitsBuild: awaitsBuild === 1,
  }));
}

/**
 * How far the projections of a group have brought a stream, for the delivery check of its object. With `names`, only those projections. Leaves out a
 * projection that no message can move. A dead letter holds it, or its first build has failed. In the second case, the next build takes the event from
 * the archive, which has a delivery check of its own.
 */
export async function versionsReached(
  { registry, databaseOf }: Pick<SystemContext, 'registry' | 'databaseOf'>,
  group: Group,
  stream: StreamId,
  names: readonly string[] | undefined,
): Promise<ReadonlyMap<string, Reached>> {
  const projections = registry
    .projectionsFollowing(stream)
    .filter((projection) => projection.group === group && (names?.includes(projection.name) ?? true));
  const versions = await liveVersions(databaseOf(group), projections, [stream]);
  return new Map(
    versions.flatMap(({ projection, version, eventId, isHeld, awaitsBuild }) =>
      isHeld || awaitsBuild ? [] : [[projection, { version, eventId }]],
    ),
  );
}
