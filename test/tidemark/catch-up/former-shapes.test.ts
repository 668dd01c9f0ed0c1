import { afterEach, describe, expect, it } from 'vitest';

import { causalRead } from '../../../src/tidemark/queries/causal-read.ts';
import { EMPTY_TOKEN, withVersion } from '../../../src/tidemark/queries/causal-token.ts';
import { boardOf, checkpointOf, entriesOf, forgetDeadLetters, moveSlotB, refusedOf } from '../../support/boards.ts';
import { deliver, takeHints } from '../../support/queue.ts';
import { add, appendAsStored, newTally, system } from '../../support/system.ts';
import { tallyBoard, tallyById } from '../../support/tally.ts';

/** Events as earlier releases wrote them: `Reset` had no number, and before that another name. */
const FORMER = [
  { of: 'in the shape', type: 'Reset', schemaVersion: 2, data: {} },
  { of: 'under the name', type: 'Zeroed', schemaVersion: 1, data: {} },
];

/** 5, then set to 7 by this release, 1 more, set to 0 by an earlier release, and 3 more. */
async function tallyWithFormerReset(former: Parameters<typeof appendAsStored>[1]) {
  const { tallyId, stream } = newTally();
  await add(tallyId, 5);
  await appendAsStored(stream, { type: 'Reset', schemaVersion: 3, data: { to: 7 } });
  await add(tallyId, 1);
  await appendAsStored(stream, former);
  await add(tallyId, 3);
  takeHints(stream);
  const { events } = await system.aggregates.load(stream, 1, 100);
  return { tallyId, stream, events };
}

const WHOLE = { version: 5, sum: 3 };

describe.each(FORMER)('an event $of of an earlier release', (former) => {
  it('is lifted before the state is folded', async () => {
    const { stream } = await tallyWithFormerReset(former);
    for (const [version, sum] of [7, 8, 0, 3].entries()) {
      expect(await system.aggregates.state(stream, { version: version + 2 })).toMatchObject({ state: { sum } });
    }
  });

  it('is lifted when a message brings it', async () => {
    const { tallyId, stream, events } = await tallyWithFormerReset(former);
    const hint = { stream, fromVersion: 1, toVersion: 5, previousId: null, events };
    expect((await deliver([hint])).explicitAcks).toHaveLength(1);
    expect(await boardOf(tallyId)).toEqual(WHOLE);
    expect(await refusedOf(stream)).toBeNull();
  });

  it('is lifted when a consumer reads it from the log', async () => {
    const { tallyId, stream } = await tallyWithFormerReset(former);
    expect((await deliver([{ stream, fromVersion: 2, toVersion: 2 }])).explicitAcks).toHaveLength(1);
    expect(await boardOf(tallyId)).toEqual(WHOLE);
    expect(await entriesOf(tallyId)).toEqual([1, 3, 5]);
  });

  it('is lifted when a read brings its stream up to date', async () => {
    const { tallyId, stream } = await tallyWithFormerReset(former);
    const read = await causalRead(
      system,
      {
        projection: tallyBoard,
        token: withVersion(EMPTY_TOKEN, stream, 5),
        stream,
        queries: (tables: Parameters<ReturnType<typeof tallyById>>[0]) => ({ rows: tallyById(tallyId)(tables) }),
      },
      { timeoutMs: 1_000 },
    );
    expect(read).toMatchObject({ outcome: 'read', answers: { rows: [{ tallyId, ...WHOLE }] } });
  });

  it('is lifted when it comes from the archive', async () => {
    const { tallyId, stream, events } = await tallyWithFormerReset(former);
    await system.catchUp(tallyBoard, [{ stream, wanted: 5, archived: events }]);
    expect(await boardOf(tallyId)).toEqual(WHOLE);
  });

  describe('while another slot moves too', () => {
    afterEach(forgetDeadLetters);

    it('is lifted for each slot', async () => {
      const { tallyId, stream, events } = await tallyWithFormerReset(former);
      await moveSlotB(true);
      await deliver([{ stream, fromVersion: 1, toVersion: 5, previousId: null, events }]);
      expect(await boardOf(tallyId, 'b')).toEqual(WHOLE);
      expect(await checkpointOf(stream, tallyBoard.name, 'b')).toBe(5);
    });
  });
});
