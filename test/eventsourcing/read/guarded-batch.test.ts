import { env } from 'cloudflare:workers';
import { expect, it } from 'vitest';

import { START } from '../../../src/eventsourcing/read/checkpoint.ts';
import { type Move, sendGuardedBatch } from '../../../src/eventsourcing/read/guarded-batch.ts';
import { type Pointer, pointerCache } from '../../../src/eventsourcing/read/pointer.ts';
import { newTally } from '../../support/system.ts';
import { tallyBoard } from '../../support/tally.ts';

/** D1 takes 2 MB, and a character may have three bytes. The local one takes more. */
const LONGEST_PARAMETER = 2_000_000 / 3;

/** The database, with a list of how long the texts are that are bound. */
function measuredDatabase(database: D1Database) {
  const lengths: number[] = [];
  const measured = {
    prepare: (statement: string) => ({
      bind(...parameters: unknown[]) {
        lengths.push(...parameters.map((parameter) => String(parameter).length));
        return database.prepare(statement).bind(...parameters);
      },
    }),
    batch: (statements: D1PreparedStatement[]) => database.batch(statements),
  } as unknown as D1Database;
  return { measured, lengths };
}

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
  const { measured, lengths } = measuredDatabase(env.SERVING_DB);
  const outcome = await sendGuardedBatch(measured, tallyBoard.name, pointer, [
    { target, projection: tallyBoard, moves },
  ]);

  expect(outcome).toEqual({ outcome: 'applied', more: [] });
  expect(Math.max(...lengths)).toBeLessThan(LONGEST_PARAMETER);
  const written = await env.SERVING_DB.prepare(
    `SELECT count(*) AS count FROM tally_entries_b WHERE length(tally_id) > 450000`,
  ).first();
  expect(written).toEqual({ count: 6 });
});
