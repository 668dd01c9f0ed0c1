import { createExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';

import { bindings } from '../../../src/bindings.ts';
import { tidemark } from '../../../src/tidemark/worker.ts';
import { asOperator } from '../../support/api.ts';
import { faultyDatabase } from '../../support/database.ts';
import { platform, ports } from '../../support/platform.ts';
import { tallyBoard } from '../../support/tally.ts';
import { tallies } from '../../support/tally-routes.ts';

/** The tally with its board declared synchronous, and everything else as it is. */
const module = {
  ...tallies,
  projections: tallies.projections.map((projection) =>
    projection.name === tallyBoard.name ? { ...projection, mode: 'synchronous' as const } : projection,
  ),
};
const { handler } = tidemark({ modules: [module], bindings, platform });

async function openTally(): Promise<Response> {
  const request = new Request('https://tidemark.test/tallies', {
    method: 'POST',
    headers: { ...asOperator, 'Content-Type': 'application/json' },
    body: JSON.stringify({ by: 3 }),
  });
  const answer = await handler.fetch?.(request as Parameters<typeof handler.fetch>[0], env, createExecutionContext());
  if (!answer) throw new Error('no answer');
  return answer;
}

describe('a synchronous projection', () => {
  it('applies the event before the command answers, without a preference and without the queue', async () => {
    const answer = await openTally();
    const { tallyId } = await answer.json<{ tallyId: string }>();
    const row = await env.SERVING_DB.prepare('SELECT version FROM tally_board_a WHERE tally_id = ?')
      .bind(tallyId)
      .first();
    expect(row).toEqual({ version: 1 });
    expect(answer.headers.has('Preference-Applied')).toBe(false);
  });

  it('that fails does not fail the command', async () => {
    const faulty = faultyDatabase(env.SERVING_DB, {
      beforeBatch() {
        throw new Error('D1_ERROR: D1 DB is overloaded.');
      },
    });
    ports.database = () => faulty.database;
    const answer = await openTally();
    expect(answer.status).toBe(201);
    expect(await answer.json()).toMatchObject({ version: 1 });
  });
});
