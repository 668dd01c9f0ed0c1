import { env } from 'cloudflare:workers';
import { afterEach, describe, expect, it } from 'vitest';

import { asOperator, get, json, post, asNobody } from '../support/api.ts';
import { boardOf, deliverThrice, forgetDeadLetters, tallyOf, withFaults, withoutFaults } from '../support/boards.ts';
import { separateCheckpoints } from '../support/checkpoints.ts';
import { deliver } from '../support/queue.ts';
import { POISON, broken } from '../support/tally.ts';
import { expectInvalidFields, expectProblem } from '../support/problem.ts';

const LIST = '/projections/tally-board/dead-letters';

afterEach(async () => {
  withoutFaults();
  await forgetDeadLetters();
});

const list = () => json(get(LIST, asOperator));
const operate = (path: string, body?: unknown) => post(`${LIST}/${path}`, body, asOperator);

/** Tallies that the board is stopped at, and the id of their group. */
async function stopped(count = 1) {
  const tallies = await Promise.all(Array.from({ length: count }, () => tallyOf(1, POISON, 3)));
  broken.handler = true;
  await deliverThrice(...tallies.map(({ hint }) => hint));
  const { groups } = await list();
  return { tallies, first: tallies[0]!, id: groups[0].id as string };
}

describe('GET /projections/{name}/dead-letters', () => {
  it('is empty if no stream is stopped', async () => {
    expect(await list()).toEqual({
      projection: 'tally-board',
      streams: 0,
      groups: [],
      groupsNotShown: 0,
      skipped: [],
    });
  });

  it('names the stopped stream, the reason, and the events that wait behind it', async () => {
    const { first } = await stopped();
    const { groups, streams } = await list();
    expect(streams).toBe(1);
    expect(groups).toMatchObject([
      {
        cause: 'poison',
        kind: 'Error at Added.change',
        streams: 1,
        waiting: 2,
        samples: [{ stream: first.stream, version: 2, eventType: 'Added', tries: 3, waiting: 2 }],
      },
    ]);
    // Another projection of the same streams goes on.
    expect((await json(get('/projections/tally-count/dead-letters', asOperator))).groups).toEqual([]);
  });

  it('takes no parameters', async () => {
    expect(await expectInvalidFields(get(`${LIST}?limit=1`, asOperator))).toEqual(['/limit']);
  });
});

describe('POST /projections/{name}/dead-letters/{id}/replay', () => {
  it('applies the stopped event, and the events that wait behind it', async () => {
    const { tallies, id } = await stopped(3);
    broken.handler = false;
    const answer = await json(operate(`${id}/replay`));
    expect(answer).toMatchObject({ dryRun: false, replayed: 3, applied: 6, stillDead: [], remaining: 0 });
    for (const { tallyId } of tallies) expect(await boardOf(tallyId)).toEqual({ version: 3, sum: 4 + POISON });
    expect((await list()).groups).toEqual([]);
    await expectProblem(operate(`${id}/replay`), 404, 'not-found');
  });

  it('names each stream that is still stopped', async () => {
    const { first, id } = await stopped();
    const answer = await json(operate(`${id}/replay`));
    expect(answer).toMatchObject({ replayed: 0, applied: 0, stillDead: [{ stream: first.stream, version: 2 }] });
    expect((await list()).groups[0].samples[0].tries).toBe(4);
    // A repeated call for the rest replays no event twice.
    await expectProblem(operate(`${id}/replay?triedBefore=${answer.triedBefore}`), 404, 'not-found');
  });

  it('replays one stream alone', async () => {
    const { tallies, id } = await stopped(2);
    broken.handler = false;
    const answer = await json(operate(`${id}/replay?stream=${tallies[1]!.stream}&dryRun=false`));
    expect(answer).toMatchObject({ replayed: 1, remaining: 0 });
    expect(await boardOf(tallies[0]!.tallyId)).toMatchObject({ version: 1 });
  });

  it('shows the outcome with dryRun, and changes nothing', async () => {
    const { first, id } = await stopped();
    broken.handler = false;
    const before = await list();
    expect(await json(operate(`${id}/replay?dryRun=true`))).toMatchObject({
      dryRun: true,
      streams: [
        {
          stream: first.stream,
          fromVersion: 1,
          toVersion: 3,
          before: { version: 1, sum: 1 },
          after: { version: 3, sum: 4 + POISON },
          error: null,
        },
      ],
      remaining: 0,
    });
    expect(await list()).toEqual(before);
    expect(await boardOf(first.tallyId)).toEqual({ version: 1, sum: 1 });
    broken.handler = true;
    const { streams } = await json(operate(`${id}/replay?dryRun=true`));
    expect(streams).toMatchObject([{ toVersion: 1, error: { version: 2, cause: 'poison' } }]);
  });
});

