import { afterEach, describe, expect, it } from 'vitest';

import { projectionComplaints } from '../../../src/eventsourcing/read/health.ts';
import { consumeHints } from '../../../src/eventsourcing/read/projection-worker.ts';
import { serving } from '../../../src/groups.ts';
import { boardOf, refusedOf, tallyOf, withFaults, withoutFaults } from '../../support/boards.ts';
import { system } from '../../support/system.ts';
import { tallyBoard } from '../../support/tally.ts';

afterEach(withoutFaults);

/** The database takes no writes, and answers reads. A catch-up's first batch reads. */
function fill(words: string) {
  withFaults({
    beforeBatch(number) {
      if (number % 2 === 0) throw new Error(`D1_ERROR: ${words}`);
    },
  });
}

/** What /health says of storage. */
const complaints = async () =>
  (await projectionComplaints(system.status)).filter((reason) => reason.includes('takes no writes'));

/** Hands one message to the consumer, and says what became of it: acknowledged, or tried again after so many seconds. */
async function consume(hint: unknown): Promise<'acknowledged' | number | undefined> {
  let outcome: 'acknowledged' | number | undefined;
  const message = {
    body: { sender: 'relay', hints: [hint] },
    attempts: 1,
    ack: () => (outcome = 'acknowledged'),
    retry: (options?: QueueRetryOptions) => (outcome = options?.delaySeconds),
  };
  await consumeHints({ ...system.worker, projectionsOf: () => [tallyBoard] }, serving, [message]);
  return outcome;
}

describe('a database that is full, or switched off by the spending limit', () => {
  it.each(['database or disk is full: SQLITE_FULL', "Exceeded the account's spending cap for D1."])(
    'loses nothing, makes no dead letter, is tried again slowly, and shows in /health: %s',
    async (words) => {
      const { tallyId, stream, hint } = await tallyOf(1);
      fill(words);
      for (let attempts = 0; attempts < 4; attempts += 1) expect(await consume(hint)).toBe(300);
      expect(await refusedOf(stream)).toBeNull();
      expect(await boardOf(tallyId)).toBeNull();
      withoutFaults();
      expect(await complaints()).toHaveLength(1);

      expect(await consume(hint)).toBe('acknowledged');
      expect(await boardOf(tallyId)).toMatchObject({ version: 1 });
      expect(await complaints()).toEqual([]);
    },
  );
});
