import type { StreamId } from '../domain/stream.ts';
import { boundLists } from './bound-lists.ts';
import { type Budget, spendBatch } from '../catch-up/catch-up-limits.ts';
import type { Position } from './checkpoint.ts';
import { type CheckpointMove, checkpointStatements } from './checkpoint-moves.ts';
import { type D1ErrorKind, kindOfD1Error } from './d1-errors.ts';
import { type StreamChanges, sumIncrements } from './fold.ts';
import type { Pointer, Target } from './pointer.ts';
import type { Projection } from './projection.ts';
import { type ColumnShape, type Row, type TableShape, columnOf, shapeOf } from './slot-tables.ts';
import { additionOf, split } from './wide-counters.ts';

/** A database, or a session of one. */
export type Preparing = Pick<D1Database, 'prepare'>;

/** The step of one stream in one target. */
export interface Move {
  readonly stream: StreamId;
  readonly from: Position;
  readonly toVersion: number;
  readonly toEventId: string;
  readonly changes: StreamChanges;
}

/** The changes of a guarded batch in one target. `projection` is the code of the target's revision. */
export interface TargetMoves {
  readonly target: Target;
  readonly projection: Projection;
  readonly moves: readonly Move[];
}

/** How a guarded batch ended. A transient fault is thrown instead: the batch may or may not have been applied. */
export type BatchOutcome =
  | {
      readonly outcome: 'applied';
      /** The result of each statement. */
      readonly results: readonly D1Result<Record<string, unknown>>[];
    }
  /** Another batch moved one of the checkpoints first. */
  | { readonly outcome: 'lost-race' }
  /** The pointer has changed since it was read. */
  | { readonly outcome: 'epoch-changed' }
  /** The database refused the batch permanently. */
  | RefusedBatch;

/** A refusal that a retry of the same batch cannot avoid. */
export interface RefusedBatch {
  readonly outcome: 'refused';
  readonly reason: string;
  /**
   * The cause of the refusal.
   * - `data`: the written values.
   * - `schema`: the tables do not match the code.
   * - `other`: one of these two.
   * - `internal`: D1 does not say the cause, and the error has lasted too long for a passing one.
   */
  readonly kind: Exclude<D1ErrorKind, 'transient' | 'storage'> | 'internal';
}

/** A projection, and its pointer as it was read. */
export interface Pointed {
  readonly projectionName: string;
  readonly pointer: Pick<Pointer, 'epoch'>;
}

export interface GuardedBatchOptions {
  /** Statements that join the transaction as the last ones. */
  readonly more?: readonly D1PreparedStatement[];
  readonly budget?: Budget;
  /** Whether targets at the same event share a checkpoint row. Default: true. */
  readonly shares?: boolean;
}

/**
 * Writes rows and checkpoints of many streams in one transaction (I8), under two assertions. The epoch of each projection is the one that was read
 * (I20), and every checkpoint is still where it was read (I9, I10). If either fails, the whole batch is rolled back.
 */
export async function sendGuardedBatch(
  database: Preparing & Pick<D1Database, 'batch'>,
  pointed: readonly Pointed[],
  parts: readonly TargetMoves[],
  { more = [], budget, shares = true }: GuardedBatchOptions = {},
): Promise<BatchOutcome> {
  let statements: D1PreparedStatement[];
  try {
    statements = [
      ...pointed.map(({ projectionName, pointer }) => assertEpoch(database, projectionName, pointer)),
      ...checkpointStatements(database, parts.flatMap(checkpointMovesOf), shares),
      ...parts.flatMap((part) => [
        ...rowStatements(database, part),
        ...appendStatements(database, part),
        ...counterStatements(database, part),
      ]),
      ...more,
    ];
  } catch (error) {
    // A column cannot encode a value. The batch is not sent, since the database would refuse it.
    return { outcome: 'refused', reason: String(error), kind: 'data' };
  }
  if (budget) spendBatch(budget, statements.length);
  try {
    const results: readonly D1Result<Record<string, unknown>>[] = await database.batch(statements);
    return { outcome: 'applied', results };
  } catch (error) {
    return classify(error);
  }
}

/** The moves of one target, as the checkpoints see them. */
export function checkpointMovesOf({
  projection,
  target,
  moves,
}: Pick<TargetMoves, 'projection' | 'target' | 'moves'>): readonly CheckpointMove[] {
  return moves.map(({ stream, from, toVersion, toEventId }) => ({
    projection: projection.name,
    slot: target.slot,
    stream,
    from,
    toVersion,
    toEventId,
  }));
}

/** What an error of a guarded batch means. Throws the error again if it passes, or if it lasts until an operator frees space. */
export function classify(error: unknown): BatchOutcome {
  const reason = String(error);
  if (reason.includes('epoch_as_read')) return { outcome: 'epoch-changed' };
  if (reason.includes('checkpoint_as_read')) return { outcome: 'lost-race' };
  const kind = kindOfD1Error(error);
  if (kind === 'transient' || kind === 'storage') throw error;
  return { outcome: 'refused', reason, kind };
}

/** Fails the batch unless the projection's pointer still has the epoch that was read. */
export function assertEpoch(
  database: Preparing,
  projectionName: string,
  pointer: Pick<Pointer, 'epoch'>,
): D1PreparedStatement {
  return database
    .prepare(
      `INSERT INTO guard (epoch_as_read)
      SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM projection_pointer WHERE projection = ?1 AND epoch = ?2)`,
    )
    .bind(projectionName, pointer.epoch);
}

