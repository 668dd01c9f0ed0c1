/** The places of a decider: its functions, and the switch in each. */
import type { Function as FunctionNode, Node, ObjectExpression, SwitchStatement } from 'oxc-parser';

import { type Insertion, type Source, asObject, nameOf, nodesOf, propertyOf } from './source.ts';

/** A function of the decider that switches over the type of one parameter. */
export interface Switching {
  /** The names of its parameters. */
  readonly parameters: readonly [string, string];
  readonly statement: SwitchStatement;
  /** Whether the function returns before the switch if the aggregate does not exist. */
  readonly isNarrowed: boolean;
  /** Names that it declares before the switch. */
  readonly locals: readonly string[];
}

/** Finds `decide` or `evolve` of an aggregate. Undefined: it has another shape. */
export function switchingOf(
  source: Source,
  declaration: ObjectExpression,
  part: 'decide' | 'evolve',
): Switching | undefined {
  const decider = asObject(propertyOf(declaration, 'decider'));
  const named = decider && nameOf(propertyOf(decider, part));
  const found = named === undefined ? undefined : functionOf(source, named);
  const parameters = found && parametersOf(found);
  if (!found?.body || !parameters) return undefined;
  const [over, state] = part === 'decide' ? parameters : parameters.toReversed();
  const statements = found.body.body;
  const statement = statements
    .filter((inner) => inner.type === 'SwitchStatement')
    .find(({ discriminant }) => textOf(source, discriminant) === `${over}.type`);
  if (!statement) return undefined;
  const isNarrowed = statements
    .filter((inner) => inner.type === 'IfStatement')
    .some(
      ({ test, consequent, start }) =>
        start < statement.start &&
        textOf(source, test) === `${state}.status === 'absent'` &&
        (consequent.type === 'BlockStatement' ? consequent.body : [consequent]).some(isReturn),
    );
  const locals = statements
    .filter((inner) => inner.type === 'VariableDeclaration')
    .flatMap(({ declarations }) => declarations.flatMap(({ id }) => nameOf(id) ?? []));
  return { parameters, statement, isNarrowed, locals };
}

/** Whether an aggregate that does not exist has the status `absent`. */
export function hasAbsentState(source: Source, declaration: ObjectExpression): boolean {
  const decider = asObject(propertyOf(declaration, 'decider'));
  const initial = asObject(decider && propertyOf(decider, 'initialState'));
  const status = initial && propertyOf(initial, 'status');
  return status !== undefined && textOf(source, status) === `'absent'`;
}

/** Inserts a case before the default, or at the end. */
export function caseIn({ statement }: Switching, lines: readonly string[]): Insertion {
  const last = statement.cases.find(({ test }) => test === null);
  const text = `${lines.join('\n')}\n`;
  return { at: last?.start ?? statement.end - 1, text };
}

/** Whether a file has a problem code as a literal. */
export function namesCode(source: Source, code: string): boolean {
  return nodesOf(source.tree).some((node) => textOf(source, node) === `'${code}'`);
}

function isReturn({ type }: Node): boolean {
  return type === 'ReturnStatement';
}

function textOf({ text }: Source, { start, end }: Node): string {
  return text.slice(start, end);
}

function functionOf({ tree }: Source, name: string): FunctionNode | undefined {
  for (const statement of tree.body) {
    const node = 'declaration' in statement ? statement.declaration : statement;
    if (node?.type === 'FunctionDeclaration' && node.id?.name === name) return node;
  }
  return undefined;
}

function parametersOf({ params }: FunctionNode): readonly [string, string] | undefined {
  const [first, second] = params.map((param) => nameOf(param.type === 'AssignmentPattern' ? param.left : param));
  return first !== undefined && second !== undefined ? [first, second] : undefined;
}
