/** The places of a decider: its functions, and the switch in each. */
import type { FunctionDeclaration, ObjectLiteralExpression, SwitchStatement } from 'typescript/unstable/ast';
import {
  isBlock,
  isDefaultClause,
  isFunctionDeclaration,
  isIdentifier,
  isIfStatement,
  isReturnStatement,
  isSwitchStatement,
  isVariableStatement,
} from 'typescript/unstable/ast/is';

import { type Insertion, type Source, asObject, nodesOf, propertyOf } from './source.ts';

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
  { tree, text }: Source,
  declaration: ObjectLiteralExpression,
  part: 'decide' | 'evolve',
): Switching | undefined {
  const decider = asObject(propertyOf(declaration, 'decider'));
  const named = decider && propertyOf(decider, part);
  if (!named || !isIdentifier(named)) return undefined;
  const found = tree.statements.filter(isFunctionDeclaration).find(({ name }) => name?.text === named.text);
  const parameters = found && parametersOf(found);
  if (!found?.body || !parameters) return undefined;
  const [over, state] = part === 'decide' ? parameters : parameters.toReversed();
  const { statements } = found.body;
  const statement = statements
    .filter(isSwitchStatement)
    .find(({ expression }) => text.slice(expression.getStart(tree), expression.end) === `${over}.type`);
  if (!statement) return undefined;
  const isNarrowed = statements
    .filter(isIfStatement)
    .some(
      ({ expression, thenStatement, pos }) =>
        pos < statement.pos &&
        text.slice(expression.getStart(tree), expression.end) === `${state}.status === 'absent'` &&
        (isReturnStatement(thenStatement) ||
          (isBlock(thenStatement) && thenStatement.statements.some((inner) => isReturnStatement(inner)))),
    );
  const locals = statements
    .filter(isVariableStatement)
    .flatMap(({ declarationList }) => declarationList.declarations.map(({ name }) => name))
    .flatMap((name) => (isIdentifier(name) ? [name.text] : []));
  return { parameters, statement, isNarrowed, locals };
}

/** Whether an aggregate that does not exist has the status `absent`. */
export function hasAbsentState({ text, tree }: Source, declaration: ObjectLiteralExpression): boolean {
  const decider = asObject(propertyOf(declaration, 'decider'));
  const initial = asObject(decider && propertyOf(decider, 'initialState'));
  const status = initial && propertyOf(initial, 'status');
  return status !== undefined && text.slice(status.getStart(tree), status.end) === `'absent'`;
}

/** Inserts a case before the default, or at the end. */
export function caseIn({ tree }: Source, { statement }: Switching, lines: readonly string[]): Insertion {
  const { clauses } = statement.caseBlock;
  const last = clauses.find(isDefaultClause);
  const text = `${lines.join('\n')}\n`;
  return last ? { at: last.getStart(tree), text } : { at: statement.caseBlock.end - 1, text };
}

/** Whether a file has a problem code as a literal. */
export function namesCode({ tree, text }: Source, code: string): boolean {
  return nodesOf(tree).some((node) => text.slice(node.getStart(tree), node.end) === `'${code}'`);
}

function parametersOf({ parameters }: FunctionDeclaration): readonly [string, string] | undefined {
  const [first, second] = parameters.map(({ name }) => (isIdentifier(name) ? name.text : undefined));
  return first !== undefined && second !== undefined ? [first, second] : undefined;
}
