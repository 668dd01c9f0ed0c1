import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';

import { asOperator, get, json, post, request, withToken, asNobody } from '../support/api.ts';
import { openTally } from '../support/tallies.ts';
import { work } from '../support/builds.ts';
import { faultyDatabase } from '../support/database.ts';
import { ports, production } from '../support/platform.ts';
import { expectProblem } from '../support/problem.ts';
import { cancel, idleBuild, rebuild, stateAt, waitFor } from '../support/rebuild-requests.ts';
import { deliverEverything } from '../support/queue.ts';

describe('POST /projections/{name}/rebuild', () => {
  it('is 202 with the address of the build, and a Workflow does the rest', async () => {
    const { answer: opened, path } = await openTally(3);
    await deliverEverything();
    const answer = await rebuild('tally-board');
    expect(answer.status).toBe(202);
    const location = answer.headers.get('Location') ?? '';
    expect(await waitFor(location)).toBe('swapped');
    expect(await json(get(location, asOperator))).toMatchObject({
      projection: 'tally-board',
      liveRevision: expect.any(Number) as number,
      differences: { isEqual: true },
      error: null,
    });
    expect(await json(get(path, withToken(opened)))).toMatchObject({ sum: 3 });
  });

  it('is 409 with the address of the running build', async () => {
    const { location, id } = await idleBuild('tally-board');
    const second = await rebuild('tally-board');
    expect(second.headers.get('Location')).toBe(location);
    expect(await expectProblem(second, 409, 'rebuild-running')).toMatchObject({ build: id });
    expect((await cancel(location)).status).toBe(200);
  });

  it('is 404 for a name that cannot be rebuilt, and names the projections', async () => {
    const { detail } = await expectProblem(rebuild('nonesuch'), 404, 'not-found');
    expect(detail).toMatch(/tally-board.*archive/);
    expect((await expectProblem(rebuild('archive'), 404, 'not-found')).detail).toMatch(/only appends/);
  });

  it('accepts flags, and nothing else', async () => {
    await expectProblem(rebuild('tally-board', '?accept=yes'), 400, 'invalid-field');
    await expectProblem(rebuild('tally-board', '?force=true'), 400, 'invalid-field');
  });

  it('asks for the operations key, like every route about builds', async () => {
    const { location } = await idleBuild('tally-board');
    for (const [method, path] of [
      ['POST', '/projections/tally-board/rebuild'],
      ['GET', location],
      ['DELETE', location],
      ['POST', `${location}/accept`],
      ['POST', '/projections/tally-board/rollback'],
      ['POST', '/projections/tally-board/release'],
    ] as const) {
      await expectProblem(request(method, path, asNobody), 401, 'unauthorized');
    }
    await cancel(location);
  });
});

