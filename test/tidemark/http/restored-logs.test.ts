import { afterEach, describe, expect, it } from 'vitest';

import { EMPTY_TOKEN, cutToSize, withVersion, withoutConfirmed } from '../../../src/tidemark/queries/causal-token.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import { takeUp } from '../../../src/tidemark/http/token-header.ts';
import type { Runtime } from '../../../src/tidemark/runtime/runtime.ts';
import { asOperator, eventsOf, get, json, withToken } from '../../support/api.ts';
import { addTo, openTally, talliedBy } from '../../support/tallies.ts';
import { deliverThrice, forgetDeadLetters } from '../../support/boards.ts';
import { expectProblem } from '../../support/problem.ts';
import { restoreLog } from '../../support/system.ts';
import { workersCodec } from '../../support/tokens.ts';

afterEach(forgetDeadLetters);

/** A tally of 3, whose log was set back to its first addition of 1; the read models, if they have that sum, have not heard of that. */
async function restoredTally({ isApplied = true } = {}) {
  const tally = await openTally(1);
  const lost = await addTo(tally.path, 2, isApplied ? { Prefer: 'wait=5' } : {});
  await restoreLog(tally.stream, 1);
  return { ...tally, list: '/tallies?limit=100', lost };
}

describe('a client that has seen the lost version 2 (I21)', () => {
  it('is refused by commands, before and after another version 2 is recorded', async () => {
    const { path, stream, lost } = await restoredTally();
    const seenByClient = withToken(lost, { 'If-Match': lost.headers.get('ETag') ?? '' });
    await expectProblem(addTo(path, 2, seenByClient), 409, 'causal-token-ahead');
    expect((await addTo(path, 3)).status).toBe(200);
    const problem = await expectProblem(addTo(path, 8, seenByClient), 409, 'causal-token-ahead');
    expect(problem).toMatchObject({ wanted: 2, head: 2, detail: expect.stringContaining('another event') as string });
    // Also where the version that was lost is not the latest any more.
    expect((await addTo(path, 4)).status).toBe(200);
    await expectProblem(addTo(path, 8, seenByClient), 409, 'causal-token-ahead');
    expect(await eventsOf(stream)).toHaveLength(3);
  });

  it('is refused by the log', async () => {
    const { path, stream, answer: lost } = await talliedBy(1, 2);
    await restoreLog(stream, 1);
    await addTo(path, 3);
    const paths = [`${path}/history`, `${path}?asOf=1`, `${path}?asOf=2`, `/streams/${stream}/events`];
    for (const each of [...paths, `${path}/history?fromVersion=2`, `/streams/${stream}/events?limit=1`])
      await expectProblem(get(each, withToken(lost, asOperator)), 409, 'causal-token-ahead');
  });

  it('is refused by a read model at version 2: resource and list', async () => {
    const { path, list, lost } = await restoredTally({ isApplied: false });
    const now = await addTo(path, 3);
    expect((await get(path, withToken(now))).status).toBe(200);
    for (const each of [path, list]) await expectProblem(get(each, withToken(lost)), 409, 'causal-token-ahead');
  });

  it('is refused with X-Version too, even if the log has lost all events', async () => {
    const { path, stream, answer } = await restoredTally({ isApplied: false });
    await restoreLog(stream, 0);
    await expectProblem(get(path, { 'X-Version': '1' }), 404, 'not-found');
    await expectProblem(get(path, withToken(answer, { 'X-Version': '2' })), 409, 'causal-token-ahead');
  });

  it('gets no Preference-Applied from read models of the lost history', async () => {
    const { path } = await restoredTally();
    const now = await addTo(path, 3, { Prefer: 'wait=1' });
    expect([now.status, now.headers.get('Preference-Applied')]).toEqual([200, null]);
  });

  it('continues with a token from before version 2, and learns the present version from a refusal', async () => {
    const { path, answer } = await restoredTally();
    const now = await addTo(path, 3, withToken(answer));
    expect(now.status).toBe(200);
    const refused = await addTo(path, 4, { 'If-Match': '"1"' });
    expect(refused.status).toBe(412);
    const again = await addTo(path, 4, withToken(refused, { 'If-Match': '"2"' }));
    expect(again.status).toBe(200);
  });
});

describe('a tally with a restored log and a dead letter', () => {
  async function stoppedTally() {
    const tally = await restoredTally();
    await deliverThrice({ stream: tally.stream, fromVersion: 3, toVersion: 3 });
    return tally;
  }

  it('is 503 for every client, with or without a token', async () => {
    const { path, answer, lost } = await stoppedTally();
    for (const headers of [{}, withToken(answer), withToken(lost)]) {
      const problem = await expectProblem(get(path, headers), 503, 'projection-dead-letter');
      expect(problem).toMatchObject({ projection: 'tally-board', has: 2 });
    }
  });

  it('is returned from the write store to a client that asks for a version', async () => {
    const { path } = await stoppedTally();
    const read = await get(path, { 'X-Version': '1' });
    expect(read.headers.get('X-Read-From')).toBe('write-store');
    expect(await json(read)).toMatchObject({ version: 1, sum: 1 });
  });

  it('is refused by the write store to a client that has seen a lost event', async () => {
    const { path, lost } = await stoppedTally();
    await expectProblem(get(path, withToken(lost, { 'X-Version': '1' })), 409, 'causal-token-ahead');
    await addTo(path, 3);
    await addTo(path, 4);
    for (const version of ['2', '3'])
      await expectProblem(get(path, withToken(lost, { 'X-Version': version })), 409, 'causal-token-ahead');
  });

  it('is named by a list to a client whose token has it', async () => {
    const { list, answer, stream } = await stoppedTally();
    expect((await get(list, withToken(answer))).headers.get('X-Causal-Incomplete')).toBe(stream);
    expect((await get(list)).headers.get('X-Causal-Incomplete')).toBeNull();
  });
});

describe('a token that left a stream out on day 10, before a restore on day 12', () => {
  const DAY_MS = 24 * 60 * 60 * 1000;
  const stream = 'tally-1' as StreamId;
  const seen = withVersion(EMPTY_TOKEN, stream, 5);

  const takenUp = async (token: typeof seen, day: number, restoreEpoch: number) => {
    const codec = workersCodec();
    const runtime = { restoreEpoch, clock: { now: () => day * DAY_MS }, tokens: () => codec } as unknown as Runtime;
    return takeUp(runtime, await codec.encode(token));
  };

  it.each([
    ['left it out as confirmed', withoutConfirmed(seen, [stream], 10 * DAY_MS)],
    ['was cut to its size', cutToSize(seen, 0, 10 * DAY_MS)],
  ])('is always refused if it %s (I21)', async (_, token) => {
    for (const day of [12, 41, 400])
      await expect(takenUp(token, day, 1)).rejects.toMatchObject({ code: 'causal-token-ahead' });
    // Without a restore, the token is complete again after no database can be restored to an earlier time.
    expect(await takenUp(token, 41, 0)).toMatchObject({ streams: new Map() });
    expect((await takenUp(token, 41, 0)).shortenedAt).toBeUndefined();
  });
});
