import type { StreamId } from '../domain/stream.ts';
import type { Target } from './pointer.ts';
import { type Projection, rowKeyOf } from './projection.ts';
import { type Row, type TableShape, columnOf, shapeOf } from './slot-tables.ts';

/** How far a target has processed a stream, and the stream's own row at that point. */
export interface Position {
  /** 0 if the target has not seen the stream yet. */
  readonly version: number;
  /** The id of the event at `version`; null at 0. */
  readonly eventId: string | null;
  readonly row: Row | undefined;
}

/** The position of every stream before its first event. */
export const START: Position = { version: 0, eventId: null, row: undefined };

const ROW_PREFIX = 'row.';

/**
 * The positions of those streams that a target has seen. One statement reads checkpoint and row, so both are from one snapshot. It takes one bound
 * parameter for any number of streams. `CROSS JOIN` keeps the order of the tables: without it, SQLite scans all checkpoints.
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

/** Reads the result of `positionsStatement`. A stream that is missing from it is at its start. */
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
