import { describe, expect, it } from 'vitest';

import { digestOf, isApiKey, newApiKey, parseApiKey } from '../../../src/tidemark/access/api-key.ts';
import { systemClock } from '../../../src/tidemark/platform/system-clock.ts';

const ID = '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a';
const SECRET = 'a-secret-of-at-least-thirty-two-bytes';

describe('an API key', () => {
  it('has the id of its aggregate and 256 random bits, and only its digest is kept', async () => {
    const { text, digest } = await newApiKey(systemClock, ID, SECRET);
    expect(text).toMatch(/^tm_0198c5a07b1e7c3a9d528f1e2d3c4b5a_[A-Za-z0-9_-]{64}$/);
    expect(isApiKey(text)).toBe(true);
    expect(digest).toBe(await digestOf(text));
    expect(await parseApiKey(text, [SECRET])).toBe(ID);
    expect((await newApiKey(systemClock, ID, SECRET)).text).not.toBe(text);
  });

  it('is known with the secret that it was made with, also if that is the previous one', async () => {
    const { text } = await newApiKey(systemClock, ID, SECRET);
    expect(await parseApiKey(text, ['another-secret-of-at-least-32-bytes', SECRET])).toBe(ID);
    expect(await parseApiKey(text, ['another-secret-of-at-least-32-bytes'])).toBeUndefined();
    expect(await parseApiKey(text, [])).toBeUndefined();
  });

  it('is unknown with any other character', async () => {
    const { text } = await newApiKey(systemClock, ID, SECRET);
    for (let at = 3; at < text.length; at += 1) {
      const changed = `${text.slice(0, at)}${text[at] === 'a' ? 'b' : 'a'}${text.slice(at + 1)}`;
      expect(await parseApiKey(changed, [SECRET]), changed).toBeUndefined();
    }
  });

  it.each([
    '',
    'tm_',
    'tm__',
    `tm_${'0'.repeat(32)}_`,
    `tm_${'0'.repeat(32)}_${'A'.repeat(64)}`,
    `tm_${'G'.repeat(32)}_${'A'.repeat(64)}`,
  ])('is not %j', async (text) => {
    expect(await parseApiKey(text, [SECRET])).toBeUndefined();
  });
});