describe('POST /projections/{name}/dead-letters/{id}/skip', () => {
  const because = { reason: 'Written by a test' };

  it('leaves the event out, continues behind it, and is on record', async () => {
    const { first, id } = await stopped();
    expect(await json(operate(`${id}/skip`, because))).toMatchObject({ dryRun: false, skipped: 1, applied: 1 });
    expect(await boardOf(first.tallyId)).toEqual({ version: 3, sum: 4 });
    const { groups, skipped } = await list();
    expect(groups).toEqual([]);
    expect(skipped).toMatchObject([
      { stream: first.stream, version: 2, actor: { kind: 'operator', id: 'operator' }, ...because },
    ]);
  });

  it('shows the outcome with dryRun, and changes nothing', async () => {
    const { first, id } = await stopped();
    const before = await list();
    const { streams } = await json(operate(`${id}/skip?dryRun=true`, because));
    expect(streams).toMatchObject([{ stream: first.stream, after: { version: 3, sum: 4 }, error: null }]);
    expect(await list()).toEqual(before);
  });

  it('asks for a reason', async () => {
    const { id } = await stopped();
    for (const reason of [undefined, '', ' ', 'x'.repeat(501), 7, 'a\u0000b']) {
      expect(await expectInvalidFields(operate(`${id}/skip`, { reason }))).toEqual(['/reason']);
    }
    expect(await expectInvalidFields(operate(`${id}/skip`, { ...because, why: 'x' }))).toEqual(['/why']);
    expect((await list()).streams).toBe(1);
    expect((await operate(`${id}/skip`, { reason: 'x'.repeat(500) })).status).toBe(200);
  });

  it('is 409 wrong-state if the log was restored: there is no event to skip', async () => {
    const { stream, hint } = await tallyOf(1, 2);
    await deliver([hint]);
    await separateCheckpoints(env.SERVING_DB);
    await env.SERVING_DB.prepare(`UPDATE checkpoint SET version = 9 WHERE projection = 'tally-board' AND stream = ?`)
      .bind(stream)
      .run();
    await deliverThrice({ stream, fromVersion: 10, toVersion: 10 });
    const { groups } = await list();
    expect(groups).toMatchObject([{ cause: 'log-restored', samples: [{ eventId: '', eventType: null, version: 10 }] }]);
    for (const query of ['', '?dryRun=true']) {
      const problem = await expectProblem(operate(`${groups[0].id}/skip${query}`, because), 409, 'wrong-state');
      expect(problem.detail).toMatch(/[Rr]estore the database/);
    }
  });
});

