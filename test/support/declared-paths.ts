import type { Module } from '../../src/tidemark/authoring/registered-module.ts';
import { declaredReadsOf } from '../consistency/simulation/declared-reads.ts';
import { idNameOf } from './examples.ts';

/** The paths of a module's resource, of its lists that need no parameter, and of its history. */
export function declaredPathsOf(module: Module) {
  const idName = idNameOf(module);
  const gets = module.routes.filter(({ method }) => method === 'GET');
  const lists = gets.filter(({ path, operation }) => {
    const query = operation.query?.shape ?? {};
    return !path.includes(':') && 'cursor' in query && declaredReadsOf(module).lists.some((list) => list.path === path);
  });
  return {
    idName,
    resource: gets.find(({ path }) => path.endsWith(`/:${idName}`))?.path,
    // The tally declares its list by hand.
    lists: [...lists.map(({ path }) => path), ...(module.aggregate.category === 'tally' ? ['/tallies'] : [])],
    history: gets.find(({ path }) => path.endsWith(`/:${idName}/history`))?.path,
  };
}
