import * as z from 'zod/mini';

import { readModel } from '../authoring/read-model.ts';
import { Time } from '../http/schemas.ts';
import type { Group } from '../platform/group.ts';
import { key, keyDetails } from './key.ts';

/** The keys as operators see them. No request depends on it: a credential is checked by its own object. */
export function keyListIn(group: Group) {
  return readModel(key, {
    name: 'api-keys',
    revision: 1,
    group,
    view: {
      ...keyDetails,
      status: z.enum(['active', 'revoked']),
      createdAt: Time,
      revokedAt: z.nullable(Time),
    },
    on: {
      KeyCreated: {
        create: ({ data: { name, scopes, customerId, expiresAt }, recordedAt }) => ({
          name,
          scopes,
          customerId,
          status: 'active',
          expiresAt,
          createdAt: recordedAt,
          revokedAt: null,
        }),
      },
      KeyRevoked: {
        change: (shown, { recordedAt }) => ({ ...shown, status: 'revoked', revokedAt: recordedAt }),
      },
    },
    lists: { oldestFirst: { filter: [], sort: ['createdAt'] } },
  });
}

export type KeyList = ReturnType<typeof keyListIn>;
