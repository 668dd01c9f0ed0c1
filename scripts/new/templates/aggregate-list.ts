import type { AggregateNames } from '../names.ts';

/** `src/tickets/ticket-list.ts`: the read model of the resource and of the list. `groups` is the path to `src/groups.ts`. */
export function aggregateListFile({ one, many, type }: AggregateNames, groups: string): string {
  return `
import * as z from 'zod/mini';

import { Time, readModel } from '#tidemark';
import { serving } from '${groups}';
import { ${one.toUpperCase()}_STATUSES, ${one} } from './${one}.ts';

/** All ${many} as they are now. */
export const ${one}List = readModel(${one}, {
  name: '${one}-list',
  revision: 1,
  group: serving,
  view: {
    title: z.string(),
    status: z.enum(${one.toUpperCase()}_STATUSES),
    reason: z.nullable(z.string()),
    openedAt: Time,
    updatedAt: Time,
  },
  on: {
    ${type}Opened: {
      create: ({ data, recordedAt }) => ({
        title: data.title,
        status: 'open',
        reason: null,
        openedAt: recordedAt,
        updatedAt: recordedAt,
      }),
    },
    ${type}Closed: {
      change: (shown, { data: { reason }, recordedAt }) => ({ ...shown, status: 'closed', reason, updatedAt: recordedAt }),
    },
  },
  lists: { newestFirst: { filter: ['status'], sort: ['-openedAt'] } },
});
`;
}
