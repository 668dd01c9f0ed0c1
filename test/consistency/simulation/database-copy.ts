/** Rows of every table that a database has, as they were at one moment: what a restore to that moment brings back. */
export interface DatabaseCopy {
  readonly tables: readonly { readonly name: string; readonly rows: readonly Readonly<Record<string, unknown>>[] }[];
}

/** Not those of a full text index, which triggers fill, nor those of the platform. */
const TABLES = `SELECT name FROM pragma_table_list
  WHERE type = 'table' AND schema = 'main' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
    AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND name <> 'd1_migrations'
  ORDER BY name`;

/** Copies a database, in one transaction. */
export async function copyDatabase(database: D1Database): Promise<DatabaseCopy> {
  const { results: names } = await database.prepare(TABLES).all<{ name: string }>();
  const answers = await database.batch<Record<string, unknown>>(
    names.map(({ name }) => database.prepare(`SELECT * FROM "${name}"`)),
  );
  return { tables: names.map(({ name }, index) => ({ name, rows: answers[index]?.results ?? [] })) };
}

/** Puts every row back as it was, in one transaction. */
export async function putBack(database: D1Database, { tables }: DatabaseCopy): Promise<void> {
  await database.batch(
    tables.flatMap(({ name, rows }) => {
      const columns = Object.keys(rows[0] ?? {});
      const values = JSON.stringify(rows.map((row) => columns.map((column) => row[column])));
      const insert = `INSERT INTO "${name}" (${columns.map((column) => `"${column}"`).join(', ')})
        SELECT ${columns.map((_, index) => `row.value ->> ${index}`).join(', ')} FROM json_each(?1) AS row`;
      return [
        database.prepare(`DELETE FROM "${name}"`),
        ...(rows.length > 0 ? [database.prepare(insert).bind(values)] : []),
      ];
    }),
  );
}
