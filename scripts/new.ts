/**
 * Writes the files of something new in the domain, with tests, migration and registration.
 *
 *     npm run new aggregate ticket
 *     npm run new -- read-model ticket-activity --of ticket
 *     npm run new -- command ReopenTicket --of ticket
 */
import { askedOrExit, explain, parseCommandLine } from './command-line.ts';
import { areaOf } from './new/area.ts';
import { eventOf, requireTypeName } from './new/command-names.ts';
import type { Written } from './new/file-changes.ts';
import { groupVariable } from './new/group.ts';
import { aggregateNames, requireReadModelName } from './new/names.ts';

const HELP = `Usage: npm run new aggregate <name>
       npm run new -- aggregate <name> [--plural <plural>] [--in <folder>]
       npm run new -- read-model <name> --of <aggregate> [--group <group>]
       npm run new -- command <Name> --of <aggregate> [--event <Event>]

  aggregate     events, commands, decisions, a read model with a list, routes, tests and a migration, in src/<plural>
                <name> is one lower-case word, for example ticket
  --plural      default: the regular plural of the name
  --in          a folder of src/ with several subjects: the files are in src/<folder>/<plural>

  read-model    a read model with a row for each aggregate, its list, tests and a migration
                <name> is lower-case words with hyphens, for example ticket-activity
  --of          the aggregate
  --group       serving (default) for what people wait for, reporting for what counts and searches

  command       a command, its event, a route and tests, in the files of an aggregate that exists
                <Name> is in the imperative, for example ReopenTicket
  --of          the aggregate
  --event       the event, in the past tense; default: TicketReopened for ReopenTicket of ticket

  --help

  It overwrites nothing. Options reach the script only after "--".
`;

const OPTIONS = {
  plural: { type: 'string' },
  in: { type: 'string' },
  of: { type: 'string' },
  group: { type: 'string' },
  event: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

const AGGREGATE = { example: 'aggregate ticket --in desk', options: ['plural', 'in'] };
const KINDS = new Map([
  ['aggregate', AGGREGATE],
  ['read-model', { example: 'read-model ticket-activity --of ticket', options: ['of', 'group'] }],
  ['command', { example: 'command ReopenTicket --of ticket', options: ['of', 'event'] }],
]);

/** Writes the files of one kind. It imports the domain, so a mistake in the command line is told at once. */
type Generate = () => Promise<Written>;

const generate = askedOrExit(HELP, (args): Generate | undefined => {
  const { values, positionals } = parseCommandLine(args, OPTIONS, {
    max: 2,
    excess: (word) => {
      const { example } = KINDS.get(args[0] ?? '') ?? AGGREGATE;
      return `"${word}" belongs to no option. Options reach the script only after "--": npm run new -- ${example}.`;
    },
  });
  if (values.help) return undefined;
  const [kind, name] = positionals;
  if (kind === undefined || name === undefined) throw new Error('Name what is new, for example: aggregate ticket.');
  const known = KINDS.get(kind);
  if (!known) throw new Error(`This script writes no "${kind}", only ${[...KINDS.keys()].join(', ')}.`);
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
  if (kind === 'command') {
    requireTypeName(name);
    const event = values.event ?? eventOf(name, of);
    requireTypeName(event);
    return async () => (await import('./new/new-command.ts')).newCommand({ command: name, event, of });
  }
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
