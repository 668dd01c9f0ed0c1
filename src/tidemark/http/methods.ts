import { TrieRouter } from 'hono/router/trie-router';

import type { Route } from './route.ts';

/** Finds the methods of a path among the routes; none when no route has the path. `OPTIONS` is left out: every path has it. */
export function methodsByPath(routes: readonly Route[]): (path: string) => readonly string[] {
  const router = new TrieRouter<string>();
  for (const { method, path } of routes) {
    router.add('ALL', path, method);
    if (method === 'GET') router.add('ALL', path, 'HEAD');
  }
  return (path) => [...new Set(router.match('ALL', path)[0].map(([method]) => method))];
}
