import { type AggregateNames, upperFirst } from '../names.ts';

/** `src/tickets/module.ts`: ties the parts of the aggregate together. */
export function aggregateModuleFile({ one, many }: AggregateNames): string {
  return `
import { module } from '#tidemark';
import { ${one} } from './${one}.ts';
import { ${one}List } from './${one}-list.ts';
import { ${one}Routes } from './routes.ts';

/** The module of ${many}. */
export const ${many} = module({
  aggregate: ${one},
  readModels: [${one}List],
  routes: ${one}Routes,
  tags: { ${many}: '${upperFirst(many)}: opened and closed.' },
});
`;
}
