/** The lines of a new command in the files of its aggregate: decisions, read models and routes. */
import { posix } from 'node:path';

import type { Node } from 'oxc-parser';

import { domain } from '../../src/domain.ts';
import type { AnyAggregate } from '../../src/tidemark/authoring/aggregate.ts';
import type { Projection } from '../../src/tidemark/projections/projection.ts';
import type { CommandNames } from './command-names.ts';
import { type Switching, caseIn, hasAbsentState, namesCode, switchingOf } from './decider.ts';
import { hasUpdatedAt } from './sample.ts';
import {
  type Source,
  appendTo,
  argumentsOf,
  asObject,
  importFrom,
  nameOf,
  nodesOf,
  propertyOf,
  stringOf,
  valueOf,
} from './source.ts';
import type { Step } from './step.ts';
import type { Subject } from './subject.ts';

export function commandSteps(subject: Subject, names: CommandNames): readonly Step[] {
  return [...decisionSteps(subject, names), ...readModelSteps(subject, names), routeStep(subject, names)];
}

/** The lines in the file of the aggregate. */
function decisionSteps(subject: Subject, { command, event }: CommandNames): readonly Step[] {
  const { file, declaration, names } = subject;
  const decide = switchingOf(file, declaration, 'decide');
  const evolve = switchingOf(file, declaration, 'evolve');
  const knowsAbsence = hasAbsentState(file, declaration) && namesCode(file, 'not-found');
  const refusal = `if (${decide?.parameters[1] ?? names.one}.status === 'absent') return { code: 'not-found', message: 'There is no such ${names.one}.' };`;
  const decideLines = [
    `case '${command}':`,
    ...(decide?.isNarrowed ? [] : [`  ${refusal}`]),
    `  return [{ type: '${event}', data: {} }];`,
  ];
  const evolveLines = [`case '${event}':`, `  return ${evolvedState(subject, evolve)};`];
  return [
    declarationStep(subject, 'events', 0, `${event}: {}`),
    declarationStep(subject, 'commands', 1, `${command}: {}`),
    {
      file,
      where: 'in the switch of `decide`',
      lines: decideLines,
      insertions: decide && knowsAbsence ? [caseIn(decide, decideLines)] : undefined,
    },
    {
      file,
      where: 'in the switch of `evolve`',
      lines: evolveLines,
      insertions: evolve ? [caseIn(evolve, evolveLines)] : undefined,
    },
  ];
}

/** The state after the event: only its time changes. */
function evolvedState(subject: Subject, evolve: Switching | undefined): string {
  const [state, event] = evolve?.parameters ?? [subject.names.one, 'event'];
  if (!hasUpdatedAt(subject)) return state;
  if (evolve?.isNarrowed === false)
    return `${state}.status === 'absent' ? ${state} : { ...${state}, updatedAt: ${event}.recordedAt }`;
  return evolve?.locals.includes('updatedAt')
    ? `{ ...${state}, updatedAt }`
    : `{ ...${state}, updatedAt: ${event}.recordedAt }`;
}

/** One more member in the call of `events` or `commands`. */
function declarationStep(
  { file, declaration }: Subject,
  property: 'events' | 'commands',
  argument: number,
  member: string,
): Step {
  const value = propertyOf(declaration, property);
  const call = value?.type === 'Identifier' ? valueOf(file, value.name) : value;
  const literal = asObject(argumentsOf(call, property)?.[argument]);
  return {
    file,
    where: `in \`${property}(…)\``,
    lines: [`${member},`],
    insertions: literal && [appendTo(file, literal, member)],
  };
}

/** A handler in each read model that follows the aggregate: it keeps `updatedAt` as in the state, or ignores the event. */
function readModelSteps(subject: Subject, { event }: CommandNames): readonly Step[] {
  const { aggregate, sources } = subject;
  const isTimed = hasUpdatedAt(subject);
  const following = domain
    .flatMap(({ projections }) => projections)
    .filter(({ follows, everyEvent }) => Object.hasOwn(follows, aggregate.category) && !everyEvent);
  return following.map((projection) => {
    const found = handlersOf(sources, projection);
    const file = found?.file ?? subject.file;
    const where = `in the handlers of the read model "${projection.name}"`;
    if (isTimed && showsUpdatedAt(projection, aggregate)) {
      const row = 'view' in projection ? 'shown' : 'row';
      const handler = `${event}: { change: (${row}, { recordedAt }) => ({ ...${row}, updatedAt: recordedAt }) }`;
      return { file, where, lines: [`${handler},`], insertions: found && [appendTo(file, found.handlers, handler)] };
    }
    const imported = importFrom(file, '#tidemark', 'ignored');
    return {
      file,
      where,
      lines: [`${event}: ignored, // imported from '#tidemark'`],
      insertions: found && imported && [...imported, appendTo(file, found.handlers, `${event}: ignored`)],
    };
  });
}

/** Whether a projection has a row for each aggregate from its first event on, with the time of the latest one as `updatedAt`. */
function showsUpdatedAt(
  { row, handlers, follows, view }: Projection & { readonly view?: object },
  { events }: AnyAggregate,
): boolean {
  const [first = ''] = Object.keys(events);
  const handler = handlers[first];
  const createsRow = typeof handler === 'object' && handler.create !== undefined;
  return createsRow && Object.keys(follows).length === 1 && row !== undefined && 'updatedAt' in (view ?? row.tables.a);
}

/** Where a projection's handlers are written. */
function handlersOf(sources: readonly Source[], { name, revision }: Projection) {
  for (const file of sources) {
    for (const node of nodesOf(file.tree)) {
      if (node.type !== 'ObjectExpression') continue;
      const numbered = propertyOf(node, 'revision');
      const handlers = asObject(propertyOf(node, 'on') ?? propertyOf(node, 'handlers'));
      if (!handlers || stringOf(propertyOf(node, 'name')) !== name) continue;
      if (numbered?.type === 'Literal' && numbered.value === revision) return { file, handlers };
    }
  }
  return undefined;
}

/** The route, after the last one of a command. */
function routeStep({ sources, folder, file, commands }: Subject, { command, step, summary }: CommandNames): Step {
  const routes = sources
    .filter(({ path }) => posix.dirname(path) === folder)
    .flatMap((source) =>
      [...nodesOf(source.tree)]
        .filter((node) => node.type === 'ArrayExpression')
        .flatMap(({ elements }) =>
          elements.flatMap((element) => commandRouteOf(source, element, Object.keys(commands.types))),
        ),
    );
  const last = routes.at(-1);
  const line = `${last?.routes ?? 'routes'}.command('${command}', '${step}', { summary: '${summary}' })`;
  return {
    file: last?.source ?? file,
    where: 'in the list of routes',
    lines: [`${line},`],
    insertions: last && [{ at: last.element.end, text: `,\n${line}` }],
  };
}

/** The call `routes.command('…', …)` or `routes.create('…', …)`, if an element is one. */
function commandRouteOf(source: Source, element: Node | null, types: readonly string[]) {
  if (element?.type !== 'CallExpression' || element.callee.type !== 'MemberExpression') return [];
  const { object, property, computed } = element.callee;
  const routes = nameOf(object);
  const isCommand = !computed && ['command', 'create'].includes(nameOf(property) ?? '');
  if (!isCommand || routes === undefined || !types.includes(stringOf(element.arguments[0]) ?? '')) return [];
  return [{ source, element, routes }];
}
