import { globSync } from 'node:fs';

import { ROOT, readText } from './file-changes.ts';
import { type Source, parseSource } from './source.ts';

/** The files in `test/` that tell of the domain, of those whose text is wanted. The guides and the kit have a domain of their own. */
export function testSources(isWanted: (text: string) => boolean): readonly Source[] {
  const paths = globSync('test/**/*.ts', { cwd: ROOT, exclude: ['test/guides/**', 'test/support/**'] });
  return paths
    .map((path) => path.replaceAll('\\', '/'))
    .toSorted()
    .map((path) => [path, readText(path)] as const)
    .filter(([, text]) => isWanted(text))
    .map(([path, text]) => parseSource(path, text));
}
