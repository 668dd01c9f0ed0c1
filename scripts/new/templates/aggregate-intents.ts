import type { AggregateNames } from '../names.ts';

/** The paths of the imports of a file with intents. */
export interface IntentsImports {
  /** To `test/consistency/simulation/intents-of.ts`. */
  readonly intentsOf: string;
  /** To the folder of the aggregate in `src/`. */
  readonly source: string;
}

/** `test/tickets/ticket-intents.ts`: the commands that clients send in the simulation and in tests of every module. */
export function aggregateIntentsFile(
  { one, many, type }: AggregateNames,
  { intentsOf, source }: IntentsImports,
): string {
  return `
import { ${many} } from '${source}/module.ts';
import { intentsOf } from '${intentsOf}';

/** What clients do with ${many} in the simulation. */
export const ${one}Intents = intentsOf(${many}, {
  Open${type}: (chance) => ({ title: \`${type} \${chance.below(20)}\` }),
  Close${type}: (chance) => ({ reason: chance.pick(['Done', 'Opened by mistake']) }),
});
`;
}
