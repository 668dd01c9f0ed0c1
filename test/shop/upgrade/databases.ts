import { type D1Migration, applyD1Migrations } from 'cloudflare:test';

import type { Row } from '../../golden/object-storage.ts';

/** The rows of a database, by table. */
export type DatabaseRows = Readonly<Record<string, readonly Row[]>>;

/** Tables that only tests have. */
const OF_TESTS = /^tally_/;

/** The tables that migrations made, without those that SQLite keeps for itself: what a full text index holds follows from its table. */
async function tablesOf(database: D1Database): Promise<readonly string[]> {
  const { results } = await database
    .prepare(
      `SELECT name FROM pragma_table_list
      WHERE schema = 'main' AND type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '_cf_*' AND name <> 'd1_migrations'`,
    )
    .all<{ name: string }>();
  return results.map(({ name }) => name).filter((name) => !OF_TESTS.test(name));
}

/** Every row of every table, as an upgrade finds them. */
export async function dumpDatabase(database: D1Database): Promise<DatabaseRows> {
  const tables = await tablesOf(database);
  const answers = await database.batch<Row>(tables.map((table) => database.prepare(`SELECT * FROM ${table}`)));
  return Object.fromEntries(
    tables.map((table, index) => [
      table,
      (answers[index]?.results ?? []).filter(({ projection }) => !OF_TESTS.test(String(projection).replace('-', '_'))),
    ]),
  );
}

/** Takes everything out of a database, as if it had just been created. */
export async function emptyDatabase(database: D1Database): Promise<void> {
  const { results } = await database
    .prepare(
      `SELECT name, iif(type = 'view', 'VIEW', 'TABLE') AS kind FROM pragma_table_list
      WHERE schema = 'main' AND type IN ('virtual', 'view', 'table') AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '_cf_*' ORDER BY type DESC`,
    )
    .all<{ name: string; kind: string }>();
  await database.batch(results.map(({ name, kind }) => database.prepare(`DROP ${kind} IF EXISTS ${name}`)));
}

/** Puts rows into existing tables. */
async function loadDatabase(database: D1Database, rows: DatabaseRows): Promise<void> {
  const own = await tablesOf(database);
  await database.batch([
    // Migrations have put pointers there.
    ...own.map((table) => database.prepare(`DELETE FROM ${table}`)),
    ...Object.entries(rows).flatMap(([table, all]) =>
      all.map((row) => {
        const columns = Object.keys(row);
        return database
          .prepare(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`)
          .bind(...Object.values(row));
      }),
    ),
  ]);
}

/** A database as a release left it, with the migrations that have come since. */
export async function upgradeDatabase(
  database: D1Database,
  former: { readonly migrations: Readonly<Record<string, string>>; readonly rows: DatabaseRows },
  migrations: readonly D1Migration[],
): Promise<void> {
  await emptyDatabase(database);
  await applyD1Migrations(
    database,
    migrations.filter(({ name }) => name in former.migrations),
  );
  await loadDatabase(database, former.rows);
  await applyD1Migrations(database, [...migrations]);
}

/** By name: a hash of the text of each migration. */
export async function hashesOf(migrations: readonly D1Migration[]): Promise<Readonly<Record<string, string>>> {
  const hashes = migrations.map(async ({ name, queries }) => {
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(queries.join('\n')));
    return [name, new Uint8Array(digest, 0, 8).toHex()] as const;
  });
  return Object.fromEntries(await Promise.all(hashes));
}
