import { env } from 'cloudflare:workers';
import { afterEach, describe, expect, it } from 'vitest';

import { projectionComplaints } from '../../../src/tidemark/monitoring/health.ts';
import { consumeHints } from '../../../src/tidemark/catch-up/projection-worker.ts';
import { serving } from '../../../src/groups.ts';
import {
  type TestTally,
  boardOf,
  forgetDeadLetters,
  moveSlotB,
  refusedOf,
  tallyOf,
  withFaults,
  withoutFaults,
} from '../../support/boards.ts';
import { CHECKPOINT_TABLES } from '../../support/checkpoints.ts';
import { add, system } from '../../support/system.ts';
import { POISON, broken, resetTally, tallyBoard } from '../../support/tally.ts';

const SPENDING_LIMIT = "Exceeded the account's spending cap for D1.";

afterEach(withoutFaults);

/** The database refuses writes and answers reads. The first batch of a catch-up reads. */
function fill(words: string) {
  withFaults({
    beforeBatch(number) {
      if (number % 2 === 0) throw new Error(`D1_ERROR: ${words}`);
    },
  });
}

/** The reasons in /health about storage. */
const complaints = async () =>
  (await projectionComplaints(system)).filter((reason) => reason.includes('takes no writes'));

/** Hands one message to the consumer. Returns that it was acknowledged, or the delay of its retry in seconds. */
async function consume(hint: unknown): Promise<'acknowledged' | number | undefined> {
  let outcome: 'acknowledged' | number | undefined;
  const message = {
    body: { sender: 'relay', hints: [hint] },
    attempts: 1,
    ack: () => (outcome = 'acknowledged'),
    retry: (options?: QueueRetryOptions) => (outcome = options?.delaySeconds),
  };
  await consumeHints({ ...system, registry: { ...system.registry, projectionsOf: () => [tallyBoard] } }, serving, [
    message,
  ]);
  return outcome;
}

describe('a database that is full, or switched off by the spending limit', () => {
  it.each(['database or disk is full: SQLITE_FULL', SPENDING_LIMIT])(
    'loses no event, makes no dead letter, gets slow retries, and shows in /health: %s',
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

/** Every write of a catch-up touches one of these tables. Reads are answered. */
const WRITTEN = [...CHECKPOINT_TABLES, 'dead_letter', 'projection_fault', 'projection_pointer'];
const REFUSES = `BEGIN SELECT RAISE(ABORT, 'database or disk is full: SQLITE_FULL'); END`;

async function setFull(isFull: boolean): Promise<void> {
  await env.SERVING_DB.batch(
    WRITTEN.flatMap((table) =>
      ['INSERT', 'UPDATE'].map((verb) =>
        env.SERVING_DB.prepare(
          isFull
            ? `CREATE TRIGGER full_${verb}_${table} BEFORE ${verb} ON ${table} ${REFUSES}`
            : `DROP TRIGGER IF EXISTS full_${verb}_${table}`,
        ),
      ),
    ),
  );
}

async function renameTable(from: string, to: string): Promise<void> {
  await env.SERVING_DB.prepare(`ALTER TABLE ${from} RENAME TO ${to}`).run();
}

describe('a catch-up that a full database refuses gets slow retries, and shows in /health', () => {
  interface Met {
    readonly before: (tally: TestTally) => Promise<unknown>;
    readonly after?: () => Promise<unknown>;
  }

  const poisoned = async ({ tallyId }: TestTally) => {
    broken.handler = true;
    await add(tallyId, POISON);
  };

  it.each<[string, Met]>([
    ['the rows of an event', { before: ({ tallyId }) => add(tallyId, 1) }],
    ['the count of a refusal', { before: poisoned }],
    [
      'the fault of the projection',
      {
        before: () => renameTable('tally_board_a', 'tally_board_away'),
        after: () => renameTable('tally_board_away', 'tally_board_a'),
      },
    ],
    [
      'the failure of a slot beside the live one',
      {
        async before() {
          await moveSlotB(true);
          await renameTable('tally_board_b', 'tally_board_away');
        },
        after: () => renameTable('tally_board_away', 'tally_board_b'),
      },
    ],
  ])('at %s', async (_, { before, after }) => {
    const tally = await tallyOf(1);
    expect(await consume(tally.hint)).toBe('acknowledged');
    try {
      await before(tally);
      await setFull(true);
      expect(await consume({ stream: tally.stream, fromVersion: 2, toVersion: 2 })).toBe(300);
      expect(await complaints()).toHaveLength(1);
      expect(await refusedOf(tally.stream)).toBeNull();
    } finally {
      await setFull(false);
      await after?.();
      resetTally();
      await env.SERVING_DB.prepare('DELETE FROM projection_fault').run();
      await forgetDeadLetters();
    }
    // The refusal is forgotten once an event is applied.
    const { hint } = await tallyOf(1);
    expect(await consume(hint)).toBe('acknowledged');
    expect(await complaints()).toEqual([]);
  });

  it('at the pointer, if a new isolate meets the spending limit', async () => {
    const { hint } = await tallyOf(1);
    system.pointers.drop(tallyBoard.name);
    const refuse = () => {
      throw new Error(`D1_ERROR: ${SPENDING_LIMIT}`);
    };
    withFaults({ beforeBatch: refuse, beforeQuery: refuse });
    expect(await consume(hint)).toBe(300);
    withoutFaults();
    expect(await complaints()).toHaveLength(1);
    expect(await consume(hint)).toBe('acknowledged');
  });
});