describe('a request for an unknown name, without the key, or without a database', () => {
  const nowhere = ['nowhere', 'constructor', '%00'];

  it('is 404 for a projection or a group that does not exist', async () => {
    const { id } = await stopped();
    for (const name of nowhere) {
      await expectProblem(get(`/projections/${name}/dead-letters`, asOperator), 404, 'not-found');
      await expectProblem(post(`/projections/${name}/dead-letters/${id}/replay`, {}, asOperator), 404, 'not-found');
      await expectProblem(operate(`${name}/replay`), 404, 'not-found');
      await expectProblem(operate(`${name}/skip`, { reason: 'x' }), 404, 'not-found');
    }
    // Of another projection.
    await expectProblem(post(`/projections/tally-count/dead-letters/${id}/replay`, {}, asOperator), 404, 'not-found');
    await expectProblem(operate(`${id}/replay?stream=tally-${crypto.randomUUID()}`), 404, 'not-found');
    expect(await expectInvalidFields(operate(`${id}/replay?stream=x`))).toEqual(['/stream']);
    expect(await expectInvalidFields(operate(`${id}/replay?dryRun=maybe`))).toEqual(['/dryRun']);
    expect(await expectInvalidFields(operate(`${id}/replay?triedBefore=now`))).toEqual(['/triedBefore']);
    expect(await expectInvalidFields(operate(`${id}/replay?all=1`))).toEqual(['/all']);
  });

  it('is 401 without the key, and changes nothing', async () => {
    const { id } = await stopped();
    broken.handler = false;
    for (const name of ['tally-board', ...nowhere]) {
      const path = `/projections/${name}/dead-letters`;
      await expectProblem(get(path, asNobody), 401, 'unauthorized');
      await expectProblem(post(`${path}/${id}/replay`, {}, asNobody), 401, 'unauthorized');
      await expectProblem(post(`${path}/${id}/skip`, { reason: 'x' }, asNobody), 401, 'unauthorized');
    }
    expect((await list()).streams).toBe(1);
  });

  it('is 503 if the database is away, or if this deployment has no code for the live revision', async () => {
    const { id } = await stopped();
    const revise = (by: number) =>
      env.SERVING_DB.prepare(
        `UPDATE projection_pointer SET epoch = epoch + 1, live_revision = live_revision + ? WHERE projection = 'tally-board'`,
      )
        .bind(by)
        .run();
    await revise(1);
    for (const path of ['replay', 'replay?dryRun=true', 'skip', 'skip?dryRun=true']) {
      const answer = await operate(`${id}/${path}`, { reason: 'x' });
      expect(answer.headers.get('Retry-After')).toBe('1');
      await expectProblem(answer, 503, 'projection-building');
    }
    await revise(-1);
    const away = () => {
      throw new Error('D1_ERROR: Network connection lost.');
    };
    withFaults({ beforeBatch: away, beforeQuery: away });
    await expectProblem(get(LIST, asOperator), 503, 'overloaded');
    await expectProblem(operate(`${id}/replay`), 503, 'overloaded');
    withFaults({
      beforeBatch(number) {
        if (number === 2) away();
      },
    });
    await expectProblem(operate(`${id}/skip`, { reason: 'x' }), 503, 'outcome-unknown');
  });

  it('is 503 storage-unavailable if the database is full or switched off, and changes nothing', async () => {
    const { first, id } = await stopped();
    const refuse = () => {
      throw new Error('D1_ERROR: database or disk is full: SQLITE_FULL');
    };
    broken.handler = false;
    // The first batches only read.
    withFaults({ beforeBatch: (number) => (number > 2 ? refuse() : undefined) });
    await expectProblem(operate(`${id}/replay`), 503, 'storage-unavailable');
    withFaults({ beforeBatch: (number) => (number > 1 ? refuse() : undefined) });
    await expectProblem(operate(`${id}/skip`, { reason: 'x' }), 503, 'storage-unavailable');
    withFaults({ beforeBatch: refuse, beforeQuery: refuse });
    for (const path of ['replay', 'replay?dryRun=true', 'skip', 'skip?dryRun=true'])
      await expectProblem(operate(`${id}/${path}`, { reason: 'x' }), 503, 'storage-unavailable');
    await expectProblem(get(LIST, asOperator), 503, 'storage-unavailable');
    withoutFaults();
    expect((await list()).skipped).toEqual([]);
    expect(await json(operate(`${id}/replay`))).toMatchObject({ replayed: 1 });
    expect(await boardOf(first.tallyId)).toMatchObject({ version: 3 });
  });
});
