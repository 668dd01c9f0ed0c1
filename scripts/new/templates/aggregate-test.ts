import type { AggregateNames } from '../names.ts';

/** The paths of a test's imports. */
export interface TestImports {
  /** To `test/support/api.ts`. */
  readonly api: string;
  /** To the folder of the aggregate in `src/`. */
  readonly source: string;
}

/** `test/tickets/ticket.test.ts`: the decider and the read model in plain memory, and the API in the runtime. */
export function aggregateTestFile({ one, many, type, aOne }: AggregateNames, { api, source }: TestImports): string {
  return `
import { describe, expect, it } from 'vitest';

import { given, project } from '#tidemark/testing';
import { ${one} } from '${source}/${one}.ts';
import { ${one}List } from '${source}/${one}-list.ts';
import { get, json, post, withToken } from '${api}';

const opened = { type: '${type}Opened', data: { title: 'The first ${one}' } } as const;
const closed = { type: '${type}Closed', data: { reason: 'Done' } } as const;
const ${one}Id = '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a';

describe('${aOne}', () => {
  it('is opened once', () => {
    const open = { type: 'Open${type}', data: { ${one}Id, title: 'The first ${one}' } } as const;
    given(${one}, []).when(open).then([opened]).thenState({ status: 'open', title: 'The first ${one}' });
    given(${one}, [opened]).when(open).thenRejected('${one}-exists');
  });

  it('is closed once', () => {
    const close = { type: 'Close${type}', data: { ${one}Id, reason: 'Done' } } as const;
    given(${one}, [opened]).when(close).then([closed]).thenState({ status: 'closed', reason: 'Done' });
    given(${one}, [opened, closed]).when(close).thenRejected('${one}-closed');
    given(${one}, []).when(close).thenRejected('not-found');
  });
});

describe('the list of ${many}', () => {
  const projected = project(${one}List).events(${one}, 'one', [opened, closed]).events(${one}, 'two', [opened]);

  it('has a row for each ${one}, as it is now', () => {
    expect(projected.row(${one}, 'one')).toMatchObject({ status: 'closed', reason: 'Done', version: 2 });
    expect(projected.row(${one}, 'two')).toMatchObject({ status: 'open', reason: null, version: 1 });
  });

  it('is the same in any order of the streams', () => {
    projected.checkInterleavings();
  });
});

describe('the API of ${many}', () => {
  it('shows a client what it has written', async () => {
    const answer = await post('/${many}', { title: 'The first ${one}' });
    expect(answer.status).toBe(201);
    const path = answer.headers.get('Location') ?? '';

    const closing = await post(\`\${path}/closing\`, { reason: 'Done' }, withToken(answer));
    expect(closing.status).toBe(200);
    const now = { title: 'The first ${one}', status: 'closed', reason: 'Done', version: 2 };
    expect(await json(get(path, withToken(closing)))).toMatchObject(now);
    expect(await json(get('/${many}?status=closed', withToken(closing)))).toMatchObject({ items: [now], nextCursor: null });
  });

  it('refuses with a problem', async () => {
    const path = (await post('/${many}', { title: 'The first ${one}' })).headers.get('Location') ?? '';
    await post(\`\${path}/closing\`, { reason: 'Done' });
    const refused = await post(\`\${path}/closing\`, { reason: 'Done' });
    expect(refused.status).toBe(409);
    expect(await json(refused)).toMatchObject({ code: '${one}-closed' });
  });
});
`;
}
