/** The lists in `test/domain.ts`. */
import { readText } from './file-changes.ts';
import { type Source, appendTo, asArray, importAfterOthers, parseSource, stringOf, valueOf } from './source.ts';
import type { Step } from './step.ts';

export const DOMAIN_OF_TESTS = 'test/domain.ts';

export function domainOfTests(): Source {
  return parseSource(DOMAIN_OF_TESTS, readText(DOMAIN_OF_TESTS));
}

/** Adds a module's commands to the list `intents`. `path` is that of their file, from `test/`. */
export function intentsStep(file: Source, intents: string, path: string): Step {
  const statement = `import { ${intents} } from './${path}';`;
  const list = listIn(file, 'intents');
  return {
    file,
    where: 'in the list `intents`',
    lines: [statement, `${intents},`],
    insertions: list && [importAfterOthers(file, statement), appendTo(file, list, intents)],
  };
}

/** Adds an aggregate, an event type or a read model to the list `unreleased`. */
export function unreleasedStep(file: Source, name: string): Step {
  const list = listIn(file, 'unreleased');
  return {
    file,
    where: 'in the list `unreleased`',
    lines: [`'${name}',`],
    insertions: list && [appendTo(file, list, `'${name}'`)],
  };
}

/** What no deployment has had yet, so that golden files say nothing of it. */
export function unreleasedNames(file: Source): readonly string[] {
  const { elements = [] } = listIn(file, 'unreleased') ?? {};
  return elements.flatMap((element) => stringOf(element) ?? []);
}

/** The file's text with an empty list `unreleased`. */
export function withoutUnreleased(file: Source): string {
  const { text } = file;
  const list = listIn(file, 'unreleased');
  return list ? `${text.slice(0, list.start)}[]${text.slice(list.end)}` : text;
}

function listIn(file: Source, variable: string) {
  return asArray(valueOf(file, variable));
}
