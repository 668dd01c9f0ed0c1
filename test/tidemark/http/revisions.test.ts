import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';

import { requestBuild } from '../../../src/tidemark/rebuild/build-requests.ts';
import { accessTable } from '../../../src/tidemark/access/access.ts';
import { createApp } from '../../../src/tidemark/http/app.ts';
import { former } from '../../../src/tidemark/http/causal.ts';
import { PROBLEMS } from '../../../src/tidemark/http/problem.ts';
import { queryRoute } from '../../../src/tidemark/http/query-route.ts';
import { asOperator } from '../../support/api.ts';
import { idleRunner, work } from '../../support/builds.ts';
import { forgetPositions } from '../../support/checkpoints.ts';
import { ports } from '../../support/platform.ts';
import { add, newTally, system } from '../../support/system.ts';
import { countById, countById1, tallyCount, tallyCount2 } from '../../support/tally.ts';

const { name } = tallyCount2;
let runner: ReturnType<typeof idleRunner>;

beforeEach(() => {
  runner = idleRunner();
  ports.buildRunner = () => runner;
});

const shared = {
  summary: 'A tally, whichever revision is live',
  description: 'The former one has no sum.',
  tag: 'tallies',
  access: { scope: null, whose: 'everyone' } as const,
  params: z.strictObject({ tallyId: z.string() }),
  reads: [tallyCount2],
  answer: { description: 'The tally.' },
};
const tallies = queryRoute({
  ...shared,
  path: '/tallies/:tallyId',
  id: 'getTally',
  async handle(c, { params: { tallyId } }) {
    const rows = await c.var.causal.readMany(tallyCount2, countById(tallyId), [
      former(tallyCount, countById1(tallyId)),
    ]);
    return c.json(rows);
  },
});
const talliesMade = queryRoute({
  ...shared,
  path: '/tallies-made/:tallyId',
  id: 'getTallyMade',
  async handle(c, { params: { tallyId } }) {
    const rows = await c.var.causal.readMany(tallyCount2, countById(tallyId), [
      former(tallyCount, countById1(tallyId), ({ additions }) => ({ additions, sum: -additions })),
    ]);
    return c.json(rows);
  },
});
const app = createApp({
  runtimeOf: () => system,
  routes: [tallies, talliesMade],
  problems: PROBLEMS,
  access: accessTable(),
});

async function get(tallyId: string, route = 'tallies'): Promise<Response> {
  const context = createExecutionContext();
  const answer = await app.request(`/${route}/${tallyId}`, { headers: asOperator }, env, context);
  await waitOnExecutionContext(context);
  return answer;
}

describe('a route whose projection has a newly deployed revision', () => {
  it('is answered by the live revision, before and after the swap', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 5);
    await system.catchUp(tallyCount2, [{ stream, wanted: 1 }]);
    expect(await (await get(tallyId)).json()).toEqual([{ additions: 1, sum: null }]);
    expect(await (await get(tallyId, 'tallies-made')).json()).toEqual([{ additions: 1, sum: -1 }]);
    const requested = await requestBuild(system, tallyCount2, { acceptsDifferences: true });
    await work(name, requested.outcome === 'started' ? requested.id : '');
    for (const route of ['tallies', 'tallies-made'])
      expect(await (await get(tallyId, route)).json()).toEqual([{ additions: 1, sum: 5 }]);
  });
});

describe('a route whose projection was never built', () => {
  it('is 503 with the progress, and starts the build', async () => {
    await forgetPositions(env.SERVING_DB, name);
    await env.SERVING_DB.batch(
      ['projection_pointer', 'projection_build'].map((table) =>
        env.SERVING_DB.prepare(`DELETE FROM ${table} WHERE projection = ?`).bind(name),
      ),
    );
    system.pointers.drop(name);
    const first = await get('any');
    expect(first.status).toBe(503);
    expect(first.headers.get('Retry-After')).toBe('1');
    expect(await first.json()).toMatchObject({ code: 'projection-building', projection: name });
    expect(runner.launched).toEqual([{ projection: name, build: expect.any(String) as string }]);

    const second = await get('any');
    expect(await second.json()).toMatchObject({
      code: 'projection-building',
      replayed: 0,
      total: expect.any(Number) as number,
    });
    expect(runner.launched).toHaveLength(1);
    await work(name, runner.launched[0]?.build ?? '');
    expect((await get('any')).status).toBe(200);
  });
});
