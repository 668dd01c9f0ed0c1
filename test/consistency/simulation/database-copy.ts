/** The rows of every table of a database at one moment. A restore to that moment brings them back. */
export interface DatabaseCopy {
  readonly tables: readonly { readonly name: string; readonly rows: readonly Readonly<Record<string, unknown>>[] }[];
}

/** Not those of a full text index and its documents, which triggers fill, nor those of the platform. And no columns that are computed. */
const TABLES = `SELECT list.name, json_group_array('"' || info.name || '"') AS columns
  FROM pragma_table_list AS list, pragma_table_info(list.name) AS info
  WHERE list.type = 'table' AND list.schema = 'main' AND list.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
    AND list.name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND list.name NOT LIKE '%\\_document' ESCAPE '\\' AND list.name <> 'd1_migrations'
  GROUP BY list.name
  ORDER BY list.name`;

/** Copies a database, in one transaction. */
export async function copyDatabase(database: D1Database): Promise<DatabaseCopy> {
  const { results: names } = await database.prepare(TABLES).all<{ name: string; columns: string }>();
  const answers = await database.batch<Record<string, unknown>>(
    names.map(({ name, columns }) =>
      database.prepare(`SELECT ${(JSON.parse(columns) as string[]).join(', ')} FROM "${name}"`),
    ),
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
