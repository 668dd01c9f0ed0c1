import * as groups from '../../src/groups.ts';

/** The variable of a group in `src/groups.ts`, by the group's name. */
export function groupVariable(name: string): string {
  const found = Object.entries(groups).find(([, group]) => 'name' in group && group.name === name);
  if (!found)
    throw new Error(`--group must be one of ${groups.groups.map((group) => group.name).join(', ')}, not "${name}".`);
  return found[0];
}
