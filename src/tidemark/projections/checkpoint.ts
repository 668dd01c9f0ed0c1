import type { StreamId } from '../domain/stream.ts';
import type { Target } from './pointer.ts';
import { type Projection, rowKeyOf } from './projection.ts';
import { type Row, type TableShape, columnOf, shapeOf } from './slot-tables.ts';

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
 * The positions of those streams that one target has seen: checkpoint and row from one statement, so from one snapshot. One bound parameter,
 * however many streams. `CROSS JOIN` keeps the order in which SQLite takes the tables: it would rather look through all checkpoints.
 */
export function positionsStatement(
  database: D1Database,
  projection: Projection,
  target: Target,
  streams: readonly StreamId[],
): D1PreparedStatement {
  const row = projection.row && rowParts(shapeOf(projection.row.tables[target.slot]), projection.row.key);
  return database
    .prepare(
      `SELECT wanted.value ->> 0 AS stream, c.version AS version, c.event_id AS event_id ${row?.columns ?? ''}
      FROM json_each(?1) AS wanted
      CROSS JOIN checkpoint AS c ON c.projection = ?2 AND c.slot = ?3 AND c.stream = wanted.value ->> 0
      ${row?.join ?? ''}`,
    )
    .bind(
      JSON.stringify(streams.map((stream) => [stream, rowKeyOf(projection, stream)])),
      projection.name,
      target.slot,
    );
}

function rowParts(table: TableShape, key: string): { readonly columns: string; readonly join: string } {
  return {
    columns: table.columns.map(({ name }) => `, t."${name}" AS "${ROW_PREFIX}${name}"`).join(''),
    join: `LEFT JOIN "${table.name}" AS t ON t."${columnOf(table, key).name}" = wanted.value ->> 1`,
  };
}

/** Reads the answer of `positionsStatement`. A stream that it does not have is at its start. */
export function toPositions(
  projection: Projection,
  target: Target,
  rows: readonly Readonly<Record<string, unknown>>[],
): ReadonlyMap<StreamId, Position> {
  const { row: own } = projection;
  const rowOf = own ? rowReader(shapeOf(own.tables[target.slot]), own.key) : () => undefined;
  return new Map(
    rows.map((row) => {
      const { stream, version, event_id: eventId } = row;
      return [stream as StreamId, { version: version as number, eventId: eventId as string, row: rowOf(row) }];
    }),
  );
}

function rowReader(table: TableShape, key: string): (row: Readonly<Record<string, unknown>>) => Row | undefined {
  const keyColumn = ROW_PREFIX + columnOf(table, key).name;
  return (row) =>
    row[keyColumn] === null
      ? undefined
      : Object.fromEntries(
          table.columns.map((column) => [column.property, column.fromDriver(row[ROW_PREFIX + column.name])]),
        );
}
