import type { StreamId } from '../domain/stream.ts';
import type { Target } from './pointer.ts';
import { type Projection, rowKeyOf } from './projection.ts';
import { type Row, type Slot, type TableShape, columnOf, shapeOf } from './slot-tables.ts';

/*
 * Where a target stands in a stream is in one of two tables. Projections of a group that moved to the same event together share one row for the
 * stream, which names each of them (`shared_checkpoint`). A target that stands elsewhere has a row of its own (`checkpoint`), and so has a build until
 * it moves with others. A target never has both: a trigger refuses that. A target without either is at version 0 (decision 0035).
 */

/** The row of a stream that several targets share. */
export interface SharedRow {
  readonly version: number;
  readonly eventId: string;
  /** The names (`vouchedName`) of the targets that stand here, in order. No other target may use the row. */
  readonly vouches: readonly string[];
}

/** How far a target has processed a stream, and the stream's own row at that point. */
export interface Position {
  /** 0 if the target has not seen the stream yet. */
  readonly version: number;
  /** The id of the event at `version`; null at 0. */
  readonly eventId: string | null;
  readonly row: Row | undefined;
  /** The stream's shared row, whether it names this target or not. */
  readonly shared?: SharedRow | undefined;
}

/** The position of every stream before its first event. */
export const START: Position = { version: 0, eventId: null, row: undefined };

/** The name of a target in a shared row. */
export function vouchedName(projectionName: string, slot: Slot): string {
  return `${projectionName}/${slot}`;
}

/** SQL condition: the shared row `row` names a target. `projection` and `slot` are SQL expressions. */
export function vouchesFor(row: string, projection: string, slot: string): string {
  return `instr(${row}.vouches, '"' || ${projection} || '/' || ${slot} || '"') > 0`;
}

type CheckpointTable = 'checkpoint' | 'shared_checkpoint';

/** SQL condition: the row `row` of a table is the position of a target. */
export function ofTarget(table: CheckpointTable, row: string, projection: string, slot: string): string {
  return table === 'checkpoint'
    ? `${row}.projection = ${projection} AND ${row}.slot = ${slot}`
    : vouchesFor(row, projection, slot);
}

/** SQL condition: a stream is on the page. */
type OnPage = (stream: string) => string;

/**
 * SQL: the first rows of a query on each of the two tables, in the order of their first column, which has to be the stream. Rows of `checkpoint` fill
 * the page first. If they do, the query on `shared_checkpoint` ends with them. Otherwise it may have to search the rest of that table for rows that
 * name the target: all pages together read it once.
 */
export function firstInBoth(limit: string, queryOn: (table: CheckpointTable, onPage: OnPage) => string): string {
  const end = `(SELECT CASE WHEN count(*) < ${limit} THEN char(1114111) ELSE max(stream) END FROM own)`;
  return `WITH own AS MATERIALIZED (${queryOn('checkpoint', () => 'true')} ORDER BY 1 LIMIT ${limit})
    SELECT * FROM own
    UNION ALL
    SELECT * FROM (${queryOn('shared_checkpoint', (stream) => `${stream} <= ${end}`)} ORDER BY 1 LIMIT ${limit})
    ORDER BY 1 LIMIT ${limit}`;
}

/** SQL: the positions of one target in one of the tables. */
function positionsIn(table: CheckpointTable, projection: string, slot: string, condition: string): string {
  return `SELECT stream, version, event_id FROM ${table} AS c WHERE ${ofTarget(table, 'c', projection, slot)} AND ${condition}`;
}

/** SQL: the positions of one target in the streams that a condition on `stream` selects: `SELECT stream, version, event_id`. */
export function positionsOf(projection: string, slot: string, condition = 'true'): string {
  return (['checkpoint', 'shared_checkpoint'] as const)
    .map((table) => positionsIn(table, projection, slot, condition))
    .join(' UNION ALL ');
}

/** SQL: the positions of one target in the first streams that a condition selects, in order. */
export function firstPositionsOf(projection: string, slot: string, condition: string, limit: string): string {
  return firstInBoth(limit, (table, onPage) =>
    positionsIn(table, projection, slot, `${condition} AND ${onPage('c.stream')}`),
  );
}

/**
 * SQL: joins the position of a target in one stream to a query. `<name>_own` and `<name>_shared` are the tables; `positionAt` reads the columns. All
 * arguments are SQL expressions.
 */
export function joinPosition(name: string, projection: string, slot: string, stream: string): string {
  return `LEFT JOIN checkpoint AS ${name}_own
      ON ${name}_own.projection = ${projection} AND ${name}_own.slot = ${slot} AND ${name}_own.stream = ${stream}
    LEFT JOIN shared_checkpoint AS ${name}_shared
      ON ${name}_shared.stream = ${stream} AND ${vouchesFor(`${name}_shared`, projection, slot)}`;
}

/** SQL: a column of a position that `joinPosition` has joined. Null if the target has not seen the stream. */
export function positionAt(name: string, column: 'version' | 'event_id' | 'stream'): string {
  return `coalesce(${name}_own.${column}, ${name}_shared.${column})`;
}

const ROW_PREFIX = 'row.';

/**
 * The positions of those streams that a target has seen, and of those with a shared row. One statement reads checkpoints and row, so all are from one
 * snapshot. It takes one bound parameter for any number of streams. Each stream is looked up by the primary key of each table.
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
      `SELECT wanted.value ->> 0 AS stream, own.version AS version, own.event_id AS event_id,
        shared.version AS shared_version, shared.event_id AS shared_event_id, shared.vouches AS vouches ${row?.columns ?? ''}
      FROM json_each(?1) AS wanted
      LEFT JOIN checkpoint AS own ON own.projection = ?2 AND own.slot = ?3 AND own.stream = wanted.value ->> 0
      LEFT JOIN shared_checkpoint AS shared ON shared.stream = wanted.value ->> 0
      ${row?.join ?? ''}
      WHERE own.stream IS NOT NULL OR shared.stream IS NOT NULL`,
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

/** Reads the result of `positionsStatement`. A stream that is missing from it is at its start, and has no shared row. */
export function toPositions(
  projection: Projection,
  target: Target,
  rows: readonly Readonly<Record<string, unknown>>[],
): ReadonlyMap<StreamId, Position> {
  const { row: own } = projection;
  const rowOf = own ? rowReader(shapeOf(own.tables[target.slot]), own.key) : () => undefined;
  const name = vouchedName(projection.name, target.slot);
  return new Map(
    rows.map((row) => {
      const shared = toSharedRow(row);
      const at = row['version'] === null && shared?.vouches.includes(name) ? shared : toOwnRow(row);
      // Rows of a slot that is being cleared may outlive their checkpoint.
      const its = at.version > 0 ? rowOf(row) : undefined;
      return [row['stream'] as StreamId, { ...at, row: its, shared }];
    }),
  );
}

function toOwnRow({
  version,
  event_id: eventId,
}: Readonly<Record<string, unknown>>): Pick<Position, 'version' | 'eventId'> {
  return { version: (version ?? 0) as number, eventId: (eventId ?? null) as string | null };
}

function toSharedRow(row: Readonly<Record<string, unknown>>): SharedRow | undefined {
  const { shared_version: version, shared_event_id: eventId, vouches } = row;
  if (version === null) return undefined;
  return { version: version as number, eventId: eventId as string, vouches: JSON.parse(vouches as string) as string[] };
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
