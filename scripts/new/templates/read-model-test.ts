import type { ReadModelNames } from '../names.ts';
import type { TestImports } from './aggregate-test.ts';

/** What a test of a read model begins with. */
export interface ReadModelSamples {
  readonly id: string;
  /** The variable of the aggregate, and its file. */
  readonly aggregate: string;
  readonly aggregateFile: string;
  /** Events as code. The first one creates the row. */
  readonly events: readonly string[];
  /** The request that creates an aggregate, if a test can make it up. */
  readonly creation: { readonly path: string; readonly body: string } | undefined;
}

/** `test/tickets/ticket-activity.test.ts`: the read model in plain memory, and its list in the runtime. */
export function readModelTestFile(
  { name, variable, of }: ReadModelNames,
  { id, aggregate, aggregateFile, events, creation }: ReadModelSamples,
  { api, source }: TestImports,
): string {
  const helpers = creation ? '{ get, json, post, withToken }' : '{ get, json }';
  return `
import { describe, expect, it } from 'vitest';

import { project } from '#tidemark/testing';
import { ${aggregate} } from '${source}/${aggregateFile}';
import { ${variable} } from '${source}/${name}.ts';
import ${helpers} from '${api}';

const happened = [
  ${events.join(',\n  ')},
] as const;

describe('${name}', () => {
  const projected = project(${variable})
    .events(${aggregate}, 'one', happened)
    .events(${aggregate}, 'two', happened.slice(0, 1));

  it('has the times of each ${of.one}', () => {
    expect(projected.row(${aggregate}, 'one')).toMatchObject({
      version: ${events.length},
      createdAt: '2026-01-01T00:00:00.000Z',
      updatedAt: '2026-01-01T00:00:0${events.length - 1}.000Z',
    });
    expect(projected.row(${aggregate}, 'two')).toMatchObject({ version: 1, updatedAt: '2026-01-01T00:00:00.000Z' });
  });

  it('is the same in any order of the streams', () => {
    projected.checkInterleavings();
  });
${creation ? shownAtOnce(name, id, creation) : emptyAtFirst(name)}
});
`;
}

function shownAtOnce(name: string, id: string, { path, body }: { path: string; body: string }): string {
  return `
  it('shows a client what it has just written', async () => {
    const answer = await post('${path}', ${body});
    expect(answer.status).toBe(201);
    const { ${id} } = await json(answer.clone());
    expect(await json(get('/${name}', withToken(answer)))).toMatchObject({
      items: [{ ${id}, version: 1 }],
      nextCursor: null,
    });
  });`;
}

function emptyAtFirst(name: string): string {
  return `
  it('is a list, empty at first', async () => {
    expect(await json(get('/${name}'))).toEqual({ items: [], nextCursor: null });
  });`;
}
