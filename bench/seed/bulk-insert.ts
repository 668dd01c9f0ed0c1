import type { Server } from '../harness/server.ts';

const CHUNK = 1_000;

/** A row by the names of its columns. */
export type SqlRow = Readonly<Record<string, string | number | null>>;

/** Puts many rows into a table, which all have the columns of the first. */
export async function bulkInsert(
  server: Server,
  database: string,
  table: string,
  rows: readonly SqlRow[],
): Promise<void> {
  const columns = Object.keys(rows[0] ?? {});
  const values = columns.map((_, index) => `value ->> ${index}`);
  const sql = `INSERT INTO ${table} (${columns.join(', ')}) SELECT ${values.join(', ')} FROM json_each(?)`;
  for (let from = 0; from < rows.length; from += CHUNK) {
    const chunk = rows.slice(from, from + CHUNK).map((row) => columns.map((column) => row[column]));
    await server.batch(database, [{ sql, params: [JSON.stringify(chunk)] }]);
  }
}
