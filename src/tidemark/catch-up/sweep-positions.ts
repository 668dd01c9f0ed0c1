import type { Group } from '../platform/group.ts';
import type { Hint } from '../write/message.ts';
import type { StreamId } from '../domain/stream.ts';
import type { DeadLetterCause } from '../dead-letters/dead-letter.ts';
import type { Projection } from '../projections/projection.ts';
import type { SystemContext } from '../projections/system-context.ts';
import { follows } from './projection-worker.ts';
import { vouchedName } from '../projections/checkpoint.ts';
import type { Slot } from '../projections/slot-tables.ts';

/** A version of a stream, and the id of the event there. */
export interface EventAt {
  readonly version: number;
  readonly eventId: string;
}

/** The positions of one projection in the streams of a page. */
export interface Positions {
  readonly projection: Projection;
  /** False while nothing is live, or this Worker has no code for the live revision. Then no reminder can move the projection. */
  readonly isMovable: boolean;
  /** In the live slot. */
  readonly live: ReadonlyMap<StreamId, EventAt>;
  /** In the other slot, while batches move it. It may be ahead of the live one. */
  readonly other: ReadonlyMap<StreamId, EventAt>;
  /** The streams that an open dead letter holds in the live slot, each with its cause. */
  readonly held: ReadonlyMap<StreamId, DeadLetterCause>;
  /** The streams of the page that have a shared row, also one that does not name this projection. */
  readonly sharedStreams: readonly StreamId[];
}

type Row = Readonly<Record<string, unknown>>;

/**
 * The positions of a group's projections in the next streams after the cursor. They come from one batch, and so from one snapshot. Each projection
 * gives as many of its next streams as the page takes, so together they cover the page.
 */
export async function readPositions(
  { registry }: Pick<SystemContext, 'registry'>,
  database: D1Database,
  group: Group,
  cursor: string,
  take: number,
): Promise<readonly Positions[]> {
  const projections = registry.projectionsOf(group);
  const checkpoints = database.prepare(
    'SELECT stream, version, event_id FROM checkpoint WHERE projection = ?1 AND slot = ?2 AND stream > ?3 ORDER BY stream LIMIT ?4',
  );
  const heldStreams = database.prepare(
    'SELECT stream, cause FROM held_stream WHERE projection = ?1 AND stream > ?2 ORDER BY stream LIMIT ?3',
  );
  const [pointers, shared, ...answers] = await database.batch<Row>([
    database.prepare('SELECT projection, live_revision, live_slot, moved FROM projection_pointer'),
    // All shared rows of the page, whatever they name: a search for one name might read all rows.
    database
      .prepare(
        'SELECT stream, version, event_id, vouches FROM shared_checkpoint WHERE stream > ?1 ORDER BY stream LIMIT ?2',
      )
      .bind(cursor, take),
    ...projections.flatMap(({ name }) => [
      checkpoints.bind(name, 'a', cursor, take),
      checkpoints.bind(name, 'b', cursor, take),
      heldStreams.bind(name, cursor, take),
    ]),
  ]);
  const sharedRows = (shared?.results ?? []).map((row) => ({
    row,
    names: JSON.parse(row['vouches'] as string) as string[],
  }));
  const sharedIn = (name: string, slot: Slot) =>
    sharedRows.flatMap(({ row, names }) => (names.includes(vouchedName(name, slot)) ? [row] : []));
  return projections.map((projection, index) => {
    const pointer = pointers?.results.find((row) => row['projection'] === projection.name);
    const revision = (pointer?.['live_revision'] ?? 0) as number;
    const [inA, inB, held] = answers.slice(3 * index, 3 * index + 3);
    const [a, b] = [
      reachedIn([...(inA?.results ?? []), ...sharedIn(projection.name, 'a')]),
      reachedIn([...(inB?.results ?? []), ...sharedIn(projection.name, 'b')]),
    ];
    const isLive = (slot: Slot) => pointer?.['live_slot'] === slot;
    const isMoved = JSON.parse((pointer?.['moved'] ?? '[]') as string).length > 0;
    return {
      projection,
      isMovable: revision > 0 && registry.revisionOf(projection.name, revision) !== undefined,
      live: isLive('b') ? b : a,
      other: isMoved ? (isLive('b') ? a : b) : new Map<StreamId, EventAt>(),
      held: heldIn(held),
      sharedStreams: sharedRows.map(({ row }) => row['stream'] as StreamId),
    };
  });
}

function reachedIn(rows: readonly Row[]): ReadonlyMap<StreamId, EventAt> {
  return new Map(
    rows.map(({ stream, version, event_id: eventId }) => [
      stream as StreamId,
      { version: version as number, eventId: eventId as string },
    ]),
  );
}

function heldIn(answer: D1Result<Row> | undefined): ReadonlyMap<StreamId, DeadLetterCause> {
  return new Map((answer?.results ?? []).map(({ stream, cause }) => [stream as StreamId, cause as DeadLetterCause]));
}

/**
 * The highest version of a stream in any projection of any group. This is a lower bound of the log's version, used if the log does not answer. A held
 * stream does not count: the projection may have the history of a log that was restored since.
 */
export function headOf(stream: StreamId, all: readonly Positions[]): number {
  const versions = all.flatMap((positions) =>
    positions.held.has(stream) ? [] : reachedBy(stream, positions).map(({ version }) => version),
  );
  return Math.max(0, ...versions);
}

/** The positions of a projection in a stream, in the live slot and in the other one. */
export function reachedBy(stream: StreamId, { live, other }: Positions): readonly EventAt[] {
  return [live.get(stream) ?? [], other.get(stream) ?? []].flat();
}

/** The reminder that a group needs about a stream, if one of its projections lags or is named in `contradicting`. */
export function reminderFor(
  stream: StreamId,
  head: number,
  positions: readonly Positions[],
  contradicting: ReadonlySet<string>,
): readonly Hint[] {
  const needing = positions.flatMap(({ projection, isMovable, live, held }) => {
    if (!isMovable || !follows(projection, stream)) return [];
    const version = live.get(stream)?.version ?? 0;
    const isRecheck = contradicting.has(projection.name);
    const isLagging = version < head && !held.has(stream);
    return isLagging || isRecheck ? [{ version, isRecheck }] : [];
  });
  if (needing.length === 0) return [];
  const fromVersion = Math.min(head, ...needing.map(({ version }) => version + 1));
  const isRecheck = needing.some((one) => one.isRecheck);
  return [{ stream, fromVersion, toVersion: head, ...(isRecheck && { isRecheck }) }];
}