/** Inserts all new rows with one statement. Changed rows get one update for each set of changed columns, so that no index is written needlessly. */
function rowStatements(
  database: Preparing,
  { projection, target, moves }: TargetMoves,
): readonly D1PreparedStatement[] {
  if (!projection.row) return [];
  const table = shapeOf(projection.row.tables[target.slot]);
  const key = columnOf(table, projection.row.key);
  const created: Row[] = [];
  const changed = new Map<string, { columns: readonly ColumnShape[]; rows: Row[] }>();

  for (const { before, after } of moves.map((move) => move.changes)) {
    if (!after) continue;
    if (!before) {
      created.push(after);
      continue;
    }
    const columns = changedColumns(table, before, after);
    const id = columns.map(({ name }) => name).join();
    const alike = changed.get(id) ?? { columns, rows: [] };
    alike.rows.push(after);
    changed.set(id, alike);
  }
  return [
    ...insertRows(database, table, created),
    ...[...changed.values()]
      .filter(({ columns }) => columns.length > 0)
      .flatMap(({ columns, rows }) => updateRows(database, table, key, columns, rows)),
  ];
}

function changedColumns({ columns }: TableShape, before: Row, after: Row): readonly ColumnShape[] {
  return columns.filter(
    (column) => column.toDriver(before[column.property]) !== column.toDriver(after[column.property]),
  );
}

/** The kind of write that every move makes. */
export const CHECKPOINT_WRITE = 'checkpoint';

/**
 * The kinds of write that some changes make, for any slot and stream: create the row, change each of its columns, append to each table, count in
 * each. Triggers and indexes depend on these alone. If only one of two streams with the same kinds of write gets an error, the cause is that stream's
 * own data.
 */
export function writesOf({ row, appends, counters }: Projection, changes: StreamChanges): readonly string[] {
  const { before, after, appended, counted } = changes;
  const changed = row && before && after ? changedColumns(shapeOf(row.tables.a), before, after) : [];
  return [
    CHECKPOINT_WRITE,
    ...(row && !before && after ? ['create'] : []),
    ...changed.map(({ name }) => `change ${name}`),
    ...Object.keys(appends)
      .filter((name) => (appended[name] ?? []).length > 0)
      .map((name) => `append ${name}`),
    ...Object.entries(counters)
      .filter(([name, { key }]) => sumIncrements(key, counted[name] ?? []).length > 0)
      .map(([name]) => `count ${name}`),
  ];
}

function insertRows(database: Preparing, table: TableShape, rows: readonly Row[]): readonly D1PreparedStatement[] {
  const statement = `INSERT INTO "${table.name}" (${names(table.columns)})
    SELECT ${table.columns.map((_, index) => `row.value ->> ${index}`).join(', ')}
    FROM json_each(?1) AS row`;
  return statementsFor(database, statement, rows, table.columns);
}

function updateRows(
  database: Preparing,
  table: TableShape,
  key: ColumnShape,
  columns: readonly ColumnShape[],
  rows: readonly Row[],
): readonly D1PreparedStatement[] {
  const statement = `UPDATE "${table.name}"
    SET ${columns.map(({ name }, index) => `"${name}" = row.value ->> ${index + 1}`).join(', ')}
    FROM json_each(?1) AS row
    WHERE "${key.name}" = row.value ->> 0`;
  return statementsFor(database, statement, rows, [key, ...columns]);
}

function appendStatements(
  database: Preparing,
  { projection, target, moves }: TargetMoves,
): readonly D1PreparedStatement[] {
  return Object.entries(projection.appends).flatMap(([name, tables]) =>
    insertRows(
      database,
      shapeOf(tables[target.slot]),
      moves.flatMap((move) => move.changes.appended[name] ?? []),
    ),
  );
}

function counterStatements(
  database: Preparing,
  { projection, target, moves }: TargetMoves,
): readonly D1PreparedStatement[] {
  return Object.entries(projection.counters).flatMap(([name, { tables, key, wide = {} }]) => {
    const sums = sumIncrements(
      key,
      moves.flatMap((move) => move.changes.counted[name] ?? []),
    ).map((sum) => split(sum, wide));
    const table = shapeOf(tables[target.slot]);
    const keys = key.map((property) => columnOf(table, property));
    const counts = table.columns.filter((column) => !keys.includes(column));
    const highs = Object.values(wide);
    const additions = counts
      .filter(({ property }) => !highs.includes(property))
      .map(({ property, name: count }) => {
        const high = wide[property];
        return high === undefined
          ? `"${count}" = "${count}" + excluded."${count}"`
          : additionOf(count, columnOf(table, high).name);
      });
    const values = [
      ...keys.map((_, index) => `sum.value ->> ${index}`),
      ...counts.map((_, index) => `coalesce(sum.value ->> ${keys.length + index}, 0)`),
    ];
    const statement = `INSERT INTO "${table.name}" (${names([...keys, ...counts])})
      SELECT ${values.join(', ')}
      FROM json_each(?1) AS sum
      WHERE true
      ON CONFLICT (${names(keys)}) DO UPDATE SET ${additions.join(', ')}`;
    return statementsFor(database, statement, sums, [...keys, ...counts]);
  });
}

function names(columns: readonly ColumnShape[]): string {
  return columns.map(({ name }) => `"${name}"`).join(', ');
}

/** The statement for all rows, bound to lists of arrays in the order of `columns`. Rows that are too long for one list make several statements. */
function statementsFor(
  database: Preparing,
  statement: string,
  rows: readonly Row[],
  columns: readonly ColumnShape[],
): readonly D1PreparedStatement[] {
  const values = rows.map((row) => columns.map((column) => column.toDriver(row[column.property])));
  return boundLists(values).map((list) => database.prepare(statement).bind(list));
}
