/**
 * Writes the migration of a read model: `npm run migration seat-map`. Read the file, then commit it. Never change a deployed migration.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { domain } from '../src/domain.ts';
import { migrationOf } from './migration/read-model-sql.ts';

const HELP = `Usage: npm run migration <read model>

  Writes a migration to migrations/<group>/<next number>_<read model>.sql: the tables of the read model in both slots, and the indexes of its lists.
`;

/** Lower numbers are the framework's: a later release may add some, and a fork must not have used them. */
const FIRST_OF_A_DOMAIN = 100;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { help: { type: 'boolean', short: 'h' } },
});
const [name, ...more] = positionals;
if (values.help) console.log(HELP);
else if (name === undefined || more.length > 0) fail(HELP);
else await write(name);

async function write(readModel: string): Promise<void> {
  const all = domain.flatMap(({ projections }) => projections);
  const projection = all
    .filter((candidate) => candidate.name === readModel)
    .toSorted((one, other) => other.revision - one.revision)[0];
  if (!projection) {
    const names = [...new Set(all.map((candidate) => candidate.name))].join(', ');
    return fail(
      `There is no read model "${readModel}". Register it in its module first. The read models are: ${names}.`,
    );
  }
  const folder = join('migrations', projection.group.name);
  const files = (await readdir(folder)).filter((file) => file.endsWith('.sql')).toSorted();
  const sql = migrationOf(projection);
  const [table = ''] = /CREATE TABLE \w+/.exec(sql) ?? [];
  for (const file of files) {
    if ((await readFile(join(folder, file), 'utf8')).includes(`${table} (`))
      return fail(
        `${join(folder, file)} creates these tables already. If it is deployed, raise the revision of "${readModel}", which gives it new tables. If it is not, delete the file first.`,
      );
  }
  const next = String(Math.max(Number((files.at(-1) ?? '0000').slice(0, 4)) + 1, FIRST_OF_A_DOMAIN)).padStart(4, '0');
  const suffix = projection.revision > 1 ? `_${projection.revision}` : '';
  const path = join(folder, `${next}_${readModel.replaceAll('-', '_')}${suffix}.sql`);
  await writeFile(path, sql);
  console.log(`Wrote ${path}. Read the file, then commit it with the read model.`);
}

function fail(sentence: string): void {
  console.error(sentence);
  process.exitCode = 1;
}
