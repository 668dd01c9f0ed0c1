import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { nextMigration } from '../migration/next-migration.ts';
import type { WithLists } from '../migration/read-model-sql.ts';
import { type FileChange, ROOT } from './file-changes.ts';

/** The migration of a read model that a file declares. The file was written just now, so it is imported here. */
export async function migrationOfFile(path: string, readModel: string): Promise<FileChange> {
  const declared = (await import(pathToFileURL(join(ROOT, path)).href)) as Readonly<Record<string, WithLists>>;
  const model = declared[readModel];
  if (!model) throw new Error(`${path} does not export ${readModel}.`);
  return nextMigration(model);
}
