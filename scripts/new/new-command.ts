/** `npm run new command <Name>`: a command and its event, in an aggregate that exists. */
import { posix } from 'node:path';

import { operationOf } from '../../src/tidemark/authoring/routes-of.ts';
import { commandTestSteps } from './command-test-steps.ts';
import { commandNames } from './command-names.ts';
import { commandSteps } from './command-steps.ts';
import { requireFree } from './existing.ts';
import { type Written, writeAll } from './file-changes.ts';
import { hasUpdatedAt, sampleCreation, sampleEvent } from './sample.ts';
import { changesOf } from './step.ts';
import { subjectOf } from './subject.ts';
import { commandTestFile } from './templates/command-test.ts';

export interface NewCommand {
  readonly command: string;
  readonly event: string;
  /** The category of the aggregate. */
  readonly of: string;
}

export async function newCommand({ command, event, of }: NewCommand): Promise<Written> {
  const subject = subjectOf(of);
  const names = commandNames(command, event, subject.names);
  const creation = await sampleCreation(subject);
  await requireFree({
    commands: [names.command],
    events: [names.event],
    operations: [operationOf(names.command)],
    schemas: [names.command, names.event],
  });

  const { tests, folder, file, variable, commands } = subject;
  const [first = ''] = Object.keys(subject.aggregate.events);
  const samples = {
    id: commands.id,
    aggregate: variable,
    aggregateFile: posix.basename(file.path),
    first: sampleEvent(subject, first),
    noun: subject.names.aOne,
    isTimed: hasUpdatedAt(subject),
    creation,
  };
  const imports = { api: posix.relative(tests, 'test/support/api.ts'), source: posix.relative(tests, folder) };
  const test = { path: `${tests}/${names.file}.test.ts`, text: commandTestFile(names, samples, imports) };
  const steps = [...commandSteps(subject, names), ...commandTestSteps(subject, names)];
  const paths = await writeAll([test, ...changesOf(steps)]);
  return {
    paths,
    next: [
      `Edit ${file.path}: give ${names.command} a body, ${names.event} its data, and \`decide\` its rule. tsc names the rest.`,
      `Then give it that body where clients of the simulation send it.`,
      'The event changes only `updatedAt`, or nothing: change `evolve`, and the handlers of the read models, where it means more.',
      `Change the path ${names.step} in the routes to a noun, such as /reservation.`,
      `Run: npx vitest run ${test.path}`,
      `Run: npm run check`,
      `Before the first deployment with it, run: npm run golden`,
      'Read: docs/add-a-field-or-command.md',
    ],
  };
}
