import { access } from '../../../src/access.ts';
import { serving } from '../../../src/groups.ts';
import { apiKeys } from '../../../src/tidemark/keys/module.ts';
import { intentsOf } from '../../consistency/simulation/intents-of.ts';

/** What operators want done with API keys. */
export const keyIntents = intentsOf(apiKeys(serving, access), {
  CreateKey: (chance) => ({
    name: chance.pick(['warehouse', 'web shop']),
    scopes: [chance.pick(['events:read', 'operate:read'])],
    ...(chance.next() < 0.3 && { customerId: 'c-1', expiresAt: '2100-01-01T00:00:00.000Z' }),
  }),
  RevokeKey: { body: () => ({}), mayDoNothing: true },
});
