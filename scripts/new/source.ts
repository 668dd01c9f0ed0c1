/** Source files as syntax trees, and text to insert into them. */
import { type ArrayExpression, type Node, type ObjectExpression, type Program, parseSync } from 'oxc-parser';

/** A parsed file. */
export interface Source {
  /** From the top of the repository. */
  readonly path: string;
  readonly text: string;
  readonly tree: Program;
}

/** Parses a file. Checks no types and loads no imports. Throws for a syntax error. */
export function parseSource(path: string, text: string): Source {
  const { program, errors } = parseSync(path, text);
  const [error] = errors;
  if (error) throw new Error(`${path} has a syntax error:\n${error.codeframe ?? error.message}`);
  return { path, text, tree: program };
}

/** The node itself, and all nodes beneath it. */
export function* nodesOf(node: Node): Generator<Node> {
  yield node;
  const values: readonly unknown[] = Object.values(node);
  for (const child of values.flat()) if (isNode(child)) yield* nodesOf(child);
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value;
}

/** Whether a file uses a name. */
export function usesName({ tree }: Source, name: string): boolean {
  return nodesOf(tree).some((node) => nameOf(node) === name);
}

/** The value of a variable. */
export function valueOf({ tree }: Source, variable: string): Node | undefined {
  const declarators = nodesOf(tree).filter((node) => node.type === 'VariableDeclarator');
  return declarators.find(({ id }) => nameOf(id) === variable)?.init ?? undefined;
}

/** The value of a property; for a shorthand, its name. */
export function propertyOf(literal: ObjectExpression, property: string): Node | undefined {
  for (const member of literal.properties) {
    if (member.type !== 'Property' || member.kind !== 'init' || member.method || member.computed) continue;
    if ((nameOf(member.key) ?? stringOf(member.key)) === property) return member.value;
  }
  return undefined;
}

/** The arguments of a call of a function with this name. */
export function argumentsOf(node: Node | null | undefined, callee: string): readonly Node[] | undefined {
  return node?.type === 'CallExpression' && nameOf(node.callee) === callee ? node.arguments : undefined;
}

/** The name, if the node is an identifier. */
export function nameOf(node: Node | null | undefined): string | undefined {
  return node?.type === 'Identifier' ? node.name : undefined;
}

/** The value, if the node is the literal of a string. */
export function stringOf(node: Node | null | undefined): string | undefined {
  return node?.type === 'Literal' && typeof node.value === 'string' ? node.value : undefined;
}

export function asObject(node: Node | undefined): ObjectExpression | undefined {
  return node?.type === 'ObjectExpression' ? node : undefined;
}

export function asArray(node: Node | undefined): ArrayExpression | undefined {
  return node?.type === 'ArrayExpression' ? node : undefined;
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
export function appendTo({ text }: Source, literal: ArrayExpression | ObjectExpression, element: string): Insertion {
  const last = (literal.type === 'ArrayExpression' ? literal.elements : literal.properties).at(-1);
  if (!last) return { at: literal.end - 1, text: element };
  // With its comma and a comment, the last element fills its line.
  const [line] = /^,[^\n]*\n/.exec(text.slice(last.end, literal.end)) ?? [];
  return line === undefined
    ? { at: last.end, text: `, ${element}` }
    : { at: last.end + line.length, text: `${element},\n` };
}

/** Inserts an import after the last one. */
export function importAfterOthers({ tree }: Source, statement: string): Insertion {
  const last = tree.body.findLast(({ type }) => type === 'ImportDeclaration');
  return last ? { at: last.end, text: `\n${statement}` } : { at: 0, text: `${statement}\n` };
}

/** Inserts a name into the import from a module, unless it is there. Undefined: the file has no such import. */
export function importFrom({ tree }: Source, module: string, name: string): readonly Insertion[] | undefined {
  for (const statement of tree.body) {
    if (statement.type !== 'ImportDeclaration' || statement.source.value !== module) continue;
    const named = statement.specifiers.filter(({ type }) => type === 'ImportSpecifier');
    const last = named.at(-1);
    if (!last) continue;
    if (named.some(({ local }) => local.name === name)) return [];
    const next = named.find(({ local }) => local.name > name);
    return [next ? { at: next.start, text: `${name}, ` } : { at: last.end, text: `, ${name}` }];
  }
  return undefined;
}
