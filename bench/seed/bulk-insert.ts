import type { Server } from '../harness/server.ts';
import type { Statement } from '../harness/server-protocol.ts';

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
  for (const chunk of chunksOf(rows)) await server.batch(database, [insertOf(table, chunk)]);
}

export function* chunksOf<Item>(items: Iterable<Item>, size = CHUNK): Generator<readonly Item[]> {
  let chunk: Item[] = [];
  for (const item of items) {
    chunk.push(item);
    if (chunk.length < size) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}

/** One statement that puts rows into a table, which all have the columns of the first. */
export function insertOf(table: string, rows: readonly SqlRow[]): Statement {
  const columns = Object.keys(rows[0] ?? {});
  const values = columns.map((_, index) => `value ->> ${index}`);
  return {
    sql: `INSERT INTO ${table} (${columns.join(', ')}) SELECT ${values.join(', ')} FROM json_each(?)`,
    params: [JSON.stringify(rows.map((row) => columns.map((column) => row[column])))],
  };
}
