import type { CommandNames } from '../command-names.ts';
import type { TestImports } from './aggregate-test.ts';

/** What a test of a command begins with. */
export interface CommandSamples {
  readonly id: string;
  /** The variable of the aggregate, and its file. */
  readonly aggregate: string;
  readonly aggregateFile: string;
  /** The first event of an aggregate, as code. */
  readonly first: string;
  /** `a ticket`. */
  readonly noun: string;
  /** Whether the state has the time of its latest event as `updatedAt`. */
  readonly isTimed: boolean;
  /** The request that creates an aggregate, if a test can make it up. */
  readonly creation: { readonly path: string; readonly body: string } | undefined;
}

/** `test/tickets/reopen-ticket.test.ts`: the decision in plain memory, and the route in the runtime. */
export function commandTestFile(
  { command, event, step }: CommandNames,
  { id, aggregate, aggregateFile, first, noun, isTimed, creation }: CommandSamples,
  { api, source }: TestImports,
): string {
  const route =
    creation &&
    `
  it('answers with the version of its event', async () => {
    const created = await post('${creation.path}', ${creation.body});
    expect(created.status).toBe(201);
    const path = created.headers.get('Location') ?? '';
    const answer = await post(\`\${path}${step}\`, {}, withToken(created));
    expect(answer.status).toBe(200);
    expect(await json(get(path, withToken(answer)))).toMatchObject({ version: 2 });
  });
`;
  const thenTime = isTimed ? ".thenState({ updatedAt: '2026-01-01T00:00:01.000Z' })" : '';
  return `
import { describe, ${creation ? 'expect, ' : ''}it } from 'vitest';

import { given } from '#tidemark/testing';
import { ${aggregate} } from '${source}/${aggregateFile}';
${creation ? `import { get, json, post, withToken } from '${api}';` : ''}

const command = { type: '${command}', data: { ${id}: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a' } } as const;

describe('${command}', () => {
  it('records ${event}', () => {
    given(${aggregate}, [${first}]).when(command).then([{ type: '${event}', data: {} }])${thenTime};
  });

  it('needs ${noun} that exists', () => {
    given(${aggregate}, []).when(command).thenRejected('not-found');
  });
${route ?? ''}});
`;
}
