/** Registers a module in `src/domain.ts`. */
import { readText } from './file-changes.ts';
import { appendTo, asArray, importAfterOthers, parseSource, usesName, valueOf } from './source.ts';
import type { Step } from './step.ts';

const DOMAIN = 'src/domain.ts';

/** Adds a module to the list `domain`. `path` is that of its file, from `src/`. */
export function registration(module: string, path: string): Step {
  const file = parseSource(DOMAIN, readText(DOMAIN));
  if (usesName(file, module)) throw new Error(`${DOMAIN} uses the name "${module}" already. Pass another --plural.`);
  const statement = `import { ${module} } from './${path}';`;
  const list = asArray(valueOf(file, 'domain'));
  return {
    file,
    where: 'in the list `domain`',
    lines: [statement, `${module},`],
    insertions: list && [importAfterOthers(file, statement), appendTo(file, list, module)],
  };
}
