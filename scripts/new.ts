/**
 * Writes the files of something new in the domain, with tests, migration and registration.
 *
 *     npm run new aggregate ticket
 *     npm run new -- read-model ticket-activity --of ticket
 */
import { askedOrExit, explain, parseCommandLine } from './command-line.ts';
import { areaOf } from './new/area.ts';
import type { Written } from './new/file-changes.ts';
import { groupVariable } from './new/group.ts';
import { aggregateNames, requireReadModelName } from './new/names.ts';

const HELP = `Usage: npm run new aggregate <name>
       npm run new -- aggregate <name> [--plural <plural>] [--in <folder>]
       npm run new -- read-model <name> --of <aggregate> [--group <group>]

  aggregate     events, commands, decisions, a read model with a list, routes, tests and a migration, in src/<plural>
                <name> is one lower-case word, for example ticket
  --plural      default: the regular plural of the name
  --in          a folder of src/ with several subjects: the files are in src/<folder>/<plural>

  read-model    a read model with a row for each aggregate, its list, tests and a migration
                <name> is lower-case words with hyphens, for example ticket-activity
  --of          the aggregate
  --group       serving (default) for what people wait for, reporting for what counts and searches

  --help

  It overwrites nothing. Options reach the script only after "--".
`;

const OPTIONS = {
  plural: { type: 'string' },
  in: { type: 'string' },
  of: { type: 'string' },
  group: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

const KINDS: Readonly<Record<string, { readonly example: string; readonly options: readonly string[] }>> = {
  aggregate: { example: 'aggregate ticket --in desk', options: ['plural', 'in'] },
  'read-model': { example: 'read-model ticket-activity --of ticket', options: ['of', 'group'] },
};

/** Writes the files of one kind. It imports the domain, so a mistake in the command line is told at once. */
type Generate = () => Promise<Written>;

const generate = askedOrExit(HELP, (args): Generate | undefined => {
  const { values, positionals } = parseCommandLine(args, OPTIONS, {
    max: 2,
    excess: (word) => {
      const { example } = KINDS[args[0] ?? ''] ?? KINDS['aggregate'] ?? { example: '' };
      return `"${word}" belongs to no option. Options reach the script only after "--": npm run new -- ${example}.`;
    },
  });
  if (values.help) return undefined;
  const [kind, name] = positionals;
  if (kind === undefined || name === undefined) throw new Error('Name what is new, for example: aggregate ticket.');
  const known = KINDS[kind];
  if (!known) throw new Error(`This script writes no "${kind}", only ${Object.keys(KINDS).join(', ')}.`);
  const { help: _, ...given } = values;
  const excess = Object.keys(given).find((option) => !known.options.includes(option));
  if (excess !== undefined) throw new Error(`--${excess} is no option of ${kind}.`);

  if (kind === 'aggregate') {
    const names = aggregateNames(name, values.plural);
    const area = areaOf(values.in);
    return async () => (await import('./new/new-aggregate.ts')).newAggregate({ names, area });
  }
  const { of } = values;
  if (of === undefined) throw new Error(`Name the aggregate: npm run new -- ${known.example}.`);
  requireReadModelName(name);
  const group = groupVariable(values.group ?? 'serving');
  return async () => (await import('./new/new-read-model.ts')).newReadModel({ name, of, group });
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
