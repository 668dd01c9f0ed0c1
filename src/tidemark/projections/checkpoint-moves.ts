import type { StreamId } from '../domain/stream.ts';
import { type Position, type SharedRow, vouchedName } from './checkpoint.ts';
import type { Preparing } from './guarded-batch.ts';
import type { Slot } from './slot-tables.ts';

/** One target's move along a stream. */
export interface CheckpointMove {
  readonly projection: string;
  readonly slot: Slot;
  readonly stream: StreamId;
  readonly from: Position;
  readonly toVersion: number;
  readonly toEventId: string;
}

/** Where the positions of one stream are stored after some targets have moved. */
export interface StreamPlan {
  /** The shared row. Undefined: it names no target any more. */
  readonly shared: SharedRow | undefined;
  /** Whether the plan changes the shared row. */
  readonly changesShared: boolean;
  /** The targets that get, or keep, a row of their own, with their new position. */
  readonly own: readonly OwnRow[];
  /** The targets whose own row goes, since the shared row names them now. */
  readonly joined: readonly CheckpointMove[];
}

interface OwnRow {
  readonly projection: string;
  readonly slot: Slot;
  readonly version: number;
  readonly eventId: string;
}

/**
 * Decides where the positions of a stream are stored after a batch. Two or more targets that the batch moves to one event share the row: it moves with
 * them. So it does with a single target, if it names no other one. Each target that does not move gets a row of its own at its old position, also
 * one that this code does not know. If more targets stay than move, the shared row stays, and each target that moves gets a row of its own.
 *
 * With `shares` false, each moved target gets a row of its own, where Workers of the release before look for it.
 */
export function planStream(moves: readonly CheckpointMove[], shares: boolean): StreamPlan {
  const shared = moves[0]?.from.shared;
  const named = shared?.vouches ?? [];
  const together = shares ? mostAtOneEvent(moves) : [];
  const sharing = new Set(together.map(nameOf));
  const staying = named.filter((name) => !sharing.has(name));
  const [first, ...more] = together;
  const follows = more.length > 0 ? together.length >= staying.length : named.length > 0 && staying.length === 0;
  if (!first || !follows) {
    const leaving = new Set(moves.map(nameOf));
    const left = named.filter((name) => !leaving.has(name));
    return {
      shared: shared && left.length > 0 ? { ...shared, vouches: left } : undefined,
      changesShared: left.length < named.length,
      own: moves.map(toOwnRow),
      joined: [],
    };
  }
  const others = moves.filter((move) => !sharing.has(nameOf(move)));
  const moved = new Set(moves.map(nameOf));
  const leftBehind = staying.filter((name) => !moved.has(name)).map((name) => stayingRow(name, shared as SharedRow));
  return {
    shared: { version: first.toVersion, eventId: first.toEventId, vouches: [...sharing].toSorted() },
    changesShared: true,
    own: [...others.map(toOwnRow), ...leftBehind],
    joined: together.filter((move) => move.from.version > 0 && !named.includes(nameOf(move))),
  };
}

/** The largest set of moves that end at the same event. */
function mostAtOneEvent(moves: readonly CheckpointMove[]): readonly CheckpointMove[] {
  const byEvent = Map.groupBy(moves, ({ toVersion, toEventId }) => `${toVersion} ${toEventId}`);
  return [...byEvent.values()].reduce<readonly CheckpointMove[]>(
    (most, those) => (those.length > most.length ? those : most),
    [],
  );
}

function nameOf({ projection, slot }: { readonly projection: string; readonly slot: Slot }): string {
  return vouchedName(projection, slot);
}

function toOwnRow({ projection, slot, toVersion: version, toEventId: eventId }: CheckpointMove): OwnRow {
  return { projection, slot, version, eventId };
}

function stayingRow(name: string, { version, eventId }: SharedRow): OwnRow {
  const slash = name.lastIndexOf('/');
  return { projection: name.slice(0, slash), slot: name.slice(slash + 1) as Slot, version, eventId };
}

/**
 * The statements that assert all positions as they were read, and then move them. If a position has changed since, the batch fails with
 * `checkpoint_as_read` (I9, I10).
 */
