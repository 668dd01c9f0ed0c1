/**
 * Writes the files of something new in the domain, with tests, migration and registration.
 *
 *     npm run new aggregate ticket
 */
import { askedOrExit, explain, parseCommandLine } from './command-line.ts';
import { areaOf } from './new/area.ts';
import type { Written } from './new/file-changes.ts';
import { aggregateNames } from './new/names.ts';

const HELP = `Usage: npm run new aggregate <name>
       npm run new -- aggregate <name> [--plural <plural>] [--in <folder>]

  aggregate     events, commands, decisions, a read model with a list, routes, tests and a migration, in src/<plural>
                <name> is one lower-case word, for example ticket
  --plural      default: the regular plural of the name
  --in          a folder of src/ with several subjects: the files are in src/<folder>/<plural>
  --help

  It overwrites nothing. Options reach the script only after "--".
`;

const OPTIONS = {
  plural: { type: 'string' },
  in: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Writes the files of one kind. It imports the domain, so a mistake in the command line is told at once. */
type Generate = () => Promise<Written>;

const generate = askedOrExit(HELP, (args): Generate | undefined => {
  const { values, positionals } = parseCommandLine(args, OPTIONS, {
    max: 2,
    excess: (word) =>
      `"${word}" belongs to no option. Options reach the script only after "--": npm run new -- aggregate ticket --in desk.`,
  });
  if (values.help) return undefined;
  const [kind, name] = positionals;
  if (kind === undefined || name === undefined) throw new Error('Name what is new, for example: aggregate ticket.');
  if (kind === 'aggregate') {
    const names = aggregateNames(name, values.plural);
    const area = areaOf(values.in);
    return async () => (await import('./new/new-aggregate.ts')).newAggregate({ names, area });
  }
  throw new Error(`This script writes no "${kind}".`);
});

try {
  tell(await generate());
} catch (error) {
  console.error(explain(error));
  process.exitCode = 1;
}

function tell({ paths, next }: Written): void {
  console.log(
    ['Wrote', ...paths.map((path) => `  ${path}`), '', 'Next', ...next.map((step) => `  ${step}`)].join('\n'),
  );
}
