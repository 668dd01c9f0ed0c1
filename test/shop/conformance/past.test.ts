import { describe, expect, it } from 'vitest';

import { type Headers, asOperator, get, json, post } from '../../support/api.ts';
import { orderAfter } from '../api.ts';
import { expectInvalidFields, expectProblem } from '../../support/problem.ts';

describe('asOf', () => {
  async function shippedLater() {
    const { orderId } = await orderAfter([]);
    const at = async (asOf: string, headers: Headers = {}) =>
      get(`/orders/${orderId}?asOf=${encodeURIComponent(asOf)}`, { ...asOperator, ...headers });
    const placedAt = (await json(at('1'))).placedAt as string;
    // Two events of one millisecond could not be told apart by time.
    await expect.poll(() => Date.now()).toBeGreaterThan(Date.parse(placedAt) + 1);
    await post(`/orders/${orderId}/shipment`, { tracking: 'JD0146' });
    return { orderId, at, placedAt };
  }

  it('with a version gives the state at that version', async () => {
    const { orderId, at } = await shippedLater();
    const [first, second] = [await at('1'), await at('2')];
    expect([first, second].map((answer) => answer.headers.get('ETag'))).toEqual(['"1"', '"2"']);
    expect(await json(first)).toMatchObject({ status: 'placed', tracking: null, version: 1 });
    expect(await json(second)).toEqual(await json(get(`/orders/${orderId}`, { 'X-Version': '2' })));
  });

  it('with a time gives the state at that time, and a future time gives the current state', async () => {
    const { at, placedAt } = await shippedLater();
    const version = async (time: string) => (await json(at(time))).version;
    expect(await version(placedAt)).toBe(1);
    expect(await version(placedAt.replace('Z', '+00:00'))).toBe(1);
    expect(await version('2999-01-01T00:00:00Z')).toBe(2);
    const inTokyo = new Date(Date.parse(placedAt) + 9 * 3_600_000).toISOString().replace('Z', '+09:00');
    expect(await version(inTokyo)).toBe(1);
    // Their UTC years have five digits, and a sign.
    expect(await version('9999-12-31T23:59:59-23:59')).toBe(2);
    expect(await version('9999-12-31T23:59:59.999999Z')).toBe(2);
    await expectProblem(at('0000-01-01T00:00:00+23:59'), 404, 'not-found');
  });

  it('before version 1 is 404, past the head 409 with the current version', async () => {
    const { at, placedAt } = await shippedLater();
    const before = new Date(Date.parse(placedAt) - 1).toISOString();
    for (const asOf of ['0', before, '1970-01-01T00:00:00Z']) await expectProblem(at(asOf), 404, 'not-found');
    for (const asOf of ['3', '999999999999999']) {
      const problem = await expectProblem(at(asOf), 409, 'version-ahead');
      expect(problem['currentVersion']).toBe(2);
    }
    await expectProblem(get(`/orders/${crypto.randomUUID()}?asOf=1`, asOperator), 404, 'not-found');
  });

  it('that is neither is 400, and so is a second one, or an invalid X-Version', async () => {
    const { at, orderId } = await shippedLater();
    for (const asOf of [
      '',
      '-1',
      '1.5',
      '1e3',
      'now',
      'yesterday',
      '2026-11-23',
      '2026-02-30T00:00:00Z',
      '2026-11-23T09:00:00',
      '1 ',
    ]) {
      expect(await expectInvalidFields(at(asOf))).toEqual(['/asOf']);
    }
    expect(await expectInvalidFields(get(`/orders/${orderId}?asOf=1&asOf=2`, asOperator))).toEqual(['/asOf']);
    await expectProblem(at('1', { 'X-Version': 'abc' }), 400, 'invalid-header');
  });

  it('together with X-Version is 400: they contradict each other', async () => {
    const { at } = await shippedLater();
    for (const asOf of ['1', '2', '2999-01-01T00:00:00Z'])
      await expectProblem(at(asOf, { 'X-Version': '1' }), 400, 'invalid-header');
  });

  it('accepts If-None-Match', async () => {
    const { at } = await shippedLater();
    expect((await at('1', { 'If-None-Match': '"1"' })).status).toBe(304);
    expect((await at('1', { 'If-None-Match': '"2"' })).status).toBe(200);
  });
});
