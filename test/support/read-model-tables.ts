import { type WithLists, migrationOf } from '../../scripts/migration/read-model-sql.ts';

/** Makes the tables of a read model, by the migration that `npm run migration` writes. */
export async function createTables(database: D1Database, model: WithLists): Promise<void> {
  const statements = migrationOf(model)
    .replaceAll(/^--.*$/gm, '')
    .split(';')
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
  await database.batch(statements.map((statement) => database.prepare(statement)));
}
