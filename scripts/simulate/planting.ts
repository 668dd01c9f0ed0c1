import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

import { PLANTED_IN_ACCESS } from './planted-in-access.ts';
import { type Edit, PLANTED } from './planted.ts';

/** A Vite plugin that puts one planted bug into the source as it is loaded. */
export function planting(name: string) {
  const bug = [...PLANTED, ...PLANTED_IN_ACCESS].find((candidate) => candidate.name === name);
  if (!bug) throw new Error(`there is no planted bug "${name}"`);
  return edited(bug.edits);
}

/** A Vite plugin that edits the source as it is loaded, for tests only. Throws when a file no longer has the text to replace. */
export function edited(edits: readonly Edit[]) {
  for (const { file, find } of edits) {
    const found = readFileSync(resolve(file), 'utf8').split(find).length - 1;
    if (found !== 1) throw new Error(`${file} has the text to replace ${found} times, not once: ${find}`);
  }
  return {
    name: 'edited-source',
    enforce: 'pre' as const,
    transform(code: string, id: string): string | undefined {
      const its = edits.filter(({ file }) => id.split('?')[0] === resolve(file));
      return its.length === 0
        ? undefined
        : its.reduce((source, { find, replace }) => source.replace(find, () => replace), code);
    },
  };
}