describe('a build', () => {
  it('shows its progress', async () => {
    const { answer, location } = await idleBuild('tally-board');
    expect(await json(answer)).toMatchObject({ state: 'building', replayed: 0, total: expect.any(Number) as number });
    await cancel(location);
  });

  it('is cancelled once, and a new one can start then', async () => {
    const { location, id } = await idleBuild('tally-board');
    expect(await json(cancel(location))).toMatchObject({
      id,
      state: 'cancelled',
      endedAt: expect.any(String) as string,
    });
    expect(await json(cancel(location))).toMatchObject({ state: 'cancelled' });
    const next = await idleBuild('tally-board');
    await work('tally-board', next.id);
    expect((await expectProblem(cancel(next.location), 409, 'wrong-state')).detail).toMatch(/swapped/);
  });

  it('waits for consent after a difference, shows it, and is swapped in only by its acceptance', async () => {
    const { tallyId, path } = await openTally(3);
    await deliverEverything();
    const { live_slot: slot } = (await env.SERVING_DB.prepare(
      `SELECT live_slot FROM projection_pointer WHERE projection = 'tally-board'`,
    ).first<{ live_slot: string }>()) ?? { live_slot: 'a' };
    await env.SERVING_DB.prepare(`UPDATE tally_board_${slot} SET sum = 99 WHERE tally_id = ?`).bind(tallyId).run();
    const { location, id } = await idleBuild('tally-board');
    await expectProblem(post(`${location}/accept`, {}, asOperator), 409, 'wrong-state');
    await work('tally-board', id);
    expect(await json(get(location, asOperator))).toMatchObject({
      state: 'awaiting-acceptance',
      differences: {
        isEqual: false,
        differing: 1,
        first: [{ table: 'row', key: { tally_id: tallyId }, live: { sum: 99 }, build: { sum: 3 } }],
      },
    });
    expect((await json(get(path))).sum).toBe(99);
    expect(await json(post(`${location}/accept`, {}, asOperator))).toMatchObject({ state: 'swapped' });
    expect((await json(get(path))).sum).toBe(3);
  });

  it('compares and stops as a dry run', async () => {
    const { location, id } = await idleBuild('tally-board', '?dryRun=true');
    await work('tally-board', id);
    expect(await json(get(location, asOperator))).toMatchObject({
      state: 'awaiting-acceptance',
      dryRun: true,
      differences: { isEqual: true },
    });
    await cancel(location);
  });

  it('is revived by the next request for it after it has fallen silent', async () => {
    const { location, id, runner } = await idleBuild('tally-board');
    const revived: string[] = [];
    ports.buildRunner = () => ({
      ...runner,
      async revive(_projection, build) {
        revived.push(build);
        return 'goes-on';
      },
    });
    expect(await stateAt(location)).toBe('building');
    expect(revived).toEqual([]);
    ports.clockOffsetMs = 120_000;
    expect(await stateAt(location)).toBe('building');
    expect(revived).toEqual([id]);
    ports.buildRunner = () => ({ ...runner, revive: async () => 'ended' });
    expect(await json(get(location, asOperator))).toMatchObject({
      state: 'failed',
      error: { message: expect.stringMatching(/without a word/) as string },
    });
  });

  it('is continued after its start was cut off before any work', async () => {
    const { location } = await idleBuild('tally-board');
    ports.buildRunner = production.buildRunner;
    ports.clockOffsetMs = 120_000;
    expect(await waitFor(location)).toBe('swapped');
  });

  it('is 404 if it does not exist', async () => {
    const path = '/projections/tally-board/rebuilds/0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a';
    await expectProblem(get(path, asOperator), 404, 'not-found');
    await expectProblem(get('/projections/tally-board/rebuilds/1', asOperator), 400, 'invalid-id');
  });
});

describe('POST /projections/{name}/rollback', () => {
  it('is the way back until the former slot is released', async () => {
    const { id } = await idleBuild('tally-board');
    await work('tally-board', id);
    const back = await json(post('/projections/tally-board/rollback', {}, asOperator));
    const forth = await json(post('/projections/tally-board/rollback', {}, asOperator));
    expect(new Set([back.slot, forth.slot])).toEqual(new Set(['a', 'b']));
    for (let tries = 0; tries < 2; tries += 1) {
      const named = post(`/projections/tally-board/rollback?slot=${String(back.slot)}`, {}, asOperator);
      expect(await json(named)).toMatchObject({ slot: back.slot });
    }
    await expectProblem(post('/projections/tally-board/rollback?slot=c', {}, asOperator), 400, 'invalid-field');
    expect((await post('/projections/tally-board/release', {}, asOperator)).status).toBe(204);
    await expectProblem(post('/projections/tally-board/rollback', {}, asOperator), 409, 'wrong-state');
    await expectProblem(post('/projections/tally-board/release', {}, asOperator), 409, 'wrong-state');
  });
});

describe('a full database', () => {
  it('makes every change of a pointer 503 storage-unavailable, and changes nothing', async () => {
    const swapped = await idleBuild('tally-board');
    await work('tally-board', swapped.id);
    const waiting = await idleBuild('tally-count', '?dryRun=true');
    await work('tally-count', waiting.id);
    const { database } = faultyDatabase(env.SERVING_DB, { beforeBatch: full });
    ports.database = () => database;
    const asked = [
      rebuild('tally-board'),
      cancel(waiting.location),
      post(`${waiting.location}/accept`, {}, asOperator),
      post('/projections/tally-board/rollback', {}, asOperator),
      post('/projections/tally-board/release', {}, asOperator),
    ];
    for (const answer of await Promise.all(asked)) {
      expect(answer.headers.get('Retry-After')).toBe('60');
      await expectProblem(answer, 503, 'storage-unavailable');
    }
    ports.database = production.database;
    expect(await stateAt(waiting.location)).toBe('awaiting-acceptance');
    await cancel(waiting.location);
    expect((await post('/projections/tally-board/release', {}, asOperator)).status).toBe(204);
  });
});

function full(): never {
  throw new Error('D1_ERROR: database or disk is full: SQLITE_FULL');
}
