/** `npm run new aggregate <name>`: a whole subject of the domain. */
import { existsSync } from 'node:fs';
import { join, posix } from 'node:path';

import { accessStep } from './access-step.ts';
import { domainOfTests, intentsStep, unreleasedStep } from './domain-of-tests.ts';
import { type Claims, requireFree } from './existing.ts';
import { type FileChange, ROOT, type Written, writeAll } from './file-changes.ts';
import { migrationOfFile } from './migration-of-file.ts';
import { type AggregateNames, upperFirst } from './names.ts';
import { registration } from './registration.ts';
import { changesOf } from './step.ts';
import { aggregateFile } from './templates/aggregate.ts';
import { aggregateIntentsFile } from './templates/aggregate-intents.ts';
import { aggregateListFile } from './templates/aggregate-list.ts';
import { aggregateModuleFile } from './templates/aggregate-module.ts';
import { aggregateRoutesFile } from './templates/aggregate-routes.ts';
import { aggregateTestFile } from './templates/aggregate-test.ts';

export interface NewAggregate {
  readonly names: AggregateNames;
  /** A folder of `src/` with several subjects. Default: the subject is a folder of `src/` itself. */
  readonly area: string | undefined;
}

export async function newAggregate({ names, area = '' }: NewAggregate): Promise<Written> {
  const { one, many } = names;
  const subject = posix.join(area, many);
  const source = `src/${subject}`;
  if (existsSync(join(ROOT, source))) throw new Error(`There is a folder ${source} already.`);
  await requireFree(claimsOf(names));

  const tests = `test/${subject}`;
  const domain = domainOfTests();
  const files: readonly FileChange[] = [
    { path: `${source}/${one}.ts`, text: aggregateFile(names) },
    { path: `${source}/${one}-list.ts`, text: aggregateListFile(names, posix.relative(source, 'src/groups.ts')) },
    { path: `${source}/routes.ts`, text: aggregateRoutesFile(names) },
    { path: `${source}/module.ts`, text: aggregateModuleFile(names) },
    {
      path: `${tests}/${one}.test.ts`,
      text: aggregateTestFile(names, {
        api: posix.relative(tests, 'test/support/api.ts'),
        source: posix.relative(tests, source),
      }),
    },
    {
      path: `${tests}/${one}-intents.ts`,
      text: aggregateIntentsFile(names, {
        intentsOf: posix.relative(tests, 'test/consistency/simulation/intents-of.ts'),
        source: posix.relative(tests, source),
      }),
    },
    ...changesOf([
      registration(many, `${subject}/module.ts`),
      accessStep(names),
      intentsStep(domain, `${one}Intents`, `${subject}/${one}-intents.ts`),
      unreleasedStep(domain, one),
    ]),
  ];
  const paths = await writeAll(files, async () => [await migrationOfFile(`${source}/${one}-list.ts`, `${one}List`)]);
  return {
    paths,
    next: [
      `Edit ${source}/${one}.ts first: its events, commands and refusals are an example. tsc then names the rest.`,
      `After a change of the lists in ${one}-list.ts, delete its migration and run: npm run migration ${one}-list`,
      `After a change of the commands, change what clients send in ${tests}/${one}-intents.ts.`,
      `Run: npx vitest run ${tests}`,
      `Run: npm run check`,
      `Before the first deployment, run: npm run golden`,
      `Decide who may use it: \`access\` in ${source}/routes.ts, the scopes and roles in src/access.ts.`,
      'Read: docs/add-an-aggregate.md',
    ],
  };
}

function claimsOf({ one, many, type }: AggregateNames): Claims {
  return {
    category: one,
    readModel: `${one}-list`,
    path: many,
    tag: many,
    commands: [`Open${type}`, `Close${type}`],
    events: [`${type}Opened`, `${type}Closed`],
    problems: [`${one}-exists`, `${one}-closed`],
    operations: [`open${type}`, `close${type}`, `get${type}`, `list${upperFirst(many)}`, `get${type}History`],
    schemas: [type, `${type}Receipt`, `${type}Page`, `${type}HistoryItem`, `Open${type}`, `Close${type}`],
  };
}
