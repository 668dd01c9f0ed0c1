import { type SQLiteTable, getTableConfig } from 'drizzle-orm/sqlite-core';

type Value = string | number | null;

/** A row that a table takes: what is given, by column; of the rest nothing, and as good as nothing where it has to have a value. */
export function rowFor(table: SQLiteTable, given: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(
    getTableConfig(table).columns.map(({ name, notNull, dataType }) => {
      const nothing = notNull ? (dataType === 'number' ? 0 : '') : null;
      return [name, given[name] ?? nothing];
    }),
  );
}

/** Puts rows into a table, in order: more of them than tests could make by commands. */
export async function insertRows(
  database: D1Database,
  table: SQLiteTable,
  rows: readonly Readonly<Record<string, Value>>[],
): Promise<void> {
  const whole = rows.map((row) => rowFor(table, row));
  const columns = Object.keys(whole[0] ?? {});
  await database
    .prepare(
      `INSERT INTO ${getTableConfig(table).name} (${columns.join(', ')})
      SELECT ${columns.map((column) => `value ->> '${column}'`).join(', ')} FROM json_each(?) ORDER BY key`,
    )
    .bind(JSON.stringify(whole))
    .run();
}

/** The name of a table without its slot, as for `seat_map_a` it is `seat_map`. */
export function withoutSlot(table: SQLiteTable): string {
  return getTableConfig(table).name.replace(/_[ab]$/, '');
}
