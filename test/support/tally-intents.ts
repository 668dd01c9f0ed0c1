import { intentsOf } from '../consistency/simulation/intents-of.ts';
import { tallies } from './tally-routes.ts';

/** What clients do with tallies, where tests send the commands of every module. */
export const tallyIntents = intentsOf(tallies, {
  OpenTally: (chance) => ({ by: 1 + chance.below(7) }),
  // Adding nothing is refused.
  Add: (chance) => ({ by: chance.below(7) }),
  RaiseTo: { body: (chance) => ({ to: 1 + chance.below(40) }), mayDoNothing: true },
});
