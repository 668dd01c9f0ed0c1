/** Source files as the compiler's syntax trees, and text to insert into them. */
import type { ArrayLiteralExpression, Node, ObjectLiteralExpression, SourceFile } from 'typescript/unstable/ast';
import { isImportDeclaration } from 'typescript/unstable/ast/is';
import { createVirtualFileSystem } from 'typescript/unstable/fs';
import { API } from 'typescript/unstable/sync';

const CONFIG = { compilerOptions: { noLib: true, noResolve: true, types: [] } };

/** Parses source files, given by path. Checks no types and loads no imports. */
function parseSources(texts: Readonly<Record<string, string>>): ReadonlyMap<string, SourceFile> {
  const files = Object.keys(texts);
  const fs = createVirtualFileSystem({
    '/tsconfig.json': JSON.stringify({ ...CONFIG, files: files.map((path) => `/${path}`) }),
    ...Object.fromEntries(Object.entries(texts).map(([path, text]) => [`/${path}`, text])),
  });
  const api = new API({ cwd: '/', fs });
  try {
    const [project] = api.updateSnapshot({ openProject: '/tsconfig.json' }).getProjects();
    return new Map(
      files.map((path) => {
        const source = project?.program.getSourceFile(`/${path}`);
        if (!source) throw new Error(`The compiler did not parse ${path}.`);
        return [path, source];
      }),
    );
  } finally {
    api.close();
  }
}

/** Parses one source file. */
export function parseSource(text: string): SourceFile {
  const [source] = parseSources({ 'source.ts': text }).values();
  if (!source) throw new Error('The compiler parsed nothing.');
  return source;
}

/** All nodes beneath a node, and the node itself. */
export function* nodesOf(node: Node): Generator<Node> {
  yield node;
  const children: Node[] = [];
  node.forEachChild((child) => {
    children.push(child);
  });
  for (const child of children) yield* nodesOf(child);
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
  { text }: SourceFile,
  literal: ArrayLiteralExpression | ObjectLiteralExpression,
  element: string,
): Insertion {
  const last = ('elements' in literal ? literal.elements : literal.properties).at(-1);
  if (!last) return { at: literal.end - 1, text: element };
  // With its comma and a comment, the last element fills its line.
  const [line] = /^,[^\n]*\n/.exec(text.slice(last.end, literal.end)) ?? [];
  return line === undefined
    ? { at: last.end, text: `, ${element}` }
    : { at: last.end + line.length, text: `${element},\n` };
}

/** Inserts an import after the last one. */
export function importAfterOthers({ statements }: SourceFile, statement: string): Insertion {
  const last = statements.findLast(isImportDeclaration);
  return last ? { at: last.end, text: `\n${statement}` } : { at: 0, text: `${statement}\n` };
}
