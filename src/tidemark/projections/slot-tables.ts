import { getTableColumns } from 'drizzle-orm';
import { type SQLiteTable, getTableConfig } from 'drizzle-orm/sqlite-core';

/** One of the two sets of tables of a projection. */
export type Slot = 'a' | 'b';

/** One table of a projection in both slots. Migrations make both, with the same columns. */
export interface SlotTables<Table extends SQLiteTable = SQLiteTable> {
  readonly a: Table;
  readonly b: Table;
}

/**
 * Declares a table in both slots:
 *
 *     const seats = slotTables((slot) => sqliteTable(`seat_map_${slot}`, { seatId: text('seat_id').primaryKey(), … }));
 */
export function slotTables<Table extends SQLiteTable>(define: (slot: Slot) => Table): SlotTables<Table> {
  return { a: define('a'), b: define('b') };
}

/** A row in the form that handlers get: decoded values by property name. */
export type Row = Readonly<Record<string, unknown>>;

/** The parts of a table's declaration that the kernel needs for its own SQL. */
export interface TableShape {
  readonly name: string;
  readonly columns: readonly ColumnShape[];
}

export interface ColumnShape {
  readonly property: string;
  readonly name: string;
  toDriver(value: unknown): unknown;
  fromDriver(value: unknown): unknown;
}

const shapes = new WeakMap<SQLiteTable, TableShape>();

/** The shape of a drizzle table, computed once. */
export function shapeOf(table: SQLiteTable): TableShape {
  const known = shapes.get(table);
  if (known) return known;
  const columns = Object.entries(getTableColumns(table)).map(([property, column]) => ({
    property,
    name: column.name,
    toDriver: (value: unknown) => (value === null || value === undefined ? null : column.mapToDriverValue(value)),
    fromDriver: (value: unknown) => (value === null ? null : column.mapFromDriverValue(value)),
  }));
  const shape = { name: getTableConfig(table).name, columns };
  shapes.set(table, shape);
  return shape;
}

/** The column of a property. Throws if the table has none. */
export function columnOf(shape: TableShape, property: string): ColumnShape {
  const column = shape.columns.find((candidate) => candidate.property === property);
  if (!column) throw new Error(`the table ${shape.name} has no column for "${property}"`);
  return column;
}
