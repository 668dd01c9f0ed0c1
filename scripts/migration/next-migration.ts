import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { type WithLists, migrationOf } from './read-model-sql.ts';

const MIGRATIONS = join(import.meta.dirname, '../../migrations');

/** Lower numbers are the framework's: a later release may add some, and a fork must not have used them. */
const FIRST_OF_A_DOMAIN = 100;

/** The migration of a read model, as the next file of its group. Throws if a file creates its tables already. */
export async function nextMigration(projection: WithLists): Promise<{ readonly path: string; readonly text: string }> {
  const { name, revision, group } = projection;
  const files = (await readdir(join(MIGRATIONS, group.name))).filter((file) => file.endsWith('.sql')).toSorted();
  const text = migrationOf(projection);
  const [table = ''] = /CREATE TABLE \w+/.exec(text) ?? [];
  for (const file of files) {
    if ((await readFile(join(MIGRATIONS, group.name, file), 'utf8')).includes(`${table} (`))
      throw new Error(
        `migrations/${group.name}/${file} creates these tables already. If it is deployed, raise the revision of "${name}", which gives it new tables. If it is not, delete the file first.`,
      );
  }
  const next = String(Math.max(Number((files.at(-1) ?? '0000').slice(0, 4)) + 1, FIRST_OF_A_DOMAIN)).padStart(4, '0');
  const suffix = revision > 1 ? `_${revision}` : '';
  return { path: `migrations/${group.name}/${next}_${name.replaceAll('-', '_')}${suffix}.sql`, text };
}
