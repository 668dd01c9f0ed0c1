import { getTableColumns } from 'drizzle-orm';
import { type SQLiteColumn, type SQLiteTable, getTableConfig } from 'drizzle-orm/sqlite-core';

import { countOf, plus } from '../projections/fold.ts';
import { type ColumnShape, type Row, columnOf, shapeOf } from '../projections/slot-tables.ts';

/** Values by property, in the form that the database holds. */
type Stored = Readonly<Record<string, unknown>>;

/** One table in memory. It enforces the keys and NOT NULL of its drizzle declaration. */
export interface InMemoryTable {
  /** The row with these values in the key's columns. */
  find(key: Row): Row | undefined;
  /** Every row, sorted by key. */
  rows(): readonly Row[];
  /** Refuses a second row with the same key. */
  insert(row: Row): void;
  /** Inserts the row, or replaces the row with the same key. */
  put(row: Row): void;
  /** Adds the row's values to those of the row with the same key. A missing row or value counts as 0. */
  add(row: Row): void;
}

/**
 * Keeps rows as D1 does, through the columns' own encoding and JSON. So a found row is in the form that a handler gets. A column that a row leaves
 * out is NULL, even if it declares a default. `key` names the properties that identify a row.
 */
export function inMemoryTable(table: SQLiteTable, key: readonly string[] = primaryKeyOf(table)): InMemoryTable {
  const { name, columns } = shapeOf(table);
  const declared = getTableColumns(table) as Record<string, SQLiteColumn>;
  const stored = new Map<string, Stored>();

  function encode(row: Row): Stored {
    return Object.fromEntries(
      columns.map((column) => {
        const value = toStored(column, row[column.property]);
        if (value === null && !mayBeNull(declared[column.property])) {
          throw new Error(
            `NOT NULL constraint failed: ${name}.${column.name} ("${column.property}" was left out or is null)`,
          );
        }
        return [column.property, value];
      }),
    );
  }

  function decode(values: Stored): Row {
    return Object.fromEntries(columns.map((column) => [column.property, column.fromDriver(values[column.property])]));
  }

  function idOf(row: Row): string {
    return JSON.stringify(key.map((property) => toStored(columnOf({ name, columns }, property), row[property])));
  }

  function find(wanted: Row): Row | undefined {
    const found = stored.get(idOf(wanted));
    return found && decode(found);
  }

  return {
    find,
    rows: () => [...stored].toSorted(([one], [other]) => (one < other ? -1 : 1)).map(([, values]) => decode(values)),
    insert(row) {
      const id = idOf(row);
      if (stored.has(id)) throw new Error(`UNIQUE constraint failed: ${name} has a row with the key ${id} already`);
      stored.set(id, encode(row));
    },
    put(row) {
      stored.set(idOf(row), encode(row));
    },
    add(row) {
      const before = find(row) ?? {};
      const counts = columns.map(({ property }) => property).filter((property) => !key.includes(property));
      const sums = counts.map((count) => [count, exactly(plus(countOf(before[count]), countOf(row[count])))]);
      stored.set(idOf(row), encode({ ...row, ...Object.fromEntries(sums) }));
    },
  };
}

/** The properties of the table's primary key. If handlers give no key, all columns together identify a row. */
function primaryKeyOf(table: SQLiteTable): readonly string[] {
  const [composite] = getTableConfig(table).primaryKeys;
  const columns = Object.entries(getTableColumns(table) as Record<string, SQLiteColumn>).filter(
    ([, column]) => !isRowId(column),
  );
  const key = columns.filter(([, column]) => (composite ? composite.columns.includes(column) : column.primary));
  return (key.length > 0 ? key : columns).map(([property]) => property);
}

function mayBeNull(column: SQLiteColumn | undefined): boolean {
  return column === undefined || !column.notNull || isRowId(column);
}

/** Whether the column is an INTEGER PRIMARY KEY. SQLite numbers rows without one, so its value means nothing. */
function isRowId(column: SQLiteColumn): boolean {
  return column.primary && column.getSQLType() === 'integer';
}

function toStored(column: ColumnShape, value: unknown): unknown {
  return JSON.parse(JSON.stringify(column.toDriver(value) ?? null)) as unknown;
}

/** The stored form of a sum: text if a number would not be exact. */
function exactly(count: number | bigint): number | string {
  return typeof count === 'bigint' ? String(count) : count;
}
