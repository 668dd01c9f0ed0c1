import { TrieRouter } from 'hono/router/trie-router';

import type { Route } from './route.ts';

/** The methods of a path, by the routes that there are; none when no route has it. `OPTIONS` is not among them: every path has it. */
export function methodsByPath(routes: readonly Route[]): (path: string) => readonly string[] {
  const router = new TrieRouter<string>();
  for (const { method, path } of routes) {
    router.add('ALL', path, method);
    if (method === 'GET') router.add('ALL', path, 'HEAD');
  }
  return (path) => [...new Set(router.match('ALL', path)[0].map(([method]) => method))];
}
