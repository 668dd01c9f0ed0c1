/**
 * Writes the migration of a read model: `npm run migration seat-map`. Read the file, then commit it. Never change a deployed migration.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { domain } from '../src/domain.ts';
import { nextMigration } from './migration/next-migration.ts';

const HELP = `Usage: npm run migration <read model>

  Writes a migration to migrations/<group>/<next number>_<read model>.sql: the tables of the read model in both slots, and the indexes of its lists.
`;

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
  try {
    const { path, text } = await nextMigration(projection);
    await writeFile(join(import.meta.dirname, '..', path), text);
    console.log(`Wrote ${path}. Read the file, then commit it with the read model.`);
  } catch (error) {
    fail((error as Error).message);
  }
}

function fail(sentence: string): void {
  console.error(sentence);
  process.exitCode = 1;
}
