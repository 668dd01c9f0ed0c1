import { errors, exportJWK, generateKeyPair } from 'jose';
import { describe, expect, it } from 'vitest';

import { type KeySetOptions, keySet } from '../../../src/tidemark/access/key-set.ts';
import { UnansweredError } from '../../../src/tidemark/platform/faults.ts';

const TOKEN = { payload: '', signature: '' };

/** The address of an issuer's keys, and how often it was asked. */
function address() {
  let keys: object[] = [];
  const state = { reads: 0, isDown: false };
  return {
    state,
    async publish(...kids: readonly string[]) {
      keys = await Promise.all(
        kids.map(async (kid) => ({
          ...(await exportJWK((await generateKeyPair('ES256')).publicKey)),
          kid,
          alg: 'ES256',
        })),
      );
    },
    fetch: (async () => {
      state.reads += 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (state.isDown) throw new Error('no route to host');
      return Response.json({ keys });
    }) as unknown as typeof fetch,
  };
}

const header = (kid: string) => ({ alg: 'ES256', kid });
const works: Promise<unknown>[] = [];
const inBackground = (work: Promise<unknown>) => void works.push(work);

function keysAt(at: ReturnType<typeof address>, options: KeySetOptions = {}) {
  let offsetMs = 0;
  const set = keySet('https://id.example/keys', {
    fetch: at.fetch,
    now: () => Date.now() + offsetMs,
    pauseMs: 40,
    ...options,
  });
  return {
    find: (kid: string) => set.find(header(kid), TOKEN, inBackground),
    pass: (ms: number) => (offsetMs += ms),
  };
}

describe('the keys of an issuer', () => {
  it('are read once for any number of requests', async () => {
    const at = address();
    await at.publish('one');
    const { find } = keysAt(at);
    await Promise.all(Array.from({ length: 64 }, () => find('one')));
    await find('one');
    expect(at.state.reads).toBe(1);
  });

  it('are read again for a key that is unknown, so that a rotation refuses no good token', async () => {
    const at = address();
    await at.publish('one');
    const { find } = keysAt(at);
    await find('one');
    await at.publish('two');
    const found = await Promise.all(Array.from({ length: 64 }, () => find('two')));
    expect(found).toHaveLength(64);
    expect(at.state.reads).toBeLessThanOrEqual(3);
  });

  it('are read again even right after a read that a forged token has caused', async () => {
    const at = address();
    await at.publish('one');
    const { find } = keysAt(at);
    await find('one');
    const forged = find('forged').catch((error: unknown) => error);
    await new Promise((resolve) => setTimeout(resolve, 1));
    await at.publish('two');
    await find('two');
    expect(await forged).toBeInstanceOf(errors.JWKSNoMatchingKey);
  });

  it('are read at most once in a pause, however many tokens name an unknown key', async () => {
    const at = address();
    await at.publish('one');
    const { find } = keysAt(at, { pauseMs: 60_000 });
    await find('one');
    const first = find('forged-0').catch(() => 'refused');
    void first;
    for (let index = 1; index < 100; index += 1) void find(`forged-${index}`).catch(() => 'refused');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(at.state.reads).toBe(1);
  });

  it('are renewed in the background once they are old', async () => {
    const at = address();
    await at.publish('one');
    const { find, pass } = keysAt(at);
    await find('one');
    await at.publish('one', 'two');
    pass(6 * 60_000);
    await find('one');
    await Promise.all(works);
    expect(at.state.reads).toBe(2);
  });

  it('are used for a day while the issuer is down, and no longer', async () => {
    const at = address();
    await at.publish('one');
    const { find, pass } = keysAt(at);
    await find('one');
    at.state.isDown = true;
    pass(23 * 60 * 60_000);
    await find('one');
    await Promise.all(works);
    pass(2 * 60 * 60_000);
    await expect(find('one')).rejects.toBeInstanceOf(UnansweredError);
  });

  it('that cannot be read make a fault, and not a refusal: the token may be good', async () => {
    const at = address();
    at.state.isDown = true;
    await expect(keysAt(at).find('one')).rejects.toBeInstanceOf(UnansweredError);
    const later = address();
    await later.publish('one');
    const { find } = keysAt(later);
    await find('one');
    later.state.isDown = true;
    await expect(find('two')).rejects.toBeInstanceOf(UnansweredError);
  });
});
