/** `npm run new read-model <name>`: a read model with a row for each aggregate, and its list. */
import { posix } from 'node:path';

import { domainOfTests, unreleasedNames, unreleasedStep } from './domain-of-tests.ts';
import { requireFree } from './existing.ts';
import { type FileChange, type Written, writeAll } from './file-changes.ts';
import { migrationOfFile } from './migration-of-file.ts';
import { type ReadModelNames, readModelNames } from './names.ts';
import { routeSteps } from './route-list.ts';
import { sampleCreation, sampleEvent } from './sample.ts';
import { appendTo, asArray, importAfterOthers, propertyOf, usesName } from './source.ts';
import { type Step, changesOf } from './step.ts';
import { type Subject, moduleOf, subjectOf } from './subject.ts';
import { readModelFile } from './templates/read-model.ts';
import { readModelRoutesFile } from './templates/read-model-routes.ts';
import { readModelTestFile } from './templates/read-model-test.ts';

export interface NewReadModel {
  readonly name: string;
  /** The category of the aggregate. */
  readonly of: string;
  /** The variable of the group in `src/groups.ts`. */
  readonly group: string;
}

export async function newReadModel({ name, of, group }: NewReadModel): Promise<Written> {
  const subject = subjectOf(of);
  const names = readModelNames(name, subject.names);
  await requireFree({
    readModel: name,
    path: name,
    operations: [`list${names.type}`],
    schemas: [names.type, `${names.type}Page`],
  });

  const { folder, tests, variable: aggregate, file } = subject;
  const aggregateFile = posix.basename(file.path);
  const events = Object.keys(subject.aggregate.events);
  const [created = '', ...changes] = events;
  const place = { group, groups: posix.relative(folder, 'src/groups.ts'), aggregate, aggregateFile, events };
  const { id } = subject.commands;
  const samples = {
    id,
    aggregate,
    aggregateFile,
    events: [created, ...changes.slice(0, 1)].map((type) => sampleEvent(subject, type)),
    creation: await sampleCreation(subject),
  };
  const imports = { api: posix.relative(tests, 'test/support/api.ts'), source: posix.relative(tests, folder) };
  const [tag = ''] = Object.keys(subject.module.tags);
  const domain = domainOfTests();
  const isReleased = !unreleasedNames(domain).includes(of);
  const files: readonly FileChange[] = [
    { path: `${folder}/${name}.ts`, text: readModelFile(names, place) },
    { path: `${folder}/${name}-routes.ts`, text: readModelRoutesFile(names, { id, tag }) },
    { path: `${tests}/${name}.test.ts`, text: readModelTestFile(names, samples, imports) },
    ...changesOf([
      registration(subject, names),
      ...(isReleased ? [unreleasedStep(domain, name)] : []),
      ...routeSteps(subject, `GET /${name}`),
    ]),
  ];
  const paths = await writeAll(files, async () => [await migrationOfFile(`${folder}/${name}.ts`, names.variable)]);
  return {
    paths,
    next: [
      `Edit ${folder}/${name}.ts: its view is an example. ${created} creates the row, since it is the aggregate's first event.`,
      `After a change of the lists, delete the migration and run: npm run migration ${name}`,
      `Run: npx vitest run ${tests}/${name}.test.ts`,
      `Run: npm run check`,
      `Before the first deployment with it, run: npm run golden`,
      'Read: docs/add-a-read-model.md',
    ],
  };
}

/** The lines in the subject's module. */
function registration(subject: Subject, { name, variable }: ReadModelNames): Step {
  const { file, declaration } = moduleOf(subject);
  if (usesName(file, variable))
    throw new Error(`${file.path} uses the name "${variable}" already. Choose another name.`);
  const models = asArray(propertyOf(declaration, 'readModels'));
  const routes = propertyOf(declaration, 'routes');
  const statements = [
    `import { ${variable} } from './${name}.ts';`,
    `import { ${variable}Routes } from './${name}-routes.ts';`,
  ];
  const isKnown = models && routes && (routes.type === 'ArrayExpression' || routes.type === 'Identifier');
  return {
    file,
    where: 'in `module({ readModels: [ … ], routes: … })`',
    lines: [...statements, `readModels: [ …, ${variable}]`, `routes: [ …, ...${variable}Routes]`],
    insertions: isKnown
      ? [
          ...statements.map((statement) => importAfterOthers(file, statement)),
          appendTo(file, models, variable),
          ...(routes.type === 'ArrayExpression'
            ? [appendTo(file, routes, `...${variable}Routes`)]
            : [
                { at: routes.start, text: '[...' },
                { at: routes.end, text: `, ...${variable}Routes]` },
              ]),
        ]
      : undefined,
  };
}
