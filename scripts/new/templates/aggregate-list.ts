import type { AggregateNames } from '../names.ts';

/** `src/tickets/ticket-list.ts`: the read model of the resource and of the list. `groups` is the path to `src/groups.ts`. */
export function aggregateListFile({ one, many, type }: AggregateNames, groups: string): string {
  return `
import { text } from 'drizzle-orm/sqlite-core';

import { readModel } from '#tidemark';
import { serving } from '${groups}';
import { ${one.toUpperCase()}_STATUSES, ${one} } from './${one}.ts';

/** All ${many} as they are now. */
export const ${one}List = readModel(${one}, {
  name: '${one}-list',
  revision: 1,
  group: serving,
  columns: {
    title: text('title').notNull(),
    status: text('status', { enum: ${one.toUpperCase()}_STATUSES }).notNull(),
    reason: text('reason'),
    openedAt: text('opened_at').notNull(),
    updatedAt: text('updated_at').notNull(),
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
      change: (row, { data, recordedAt }) => ({ ...row, status: 'closed', reason: data.reason, updatedAt: recordedAt }),
    },
  },
  lists: { newestFirst: { filter: ['status'], sort: ['-openedAt'] } },
});
`;
}
