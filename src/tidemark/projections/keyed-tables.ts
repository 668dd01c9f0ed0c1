import { type SQLiteTable, getTableConfig } from 'drizzle-orm/sqlite-core';

import type { Projection } from './projection.ts';
import { type Slot, type TableShape, columnOf, shapeOf } from './slot-tables.ts';

/** One table of a projection in one slot, with the columns that identify a row. */
export interface KeyedTable {
  /** The projection's name for it: `row`, or its name in `appends` or `counters`. */
  readonly name: string;
  readonly kind: 'row' | 'appends' | 'counters';
  readonly shape: TableShape;
  readonly key: readonly KeyColumn[];
}

interface KeyColumn {
  readonly name: string;
  /** The type in SQL. */
  readonly type: string;
}

/** All tables of a projection in one slot. Throws if a table of `appends` declares no primary key. */
export function keyedTables(projection: Projection, slot: Slot): readonly KeyedTable[] {
  const { row, appends, counters } = projection;
  return [
    ...(row ? [keyed('row', 'row', row.tables[slot], [row.key])] : []),
    ...Object.entries(appends).map(([name, tables]) => keyed(name, 'appends', tables[slot])),
    ...Object.entries(counters).map(([name, { tables, key }]) => keyed(name, 'counters', tables[slot], key)),
  ];
}

function keyed(name: string, kind: KeyedTable['kind'], table: SQLiteTable, properties?: readonly string[]): KeyedTable {
  const shape = shapeOf(table);
  const { columns, primaryKeys } = getTableConfig(table);
  const names =
    properties?.map((property) => columnOf(shape, property).name) ??
    [...columns.filter(({ primary }) => primary), ...primaryKeys.flatMap((primaryKey) => primaryKey.columns)].map(
      (column) => column.name,
    );
  if (names.length === 0) throw new Error(`the table ${shape.name} declares no primary key`);
  const typeOf = (column: string) => columns.find((candidate) => candidate.name === column)?.getSQLType() ?? '';
  return { name, kind, shape, key: names.map((column) => ({ name: column, type: typeOf(column) })) };
}
