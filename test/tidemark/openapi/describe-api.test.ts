import { describe, expect, it } from 'vitest';

import { json } from '../../support/api.ts';
import { ask } from '../../support/configured.ts';
import { platform } from '../../support/platform.ts';
import { expectProblem } from '../../support/problem.ts';
import { system } from '../../system.ts';
import { describeApi } from '../../../src/tidemark/openapi/describe-api.ts';
import { tidemark } from '../../../src/tidemark/worker.ts';

describe('the description of an API', () => {
  it('is the same each time, so that its ETag changes only with the routes', () => {
    expect(describeApi(system)).toEqual(describeApi(system));
  });

  it('needs the texts of every operation', () => {
    const [module, ...others] = system.modules;
    const route = {
      method: 'GET',
      path: '/untold',
      operation: { id: 'getUntold', access: 'open', problems: [] },
      handlers: [],
    } as const;
    const routes = [...(module?.routes ?? []), route];
    expect(() => describeApi({ ...system, modules: [{ ...module, routes } as never, ...others] })).toThrow(
      'nothing describes the operation "getUntold" (GET /untold)',
    );
  });

  it('has a title where the system has none', () => {
    expect(JSON.parse(describeApi(system)['openapi.json']).info.title).toBe('Tidemark');
  });
});

describe('a deployment without its static assets', () => {
  const { handler } = tidemark({ ...system, platform });
  const asked = (path: string, bindings: object) => ask(bindings, path, {}, undefined, handler);

  it('says so, and serves everything else', async () => {
    for (const path of ['/openapi.json', '/problems/not-json'])
      await expectProblem(asked(path, { ASSETS: undefined }), 503, 'not-configured');
    expect(await json(asked('/health', { ASSETS: undefined }))).toEqual({
      status: 'degraded',
      reasons: [expect.stringMatching(/ASSETS is missing.*\[build\].*\[assets\]/)],
    });
  });

  it('does not answer with what another file holds', async () => {
    const ASSETS = { fetch: async () => new Response('not found', { status: 404 }) };
    await expectProblem(asked('/openapi.json', { ASSETS }), 500, 'internal');
    expect((await asked('/openapi.json', {})).status).toBe(200);
  });
});
