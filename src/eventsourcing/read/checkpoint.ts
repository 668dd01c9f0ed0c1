import type { StreamId } from '../stream.ts';
import type { Target } from './pointer.ts';
import { type Projection, rowKeyOf } from './projection.ts';
import { type Row, type TableShape, shapeOf } from './slot-tables.ts';

/** How far a target has brought a stream, and the stream's own row at that point. */
export interface Position {
  /** 0 when it has not seen the stream yet. */
  readonly version: number;
  /** The id of the event at `version`; null at 0. */
  readonly eventId: string | null;
  readonly row: Row | undefined;
}

/** Where every stream is before its first event. */
export const START: Position = { version: 0, eventId: null, row: undefined };

const ROW_PREFIX = 'row.';

/**
 * The positions of streams in one target: checkpoint and row from one statement, so from one snapshot. One bound parameter, however
 * many streams.
 */
export function positionsStatement(
  database: D1Database,
  projection: Projection,
  target: Target,
  streams: readonly StreamId[],
): D1PreparedStatement {
  const table = shapeOf(projection.row.tables[target.slot]);
  const key = table.columns.find((column) => column.property === projection.row.key)?.name;
  const columns = table.columns.map(({ name }) => `t."${name}" AS "${ROW_PREFIX}${name}"`).join(', ');
  return database
    .prepare(
      `SELECT wanted.value ->> 0 AS stream, c.version AS version, c.event_id AS event_id, ${columns}
      FROM json_each(?1) AS wanted
      LEFT JOIN checkpoint AS c ON c.projection = ?2 AND c.slot = ?3 AND c.stream = wanted.value ->> 0
      LEFT JOIN "${table.name}" AS t ON t."${key}" = wanted.value ->> 1`,
    )
    .bind(
      JSON.stringify(streams.map((stream) => [stream, rowKeyOf(projection, stream)])),
      projection.name,
      target.slot,
    );
}

/** Reads the answer of `positionsStatement`. */
export function toPositions(
  projection: Projection,
  target: Target,
  rows: readonly Readonly<Record<string, unknown>>[],
): ReadonlyMap<StreamId, Position> {
  const table = shapeOf(projection.row.tables[target.slot]);
  return new Map(rows.map((row) => [row['stream'] as StreamId, toPosition(table, projection.row.key, row)]));
}

function toPosition(table: TableShape, key: string, row: Readonly<Record<string, unknown>>): Position {
  if (row['version'] === null) return START;
  const own = Object.fromEntries(
    table.columns.map((column) => [column.property, column.fromDriver(row[ROW_PREFIX + column.name])]),
  );
  return {
    version: row['version'] as number,
    eventId: row['event_id'] as string,
    row: own[key] === null ? undefined : own,
  };
}
