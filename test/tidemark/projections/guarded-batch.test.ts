import { env } from 'cloudflare:workers';
import { expect, it } from 'vitest';

import { MAX_PARAMETER_BYTES } from '../../../src/tidemark/catch-up/catch-up-limits.ts';
import { START } from '../../../src/tidemark/projections/checkpoint.ts';
import { type Move, sendGuardedBatch } from '../../../src/tidemark/projections/guarded-batch.ts';
import { type Pointer, pointerCache } from '../../../src/tidemark/projections/pointer.ts';
import { measuredDatabase } from '../../support/database.ts';
import { newTally } from '../../support/system.ts';
import { tallyBoard } from '../../support/tally.ts';

/** Makes rows of 0.6 MB each: every character takes three bytes in UTF-8. */
const LONG = '潮'.repeat(200_000);
const ROWS = Math.ceil((10 * MAX_PARAMETER_BYTES) / (3 * LONG.length));

it('writes ten times the bytes of one bound parameter in one batch', async () => {
  const moves = Array.from({ length: ROWS }, (): Move => {
    const { tallyId, stream } = newTally();
    const changes = {
      stream,
      before: undefined,
      after: undefined,
      appended: { entries: [{ tallyId: tallyId + LONG, version: 1, by: 1 }] },
      counted: {},
    };
    return { stream, from: START, toVersion: 1, toEventId: tallyId, changes };
  });
  const pointer = (await pointerCache().get(env.SERVING_DB, tallyBoard.name)) as Pointer;
  const target = { revision: tallyBoard.revision, slot: 'b' } as const;
  const { measured, lengths } = measuredDatabase(env.SERVING_DB);
  const outcome = await sendGuardedBatch(
    measured,
    [{ projectionName: tallyBoard.name, pointer }],
    [{ target, projection: tallyBoard, moves }],
  );

  expect(outcome).toMatchObject({ outcome: 'applied' });
  expect(Math.max(...lengths)).toBeLessThanOrEqual(MAX_PARAMETER_BYTES);
  const written = await env.SERVING_DB.prepare(
    `SELECT count(*) AS count FROM tally_entries_b WHERE length(tally_id) > 200000`,
  ).first();
  expect(written).toEqual({ count: ROWS });
});
