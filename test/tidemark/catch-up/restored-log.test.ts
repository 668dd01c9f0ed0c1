import { runDurableObjectAlarm } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, describe, expect, it } from 'vitest';

import { requestBuild } from '../../../src/tidemark/rebuild/build-requests.ts';
import { buildOf } from '../../../src/tidemark/projections/build.ts';
import type { Hint } from '../../../src/tidemark/write/message.ts';
import { causalRead } from '../../../src/tidemark/queries/causal-read.ts';
import { EMPTY_TOKEN, withVersion } from '../../../src/tidemark/queries/causal-token.ts';
import { sweepStep } from '../../../src/tidemark/catch-up/sweep.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import { serving } from '../../../src/groups.ts';
import { CHECKPOINT_TABLES } from '../../support/checkpoints.ts';
import { groups } from '../../support/groups.ts';
import { boardOf, forgetDeadLetters, refusedOf, tallyOf } from '../../support/boards.ts';
import { idleRunner, work } from '../../support/builds.ts';
import { ports, production } from '../../support/platform.ts';
import { deliver, deliverEverything, hintsOf, sentHints, takeHints } from '../../support/queue.ts';
import { add, objectOf, restoreLog, system } from '../../support/system.ts';
import { tallyBoard, tallyById } from '../../support/tally.ts';

/** A restored log contradicts its read models for ever. So each test starts without those of earlier tests. */
afterEach(async () => {
  await forgetDeadLetters();
  for (const table of ['tally_board_a', 'tally_board_b', 'tally_entries_a', 'tally_entries_b', ...CHECKPOINT_TABLES])
    await env.SERVING_DB.prepare(`DELETE FROM ${table}`).run();
  for (const table of ['archive_event', ...CHECKPOINT_TABLES, 'dead_letter'])
    await env.REPORTING_DB.prepare(`DELETE FROM ${table}`).run();
});

/** A tally at version 5 in every read model, whose log was then set back to version 2. */
async function restoredTally() {
  const tally = await tallyOf(1, 2, 3, 4, 5);
  for (const group of groups) await deliver([tally.hint], { group });
  takeHints();
  await restoreLog(tally.stream, 2);
  return tally;
}

const isStopped = expect.objectContaining({ cause: 'log-restored', version: 6, is_open: 1 }) as unknown;

/** The messages that make a consumer compare the restored log with a read model that is ahead. */
const doubts: readonly [string, (tallyId: string, stream: StreamId) => Promise<unknown>][] = [
  ['a recheck', async (_, stream) => ({ stream, fromVersion: 2, toVersion: 2, isRecheck: true })],
  [
    'an event after the restore',
    async (tallyId, stream) => {
      await add(tallyId, 1000);
      return messageAbout(stream, 1000);
    },
  ],
];

/** Waits for the message with this addition. Others may come late, also from before a restore. */
async function messageAbout(stream: StreamId, by: number): Promise<Hint | undefined> {
  const found = () =>
    hintsOf(stream).find(({ events = [] }) => events.some(({ data }) => (data as { by?: number }).by === by));
  await expect.poll(found).toBeDefined();
  return found();
}

/** Loses all messages but those of the delivery check. */
function loseRelayMessages() {
  const { sendHint } = ports;
  ports.sendHint = async (environment, group, hint) => {
    if (!hint.events) await sendHint(environment, group, hint);
  };
}

