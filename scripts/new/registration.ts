/** Registers a module in `src/domain.ts`. */
import { isArrayLiteralExpression, isIdentifier, isVariableDeclaration } from 'typescript/unstable/ast/is';

import { type FileChange, readText } from './file-changes.ts';
import { UnknownShapeError } from './unknown-shape.ts';
import { appendTo, importAfterOthers, nodesOf, parseSource, withInsertions } from './source.ts';

const DOMAIN = 'src/domain.ts';

/** Adds a module to the list of `domain`. `file` is its path from `src/`. */
export function registered(module: string, file: string): FileChange {
  const text = readText(DOMAIN);
  const source = parseSource(text);
  const statement = `import { ${module} } from './${file}';`;
  const declaration = source.statements
    .flatMap((node) => [...nodesOf(node)])
    .filter(isVariableDeclaration)
    .find(({ name, initializer }) => isIdentifier(name) && name.text === 'domain' && initializer !== undefined);
  const list = declaration?.initializer;
  if (!list || !isArrayLiteralExpression(list))
    throw new UnknownShapeError([
      { path: DOMAIN, problem: 'has no list `domain`', lines: [statement, `… domain = [ …, ${module}]`] },
    ]);
  const isTaken = [...nodesOf(source)].some((node) => isIdentifier(node) && node.text === module);
  if (isTaken) throw new Error(`${DOMAIN} uses the name "${module}" already. Pass another --plural.`);
  const insertions = [importAfterOthers(source, statement), appendTo(source, list, module)];
  return { path: DOMAIN, text: withInsertions(text, insertions), isChanged: true };
}
