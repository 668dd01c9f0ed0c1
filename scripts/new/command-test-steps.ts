/** The lines of a new command in `test/`: clients of the simulation send it, and golden files say nothing of its event yet. */
import type { ObjectExpression } from 'oxc-parser';

import type { CommandNames } from './command-names.ts';
import { domainOfTests, unreleasedNames, unreleasedStep } from './domain-of-tests.ts';
import { commandRouteSteps } from './route-list.ts';
import { type Source, appendTo, argumentsOf, asObject, nodesOf, propertyOf } from './source.ts';
import type { Step } from './step.ts';
import type { Subject } from './subject.ts';
import { testSources } from './test-sources.ts';

export function commandTestSteps(subject: Subject, { command, event, step }: CommandNames): readonly Step[] {
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
  return [intents, ...(isReleased ? [unreleasedStep(domain, event)] : []), ...commandRouteSteps(subject, step)];
}

/** The bodies of an aggregate's commands: the call `intentsOf(module, { … })` that has one of its commands. */
function intentsOf({ commands }: Subject): { file: Source; bodies: ObjectExpression } | undefined {
  const types = Object.keys(commands.types);
  for (const file of testSources((text) => text.includes('intentsOf('))) {
    for (const node of nodesOf(file.tree)) {
      const bodies = asObject(argumentsOf(node, 'intentsOf')?.[1]);
      if (bodies && types.some((type) => propertyOf(bodies, type) !== undefined)) return { file, bodies };
    }
  }
  return undefined;
}
