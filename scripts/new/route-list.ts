/** A domain's tests may list its routes by hand, so that none comes or goes unseen. A new route belongs in that list. */
import { appendTo, nodesOf, stringOf } from './source.ts';
import type { Step } from './step.ts';
import type { Subject } from './subject.ts';
import { testSources } from './test-sources.ts';

/** Adds the route of a command, which ends in `step`. */
export function commandRouteSteps(subject: Subject, step: string): readonly Step[] {
  const { module, commands } = subject;
  const id = `/:${commands.id}`;
  const [base] = module.routes.flatMap(({ path }) => (path.includes(id) ? [path.split(id)[0]] : []));
  return base === undefined ? [] : routeSteps(subject, `POST ${base}${id}${step}`);
}

/** Adds a route, for example `GET /ticket-activity`, to each list in `test/` that has all routes of the subject. */
export function routeSteps({ module }: Subject, route: string): readonly Step[] {
  const routes = module.routes.map(({ method, path }) => documented(`${method} ${path}`));
  const files = testSources((text) => routes.every((known) => text.includes(`'${known}'`)));
  return files.flatMap((file) =>
    [...nodesOf(file.tree)].flatMap((list): readonly Step[] => {
      if (list.type !== 'ArrayExpression') return [];
      const listed = new Set(list.elements.map(stringOf));
      if (!routes.every((known) => listed.has(known))) return [];
      const line = `'${documented(route)}'`;
      return [{ file, where: 'in the list of routes', lines: [`${line},`], insertions: [appendTo(file, list, line)] }];
    }),
  );
}

/** As the OpenAPI document has it: `/seats/{seatId}`. */
function documented(route: string): string {
  return route.replaceAll(/:(\w+)/g, '{$1}');
}
