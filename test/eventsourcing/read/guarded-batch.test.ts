import { env } from 'cloudflare:workers';
import { expect, it } from 'vitest';

import { START } from '../../../src/eventsourcing/read/checkpoint.ts';
import { type Move, sendGuardedBatch } from '../../../src/eventsourcing/read/guarded-batch.ts';
import { type Pointer, pointerCache } from '../../../src/eventsourcing/read/pointer.ts';
import { newTally } from '../../support/system.ts';
import { tallyBoard } from '../../support/tally.ts';

it('writes rows that are too long together for one bound parameter, all in one batch', async () => {
  const long = 'x'.repeat(450_000);
  const moves = Array.from({ length: 6 }, (): Move => {
    const { tallyId, stream } = newTally();
    const changes = {
      stream,
      before: undefined,
      after: undefined,
      appended: { entries: [{ tallyId: tallyId + long, version: 1, by: 1 }] },
      counted: {},
    };
    return { stream, from: START, toVersion: 1, toEventId: tallyId, changes };
  });
  const pointer = (await pointerCache().get(env.SERVING_DB, tallyBoard.name)) as Pointer;
  const target = { revision: tallyBoard.revision, slot: 'b' } as const;
  const outcome = await sendGuardedBatch(env.SERVING_DB, tallyBoard.name, pointer, [
    { target, projection: tallyBoard, moves },
  ]);

  expect(outcome).toEqual({ outcome: 'applied' });
  const written = await env.SERVING_DB.prepare(
    `SELECT count(*) AS count FROM tally_entries_b WHERE length(tally_id) > 450000`,
  ).first();
  expect(written).toEqual({ count: 6 });
});
