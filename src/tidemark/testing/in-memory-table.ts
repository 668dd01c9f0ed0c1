import { getTableColumns } from 'drizzle-orm';
import { type SQLiteColumn, type SQLiteTable, getTableConfig } from 'drizzle-orm/sqlite-core';

import { countOf, plus } from '../projections/fold.ts';
import { type ColumnShape, type Row, columnOf, shapeOf } from '../projections/slot-tables.ts';

/** Values by property, as the database holds them. */
type Stored = Readonly<Record<string, unknown>>;

/** One table in plain memory, with what its drizzle declaration says of keys and NOT NULL. */
export interface InMemoryTable {
  /** The row with these values in the key's columns. */
  find(key: Row): Row | undefined;
  /** Every row, sorted by key. */
  rows(): readonly Row[];
  /** Refuses a second row with the same key. */
  insert(row: Row): void;
  /** Inserts the row, or replaces the one with the same key. */
  put(row: Row): void;
  /** Adds the row's values to those of the row with the same key; what is not there yet is at 0. */
  add(row: Row): void;
}

/**
 * Keeps rows as D1 would: through the columns' own encoding and JSON, so that what is found is what a handler would get back. A column that
 * a row leaves out is NULL, whatever default it declares. `key` are the properties that identify a row.
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

/** The properties of the table's primary key; without one that the handlers give, a row is known by all its columns. */
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

/** An INTEGER PRIMARY KEY: SQLite numbers the rows that come without one, so it says nothing about a row. */
function isRowId(column: SQLiteColumn): boolean {
  return column.primary && column.getSQLType() === 'integer';
}

function toStored(column: ColumnShape, value: unknown): unknown {
  return JSON.parse(JSON.stringify(column.toDriver(value) ?? null)) as unknown;
}

/** A sum as it is stored: text where a number would not be exact. */
function exactly(count: number | bigint): number | string {
  return typeof count === 'bigint' ? String(count) : count;
}
