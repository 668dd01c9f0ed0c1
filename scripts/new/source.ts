/** Source files as the compiler's syntax trees, and text to insert into them. */
import type { ArrayLiteralExpression, Node, ObjectLiteralExpression, SourceFile } from 'typescript/unstable/ast';
import {
  isArrayLiteralExpression,
  isCallExpression,
  isIdentifier,
  isImportDeclaration,
  isNamedImports,
  isObjectLiteralExpression,
  isPropertyAssignment,
  isShorthandPropertyAssignment,
  isSpreadAssignment,
  isStringLiteral,
  isVariableDeclaration,
} from 'typescript/unstable/ast/is';
import { createVirtualFileSystem } from 'typescript/unstable/fs';
import { API } from 'typescript/unstable/sync';

const CONFIG = { compilerOptions: { noLib: true, noResolve: true, types: [] } };

/** A parsed file. */
export interface Source {
  /** From the top of the repository. */
  readonly path: string;
  readonly text: string;
  readonly tree: SourceFile;
}

/** Parses files, given as text by path. Checks no types and loads no imports. */
export function parseSources(texts: ReadonlyMap<string, string>): readonly Source[] {
  const fs = createVirtualFileSystem({
    '/tsconfig.json': JSON.stringify({ ...CONFIG, files: [...texts.keys()].map((path) => `/${path}`) }),
    ...Object.fromEntries([...texts].map(([path, text]) => [`/${path}`, text])),
  });
  const api = new API({ cwd: '/', fs });
  try {
    const [project] = api.updateSnapshot({ openProject: '/tsconfig.json' }).getProjects();
    return [...texts].map(([path, text]) => {
      const tree = project?.program.getSourceFile(`/${path}`);
      if (!tree) throw new Error(`The compiler did not parse ${path}.`);
      return { path, text, tree };
    });
  } finally {
    api.close();
  }
}

/** The node itself, and all nodes beneath it. */
export function* nodesOf(node: Node): Generator<Node> {
  yield node;
  const children: Node[] = [];
  node.forEachChild((child) => {
    children.push(child);
  });
  for (const child of children) yield* nodesOf(child);
}

/** Whether a file uses a name. */
export function usesName({ tree }: Source, name: string): boolean {
  return nodesOf(tree).some((node) => isIdentifier(node) && node.text === name);
}

/** The value of a variable. */
export function valueOf({ tree }: Source, variable: string): Node | undefined {
  return nodesOf(tree)
    .filter(isVariableDeclaration)
    .find(({ name }) => isIdentifier(name) && name.text === variable)?.initializer;
}

/** The value of a property; for a shorthand, its name. */
export function propertyOf(literal: ObjectLiteralExpression, property: string): Node | undefined {
  for (const member of literal.properties) {
    if (isSpreadAssignment(member)) continue;
    const { name } = member;
    if (!name || !(isIdentifier(name) || isStringLiteral(name)) || name.text !== property) continue;
    if (isShorthandPropertyAssignment(member)) return name;
    if (isPropertyAssignment(member)) return member.initializer;
  }
  return undefined;
}

/** The arguments of a call of a function with this name. */
export function argumentsOf(node: Node | undefined, callee: string): readonly Node[] | undefined {
  if (!node || !isCallExpression(node)) return undefined;
  return isIdentifier(node.expression) && node.expression.text === callee ? node.arguments : undefined;
}

export function asObject(node: Node | undefined): ObjectLiteralExpression | undefined {
  return node && isObjectLiteralExpression(node) ? node : undefined;
}

/** Text to insert at a position of a file. */
export interface Insertion {
  readonly at: number;
  readonly text: string;
}

/** The text with all insertions. Those at one position keep their sequence. */
export function withInsertions(text: string, insertions: readonly Insertion[]): string {
  return insertions
    .toReversed()
    .toSorted((one, other) => other.at - one.at)
    .reduce((changed, { at, text: inserted }) => changed.slice(0, at) + inserted + changed.slice(at), text);
}

/** Inserts one more element at the end of an array or of an object literal. */
export function appendTo(
  { text }: Source,
  literal: ArrayLiteralExpression | ObjectLiteralExpression,
  element: string,
): Insertion {
  const last = (isArrayLiteralExpression(literal) ? literal.elements : literal.properties).at(-1);
  if (!last) return { at: literal.end - 1, text: element };
  // With its comma and a comment, the last element fills its line.
  const [line] = /^,[^\n]*\n/.exec(text.slice(last.end, literal.end)) ?? [];
  return line === undefined
    ? { at: last.end, text: `, ${element}` }
    : { at: last.end + line.length, text: `${element},\n` };
}

/** Inserts an import after the last one. */
export function importAfterOthers({ tree }: Source, statement: string): Insertion {
  const last = tree.statements.findLast(isImportDeclaration);
  return last ? { at: last.end, text: `\n${statement}` } : { at: 0, text: `${statement}\n` };
}

/** Inserts a name into the import from a module, unless it is there. Undefined: the file has no such import. */
export function importFrom({ tree }: Source, module: string, name: string): readonly Insertion[] | undefined {
  for (const statement of tree.statements.filter(isImportDeclaration)) {
    if (!isStringLiteral(statement.moduleSpecifier) || statement.moduleSpecifier.text !== module) continue;
    const bindings = statement.importClause?.namedBindings;
    if (!bindings || !isNamedImports(bindings) || bindings.elements.length === 0) continue;
    if (bindings.elements.some((element) => element.name.text === name)) return [];
    const next = bindings.elements.find((element) => element.name.text > name);
    if (next) return [{ at: next.getStart(tree), text: `${name}, ` }];
    return [{ at: bindings.elements.at(-1)?.end ?? 0, text: `, ${name}` }];
  }
  return undefined;
}
