import { describe, expect, it } from 'vitest';

import { readProblem, tokenAhead } from '../../../src/tidemark/http/causal-problems.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import { type Headers, asOperator, post, request } from '../../support/api.ts';
import { expectProblem } from '../../support/problem.ts';
import { tallyBoard } from '../../support/tally.ts';

/** A sentence, or the part after a colon, that says what the client does next. Or the form that the request must have. */
const REMEDY =
  /(^|[.:] )(Or )?(Ask|Check|Continue|Quote|Read|Retry|Send|Start|Rebuild|Use|Wait|rebuild|send)\b|[Mm]ust be/;

const JSON_TYPE = { 'Content-Type': 'application/json' };
const unknown = '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a';

async function newTally(): Promise<string> {
  return (await post('/tallies', { by: 1 })).headers.get('Location') ?? '';
}

describe('the detail of a problem says what the client does next', () => {
  it.each<[code: string, status: number, method: string, path: string, headers?: Headers, body?: BodyInit]>([
    ['not-found', 404, 'GET', '/nowhere'],
    ['not-found', 404, 'GET', `/tallies/${unknown}`],
    ['not-found', 404, 'GET', `/streams/tally-${unknown}/events`, asOperator],
    ['not-found', 404, 'GET', `/streams/nothing-${unknown}/events`, asOperator],
    ['not-found', 404, 'GET', '/projections/nonesuch', asOperator],
    ['not-found', 404, 'GET', `/projections/tally-board/rebuilds/${unknown}`, asOperator],
    ['not-found', 404, 'POST', '/projections/archive/rebuild', asOperator],
    ['not-found', 404, 'POST', '/projections/tally-board/dead-letters/x/replay', asOperator],
    ['not-found', 404, 'GET', '/problems/nonesuch'],
    ['invalid-id', 400, 'GET', '/tallies/x'],
    ['invalid-id', 400, 'GET', '/streams/x/events', asOperator],
    ['method-not-allowed', 405, 'DELETE', '/tallies'],
    ['unauthorized', 401, 'GET', '/projections', { Authorization: '' }],
    ['cross-site', 403, 'POST', '/tallies', { ...JSON_TYPE, 'Sec-Fetch-Site': 'cross-site' }, '{"by":1}'],
    ['invalid-cursor', 400, 'GET', '/tallies?cursor=x'],
    ['invalid-causal-token', 400, 'GET', '/tallies', { 'X-Causal-Token': 'x' }],
    ['invalid-causal-token', 400, 'GET', '/tallies', { 'X-Causal-Token': Array.from('123456789').join(', ') }],
    ['invalid-header', 400, 'GET', `/tallies/${unknown}`, { 'X-Version': 'x' }],
    ['not-json', 415, 'POST', '/tallies', {}, '{"by":1}'],
    ['malformed-body', 400, 'POST', '/tallies', JSON_TYPE, '{'],
    ['malformed-body', 400, 'POST', '/tallies', JSON_TYPE, '{"by":1,"by":1}'],
    ['malformed-body', 400, 'POST', '/tallies', JSON_TYPE, '[[[[[[[[[1]]]]]]]]]'],
    ['malformed-body', 400, 'POST', '/tallies', JSON_TYPE, new Uint8Array([0xff])],
    ['too-large', 413, 'POST', '/tallies', JSON_TYPE, ' '.repeat(70_000)],
    ['wrong-state', 409, 'POST', '/projections/tally-board/rollback', asOperator],
  ])('%s (%i) of %s %s', async (code, status, method, path, headers, body) => {
    const { detail } = await expectProblem(request(method, path, headers, body), status, code);
    expect(detail).toMatch(REMEDY);
  });

  it('after a command that expected another version, or that used a key again', async () => {
    const path = `${await newTally()}/additions`;
    const mismatch = await expectProblem(post(path, { by: 1 }, { 'If-Match': '"9"' }), 412, 'version-mismatch');
    expect(mismatch.detail).toBe('The current version is 1. Read the resource again, and decide again.');
    expect((await post(path, { by: 1 }, { 'Idempotency-Key': 'twice' })).ok).toBe(true);
    const reused = await expectProblem(post(path, { by: 2 }, { 'Idempotency-Key': 'twice' }), 422, 'key-reused');
    expect(reused.detail).toMatch(REMEDY);
  });

  it('after a read of a version that is not there', async () => {
    const ahead = request('GET', await newTally(), { 'X-Version': '9' });
    expect((await expectProblem(ahead, 409, 'version-ahead')).detail).toMatch(REMEDY);
  });

  it('after a malformed token: the token of the answer', async () => {
    const answer = await request('GET', '/tallies', { 'X-Causal-Token': 'x' });
    expect((await expectProblem(answer, 400, 'invalid-causal-token')).detail).toBe(
      'X-Causal-Token is malformed, truncated, or not from this deployment. Continue with the token of this answer, which covers the valid ones. Or send no token, and start over.',
    );
    expect(
      (await request('GET', '/tallies', { 'X-Causal-Token': answer.headers.get('X-Causal-Token') ?? '' })).ok,
    ).toBe(true);
  });

  it('after a read that cannot show what the token has seen', () => {
    const stream = `tally-${unknown}` as StreamId;
    const at = { stream, wanted: 2, has: 1 };
    for (const { message } of [
      tokenAhead(stream, 3, 2),
      tokenAhead(stream, 2, 2),
      readProblem(tallyBoard, { outcome: 'unavailable' }),
      readProblem(tallyBoard, { outcome: 'dead-letter', ...at }),
      readProblem(tallyBoard, { outcome: 'behind', ...at, isOverloaded: true }),
      readProblem(tallyBoard, { outcome: 'behind', ...at, isOverloaded: false }),
    ])
      expect(message).toMatch(REMEDY);
  });
});
