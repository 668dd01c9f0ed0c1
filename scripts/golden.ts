/**
 * Writes the golden files that are missing: `npm run golden`. They keep, for ever, how events are stored and what comes of them.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

import { askedOrExit, parseCommandLine } from './command-line.ts';
import { DOMAIN_OF_TESTS, domainOfTests, unreleasedNames, withoutUnreleased } from './new/domain-of-tests.ts';

const HELP = `Usage: npm run golden [-- --made | --check]

  Writes the golden files that are missing, and adds the rows of new read models to the files in made/. Empties the list \`unreleased\` in
  test/domain.ts first: from then on the files say how its events are stored. Changes no file in logs/ or snapshots/.

  --made    also writes the files in made/ anew that differ, after a change of states or rows that is meant
  --check   writes nothing, and fails if \`unreleased\` names anything: \`npm run deploy\` begins with it
  --help
`;

const OPTIONS = {
  made: { type: 'boolean' },
  check: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

interface FileToSave {
  readonly path: string;
  readonly text: string;
  readonly isMade?: boolean;
  readonly isAddition?: boolean;
}

const { made, check } = askedOrExit(HELP, (args) => {
  const { values } = parseCommandLine(args, OPTIONS, {
    excess: (word) => `"${word}" belongs to no option. Options reach the script only after "--".`,
  });
  return values.help ? undefined : values;
});
if (check) demandNothingUnreleased();
else writeMissing();

function demandNothingUnreleased(): void {
  const names = unreleasedNames(domainOfTests());
  if (names.length === 0) return;
  console.error(
    `${DOMAIN_OF_TESTS} calls ${names.join(', ')} unreleased. Before the first deployment with them, run \`npm run golden\` and commit the files.`,
  );
  process.exitCode = 1;
}

function writeMissing(): void {
  const before = domainOfTests();
  const emptied = withoutUnreleased(before);
  writeFileSync(DOMAIN_OF_TESTS, emptied);
  const { status, stdout, stderr } = spawnSync('vitest', ['run', 'test/golden'], { encoding: 'utf8', maxBuffer: 1e9 });
  const printed = stdout
    .split('\n')
    .filter((line) => line.includes('@@ {'))
    .map((line) => JSON.parse(line.slice(line.indexOf('@@ {') + '@@ '.length)) as FileToSave);
  const files = new Map(printed.filter(isWanted).map(({ path, text }) => [path, text] as const));
  if (files.size === 0 && status !== 0) {
    writeFileSync(DOMAIN_OF_TESTS, before.text);
    console.error(`${stdout}${stderr}\nNothing was written: test/golden fails otherwise.`);
    process.exitCode = 1;
    return;
  }
  for (const [path, text] of files) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    console.log(`Wrote ${path}.`);
  }
  if (emptied !== before.text) console.log(`Emptied \`unreleased\` in ${DOMAIN_OF_TESTS}.`);
  console.log(
    files.size === 0
      ? 'No golden file is missing.'
      : 'Read what the files in made/ say. Run `npx vitest run test/golden`. Then commit all of them, and never change logs/ and snapshots/.',
  );
}

/** Whether to write a file: no file of that name is there, or it may be replaced. */
function isWanted({ path, isMade = false, isAddition = false }: FileToSave): boolean {
  return !existsSync(path) || isAddition || (isMade && made === true);
}
