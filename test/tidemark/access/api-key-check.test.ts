import { describe, expect, it } from 'vitest';

import { accessTable } from '../../../src/tidemark/access/access.ts';
import { type StoredKey, apiKeyCheck } from '../../../src/tidemark/access/api-key-check.ts';
import { newApiKey } from '../../../src/tidemark/access/api-key.ts';
import { systemClock } from '../../../src/tidemark/platform/system-clock.ts';
import { UnansweredError } from '../../../src/tidemark/platform/faults.ts';

const ID = '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a';
const SECRETS = ['a-secret-of-at-least-thirty-two-bytes'];
const table = accessTable({ scopes: { 'seats:read': 'See seats.' } });

/** A key, its object, and a check with a clock of its own. */
async function keyWith(changes: Partial<StoredKey> = {}) {
  const { text, digest } = await newApiKey(systemClock, ID, SECRETS[0] as string);
  const stored: StoredKey = {
    status: 'active',
    name: 'warehouse',
    scopes: ['seats:read', 'no-scope'],
    customerId: null,
    expiresAt: null,
    digest,
    ...changes,
  };
  const object = { key: stored as StoredKey | undefined, asked: 0, isDown: false };
  let now = Date.parse('2026-11-23T09:00:00.000Z');
  const check = apiKeyCheck(table, { now: () => now, maxKept: 10 });
  return {
    text,
    object,
    pass: (ms: number) => (now += ms),
    callerOf: (credential = text) =>
      check.callerOf(credential, SECRETS, async () => {
        object.asked += 1;
        await Promise.resolve();
        if (object.isDown) throw new UnansweredError('down');
        return object.key;
      }),
  };
}

describe('the caller of an API key', () => {
  it('is the key, with its scopes', async () => {
    const { callerOf } = await keyWith();
    expect(await callerOf()).toEqual({
      kind: 'key',
      id: ID,
      owner: '["key","warehouse",null]',
      scopes: new Set(['seats:read']),
    });
  });

  it('is limited to the customer of the key', async () => {
    const { callerOf } = await keyWith({ customerId: 'c-1' });
    expect(await callerOf()).toMatchObject({ customerId: 'c-1', owner: '["key","warehouse","c-1"]' });
  });

  it('has the same owner after the key was replaced by one of the same name', async () => {
    const [one, other] = [await keyWith(), await keyWith()];
    expect((await one.callerOf())?.owner).toBe((await other.callerOf())?.owner);
  });

  it.each([
    ['revoked', { status: 'revoked' }],
    ['expired', { expiresAt: '2026-11-23T09:00:00.000Z' }],
    ['another one of the same aggregate', { digest: '0'.repeat(64) }],
  ] as const)('is nobody if the key is %s', async (_, changes) => {
    const { callerOf } = await keyWith(changes);
    expect(await callerOf()).toBeUndefined();
  });

  it('is nobody if the key has no aggregate', async () => {
    const { callerOf, object } = await keyWith();
    object.key = undefined;
    expect(await callerOf()).toBeUndefined();
  });

  it('is nobody, without a question to any object, if the key was not made here', async () => {
    const { callerOf, object } = await keyWith();
    const { text } = await newApiKey(systemClock, ID, 'another-secret-of-at-least-32-bytes');
    expect(await callerOf(text)).toBeUndefined();
    expect(object.asked).toBe(0);
  });
});

describe('a question to the object of a key', () => {
  it('serves all requests for twenty seconds, refusals too', async () => {
    for (const changes of [{}, { status: 'revoked' }] as const) {
      const { callerOf, object, pass } = await keyWith(changes);
      await Promise.all(Array.from({ length: 64 }, () => callerOf()));
      pass(19_999);
      await callerOf();
      expect(object.asked).toBe(1);
      pass(1);
      await callerOf();
      expect(object.asked).toBe(2);
    }
  });

  it('lets a revoked key in for no longer than that', async () => {
    const { callerOf, object, pass } = await keyWith();
    expect(await callerOf()).toBeDefined();
    object.key = { ...(object.key as StoredKey), status: 'revoked' };
    pass(20_000);
    expect(await callerOf()).toBeUndefined();
  });

  it('does not outlive the key: one that expires meanwhile is refused at once', async () => {
    const { callerOf, pass } = await keyWith({ expiresAt: '2026-11-23T09:00:05.000Z' });
    expect(await callerOf()).toBeDefined();
    pass(5_000);
    expect(await callerOf()).toBeUndefined();
  });

  it('that has no answer is a fault for every request that waits, and is never access', async () => {
    const { callerOf, object } = await keyWith();
    object.isDown = true;
    const answers = await Promise.allSettled(Array.from({ length: 8 }, () => callerOf()));
    for (const answer of answers)
      expect(answer).toMatchObject({ status: 'rejected', reason: expect.any(UnansweredError) });
    object.isDown = false;
    expect(await callerOf()).toBeDefined();
  });
});
