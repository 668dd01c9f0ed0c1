/** The lines of a new command in `test/`: clients of the simulation send it, and golden files say nothing of its event yet. */
import { globSync } from 'node:fs';
import type { ObjectLiteralExpression } from 'typescript/unstable/ast';

import type { CommandNames } from './command-names.ts';
import { domainOfTests, unreleasedNames, unreleasedStep } from './domain-of-tests.ts';
import { ROOT, readText } from './file-changes.ts';
import { type Source, appendTo, argumentsOf, asObject, nodesOf, parseSources, propertyOf } from './source.ts';
import type { Step } from './step.ts';
import type { Subject } from './subject.ts';

export function commandTestSteps(subject: Subject, { command, event }: CommandNames): readonly Step[] {
  const domain = domainOfTests();
  const found = intentsOf(subject);
  const member = `${command}: () => ({})`;
  const intents: Step = {
    file: found?.file ?? domain,
    where: `in the call of \`intentsOf\` for ${subject.names.many}`,
    lines: [`${member},`],
    insertions: found && [appendTo(found.file, found.bodies, member)],
  };
  const isReleased = !unreleasedNames(domain).includes(subject.aggregate.category);
  return isReleased ? [intents, unreleasedStep(domain, event)] : [intents];
}

/** The bodies of an aggregate's commands: the call `intentsOf(module, { … })` that has one of its commands. */
function intentsOf({ commands }: Subject): { file: Source; bodies: ObjectLiteralExpression } | undefined {
  const paths = globSync('test/**/*.ts', { cwd: ROOT, exclude: ['test/guides/**', 'test/support/**'] });
  const texts = paths
    .map((path) => path.replaceAll('\\', '/'))
    .toSorted()
    .map((path) => [path, readText(path)] as const)
    .filter(([, text]) => text.includes('intentsOf('));
  const types = Object.keys(commands.types);
  for (const file of parseSources(new Map(texts))) {
    for (const node of nodesOf(file.tree)) {
      const bodies = asObject(argumentsOf(node, 'intentsOf')?.[1]);
      if (bodies && types.some((type) => propertyOf(bodies, type) !== undefined)) return { file, bodies };
    }
  }
  return undefined;
}
