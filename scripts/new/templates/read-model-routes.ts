import { type ReadModelNames, upperFirst } from '../names.ts';

/** `src/tickets/ticket-activity-routes.ts`: the list of the read model. */
export function readModelRoutesFile(
  { name, variable, type, of }: ReadModelNames,
  { id, tag }: { readonly id: string; readonly tag: string },
): string {
  return `
import * as z from 'zod/mini';

import { Uuid, Version, listRoute, named } from '#tidemark';
import { ${variable} } from './${name}.ts';

const ${type} = named('${type}', z.strictObject({ ${id}: Uuid, ...${variable}.view, version: Version }));
const { latestFirst } = ${variable}.lists;

export const ${variable}Routes = [
  listRoute({
    path: '/${name}',
    id: 'list${type}',
    summary: '${upperFirst(of.many)} by their latest change',
    description: 'Answers page by page, the latest first.',
    tag: '${tag}',
    access: { scope: null, whose: 'staff' },
    filter: {},
    reads: ${variable},
    query: latestFirst.page,
    positionOf: latestFirst.positionOf,
    item: ${type},
    itemExample: {
      ${id}: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a',
      version: 2,
      createdAt: '2026-11-23T09:00:00.000Z',
      updatedAt: '2026-11-23T10:00:00.000Z',
    },
  }),
];
`;
}