describe('a log that was restored to an earlier time', () => {
  it('is found by the consumer at the first message about an event after the restore', async () => {
    const { tallyId, stream } = await restoredTally();
    await add(tallyId, 1000);
    await deliver(await sentHints(1, stream));
    expect(await refusedOf(stream)).toEqual(isStopped);
  });

  it.each(doubts)(
    'is found by the consumer at %s, even if a lost event comes in the same batch',
    async (_, doubtOf) => {
      const tally = await tallyOf(1, 2, 3, 4, 5);
      await deliver([tally.hint]);
      takeHints();
      await add(tally.tallyId, 6);
      const lost = await messageAbout(tally.stream, 6);
      takeHints();
      await restoreLog(tally.stream, 2);
      await deliver([lost, await doubtOf(tally.tallyId, tally.stream)]);
      expect(await refusedOf(tally.stream)).toEqual(isStopped);
      expect(await boardOf(tally.tallyId)).toMatchObject({ version: 5 });
    },
  );

  it.each(doubts)('makes the consumer retry while it cannot be compared, at %s', async (_, doubtOf) => {
    const { tallyId, stream } = await restoredTally();
    const doubt = await doubtOf(tallyId, stream);
    takeHints();
    for (const error of [new Error('gone'), Object.assign(new Error('overloaded'), { overloaded: true })]) {
      ports.aggregateStub = (environment, id) => ({
        ...production.aggregateStub(environment, id),
        load: () => Promise.reject(error),
      });
      const { explicitAcks, retryMessages } = await deliver([doubt]);
      expect([explicitAcks, retryMessages.length]).toEqual([[], 1]);
    }
    ports.aggregateStub = production.aggregateStub;
    await deliver([doubt]);
    expect(await refusedOf(stream)).toEqual(isStopped);
  });

  it('is found by the delivery check if that message is lost, also at a version of both histories', async () => {
    for (const additions of [[1000], [1000, 1001, 1002], [1000, 1001, 1002, 1003]]) {
      const { tallyId, stream } = await restoredTally();
      loseRelayMessages();
      for (const by of additions) await add(tallyId, by);
      // The first check finds that its message has not arrived. Later checks ask how far the read models are.
      for (let check = 0; check < 3 && !(await refusedOf(stream)); check += 1) {
        ports.clockOffsetMs += 10 * 60_000;
        await runDurableObjectAlarm(objectOf(stream));
        await deliverEverything();
      }
      expect(await refusedOf(stream)).toEqual(isStopped);
      expect(await refusedOf(stream, 'tally-count')).toEqual(isStopped);
    }
  });

  it('is found by the sweep if no event came after the restore', async () => {
    const { stream } = await restoredTally();
    const { restored } = await sweepStep(system);
    expect(restored).toBe(1);
    await deliverEverything();
    expect(await refusedOf(stream)).toEqual(isStopped);
    expect(await sweepStep(system)).toMatchObject({ restored: 0, behind: 0 });
  });

  it('never lets its read model answer once it was found, also with the token of a later write (I13)', async () => {
    const { tallyId, stream } = await restoredTally();
    expect(await add(tallyId, 1000)).toMatchObject({ outcome: 'applied', version: 3 });
    for (let check = 0; check < 4; check += 1) {
      ports.clockOffsetMs += 10 * 60_000;
      await runDurableObjectAlarm(objectOf(stream));
      await deliverEverything();
    }
    const request = {
      projection: tallyBoard,
      stream,
      queries: (tables: Parameters<ReturnType<typeof tallyById>>[0]) => ({ rows: tallyById(tallyId)(tables) }),
    };
    for (const token of [EMPTY_TOKEN, withVersion(EMPTY_TOKEN, stream, 3)]) {
      const { outcome } = await causalRead(system, { ...request, token }, { timeoutMs: 1_000 });
      expect(outcome).toBe('dead-letter');
    }
  });

  it('stops at once a stream that is below a dead letter, too', async () => {
    const { stream } = await restoredTally();
    await env.SERVING_DB.prepare(
      `INSERT INTO dead_letter VALUES ('tally-board', ?, 6, 'e', 'poison', 'k', 'e', 3, '2026', '2026', 1)`,
    )
      .bind(stream)
      .run();
    await sweepStep(system);
    await deliverEverything();
    expect(await refusedOf(stream)).toEqual(isStopped);
  });

  it('is visible as a dead letter in the end, whatever happens to messages (I18, I11)', async () => {
    const { tallyId, stream } = await restoredTally();
    await add(tallyId, 1000);
    await sentHints(1, stream);
    takeHints();
    for (let day = 0; day < 7; day += 1) {
      ports.clockOffsetMs += 24 * 60 * 60 * 1000;
      await runDurableObjectAlarm(objectOf(stream));
      await deliverEverything();
      await sweepStep(system);
      await deliverEverything();
    }
    expect(await refusedOf(stream)).toEqual(isStopped);
    expect(await boardOf(tallyId)).toMatchObject({ version: 5 });
  });

  it('is found by a trial build, which compares with the logs as well as the archive', async () => {
    const { stream } = await restoredTally();
    const builds = { ...system, runner: idleRunner() };
    const requested = await requestBuild(builds, tallyBoard, { isTrial: true });
    const id = requested.outcome === 'started' ? requested.id : '';
    await work(tallyBoard.name, id);
    const build = await buildOf(system.databaseOf(serving), tallyBoard.name, id);
    const { isEqual, held, restored } = JSON.parse(build?.comparison ?? '{}') as Record<string, unknown>;
    expect({ isEqual, held, restored }).toEqual({ isEqual: false, held: 1, restored: 1 });
    expect(await refusedOf(stream)).toEqual(isStopped);
  });
});

it('a late message of the lost history does not harm a stream that agrees with its log', async () => {
  const { stream, hint } = await tallyOf(1, 2, 3);
  await deliver([hint]);
  const late = { stream, fromVersion: 2, toVersion: 2, isRecheck: true };
  expect((await deliver([late])).explicitAcks).toEqual(['0']);
  expect(await refusedOf(stream)).toBeNull();
});