export function checkpointStatements(
  database: Preparing,
  moves: readonly CheckpointMove[],
  shares: boolean,
): readonly D1PreparedStatement[] {
  const plans = [...Map.groupBy(moves, ({ stream }) => stream)].map(([stream, its]) => ({
    stream,
    its,
    before: its[0]?.from.shared,
    plan: planStream(its, shares),
  }));
  const isNamed = ({ projection, slot, from }: CheckpointMove) =>
    from.shared?.vouches.includes(vouchedName(projection, slot)) === true;
  const ownAsRead = moves.filter((move) => !isNamed(move));
  const changed = plans.filter(({ plan }) => plan.changesShared);
  const written = changed.flatMap(({ stream, plan: { shared } }) =>
    shared ? [[stream, shared.version, shared.eventId, JSON.stringify(shared.vouches)]] : [],
  );
  const emptied = changed.flatMap(({ stream, plan: { shared } }) => (shared ? [] : [stream]));
  const joined = plans.flatMap(({ stream, plan }) =>
    plan.joined.map(({ projection, slot }) => [projection, slot, stream]),
  );
  const own = plans.flatMap(({ stream, plan }) =>
    plan.own.map(({ projection, slot, version, eventId }) => [projection, slot, stream, version, eventId]),
  );
  const statement = (sql: string, list: readonly unknown[]) =>
    list.length > 0 ? [database.prepare(sql).bind(JSON.stringify(list))] : [];

  return [
    ...statement(
      ASSERT_OWN,
      ownAsRead.map(({ projection, slot, stream, from }) => [
        projection,
        slot,
        stream,
        from.version,
        from.eventId ?? '',
      ]),
    ),
    // A batch that uses or changes the shared row asserts that it is still as it was read.
    ...statement(
      ASSERT_SHARED,
      plans.flatMap(({ stream, its, before, plan }) =>
        plan.changesShared || its.some(isNamed)
          ? [[stream, before?.version ?? 0, before?.eventId ?? '', before ? JSON.stringify(before.vouches) : '']]
          : [],
      ),
    ),
    ...statement(DELETE_OWN, joined),
    ...statement(WRITE_SHARED, written),
    ...statement(DELETE_SHARED, emptied),
    ...statement(WRITE_OWN, own),
  ];
}

const ASSERT_OWN = `INSERT INTO guard (checkpoint_as_read)
  SELECT 0
  FROM json_each(?1) AS move
  LEFT JOIN checkpoint AS c
    ON c.projection = move.value ->> 0 AND c.slot = move.value ->> 1 AND c.stream = move.value ->> 2
  WHERE coalesce(c.version, 0) <> move.value ->> 3 OR coalesce(c.event_id, '') <> move.value ->> 4
  LIMIT 1`;

const ASSERT_SHARED = `INSERT INTO guard (checkpoint_as_read)
  SELECT 0
  FROM json_each(?1) AS read
  LEFT JOIN shared_checkpoint AS s ON s.stream = read.value ->> 0
  WHERE coalesce(s.version, 0) <> read.value ->> 1 OR coalesce(s.event_id, '') <> read.value ->> 2
    OR coalesce(s.vouches, '') <> read.value ->> 3
  LIMIT 1`;

const DELETE_OWN = `DELETE FROM checkpoint
  WHERE (projection, slot, stream) IN (
    SELECT joined.value ->> 0, joined.value ->> 1, joined.value ->> 2 FROM json_each(?1) AS joined
  )`;

const WRITE_SHARED = `INSERT INTO shared_checkpoint (stream, version, event_id, vouches)
  SELECT row.value ->> 0, row.value ->> 1, row.value ->> 2, row.value ->> 3
  FROM json_each(?1) AS row
  WHERE true
  ON CONFLICT (stream) DO UPDATE SET version = excluded.version, event_id = excluded.event_id, vouches = excluded.vouches`;

const DELETE_SHARED = `DELETE FROM shared_checkpoint WHERE stream IN (SELECT value FROM json_each(?1))`;

const WRITE_OWN = `INSERT INTO checkpoint (projection, slot, stream, version, event_id)
  SELECT row.value ->> 0, row.value ->> 1, row.value ->> 2, row.value ->> 3, row.value ->> 4
  FROM json_each(?1) AS row
  WHERE true
  ON CONFLICT (projection, slot, stream) DO UPDATE SET version = excluded.version, event_id = excluded.event_id`;
