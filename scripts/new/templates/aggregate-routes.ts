import { type AggregateNames, upperFirst } from '../names.ts';

/** `src/tickets/routes.ts`: the routes of the aggregate. */
export function aggregateRoutesFile({ one, many, type, aOne }: AggregateNames): string {
  return `
import { routesOf } from '#tidemark';
import { ${one} } from './${one}.ts';
import { ${one}List } from './${one}-list.ts';

const ${many} = routesOf(${one}, {
  path: '/${many}',
  tag: '${many}',
  name: '${type}',
  access: {
    read: { scope: '${many}:read', whose: 'staff' },
    write: { scope: '${many}:write', whose: 'staff' },
  },
  view: ${one}List.view,
  example: {
    title: 'The first ${one}',
    status: 'closed',
    reason: 'Done',
    openedAt: '2026-11-23T09:00:00.000Z',
    updatedAt: '2026-11-23T10:00:00.000Z',
  },
  fromState: (state) => ({ ...state, reason: state.status === 'closed' ? state.reason : null }),
});

export const ${one}Routes = [
  ${many}.create('Open${type}', { summary: 'Open ${aOne}', example: { title: 'The first ${one}' } }),
  ${many}.command('Close${type}', '/closing', { summary: 'Close an open ${one}', example: { reason: 'Done' } }),
  ${many}.resource(${one}List),
  ${many}.list(${one}List, 'newestFirst', { summary: '${upperFirst(many)}, the newest first' }),
  ${many}.history({ example: { type: '${type}Closed', data: { reason: 'Done' } } }),
];
`;
}
