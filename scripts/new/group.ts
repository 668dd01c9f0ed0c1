import * as groups from '../../src/groups.ts';

/** The variable of a group in `src/groups.ts`, by the group's name. */
export function groupVariable(name: string): string {
  const found = Object.entries(groups).find(([, group]) => group.name === name);
  if (found) return found[0];
  const names = Object.values(groups).map((group) => group.name);
  throw new Error(`--group must be one of ${names.toSorted().join(', ')}, not "${name}".`);
}
