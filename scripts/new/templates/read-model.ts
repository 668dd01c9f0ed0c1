import type { ReadModelNames } from '../names.ts';

/** Where the read model's parts are. */
export interface ReadModelPlace {
  /** The variable of the group in `src/groups.ts`, and the path to that file. */
  readonly group: string;
  readonly groups: string;
  /** The variable of the aggregate, and its file. */
  readonly aggregate: string;
  readonly aggregateFile: string;
  /** The event types. The first one creates the row. */
  readonly events: readonly string[];
}

/** `src/tickets/ticket-activity.ts`: a row for each aggregate. */
export function readModelFile(
  { name, variable, of }: ReadModelNames,
  { group, groups, aggregate, aggregateFile, events }: ReadModelPlace,
): string {
  const [first = '', ...others] = events;
  const changes = others.map(
    (type) => `${type}: { change: (shown, { recordedAt }) => ({ ...shown, updatedAt: recordedAt }) },`,
  );
  return `
import { Time, readModel } from '#tidemark';
import { ${group} } from '${groups}';
import { ${aggregate} } from './${aggregateFile}';

/** When each ${of.one} began, and when it changed last. */
export const ${variable} = readModel(${aggregate}, {
  name: '${name}',
  revision: 1,
  group: ${group},
  view: { createdAt: Time, updatedAt: Time },
  on: {
    ${first}: { create: ({ recordedAt }) => ({ createdAt: recordedAt, updatedAt: recordedAt }) },
    ${changes.join('\n    ')}
  },
  lists: { latestFirst: { sort: ['-updatedAt'] } },
});
`;
}
