import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';

import { MAX_TOKENS, MAX_TOKEN_LENGTH, MAX_TOKEN_STREAMS } from '../../../src/tidemark/http/limits.ts';
import { get, json } from '../../support/api.ts';
import { allPages } from '../../support/pages.ts';
import { addTo, openTally } from '../../support/tallies.ts';
import { decoded, seenVersions, tokenOf, withTokens, workersCodec } from '../../support/tokens.ts';

const codec = workersCodec();

describe('a client that sends concurrent commands', () => {
  it('finds all their effects in a list with the tokens of all answers, thirty times in thirty rounds', async () => {
    for (let round = 1; round <= 30; round += 1) {
      const opened = await Promise.all(Array.from({ length: 8 }, () => openTally()));
      const tokens = opened.map(({ answer }) => tokenOf(answer));
      // Ids are time-ordered: those of this round come last.
      const listed = (await allPages('/tallies?limit=100', withTokens(...tokens))).flat();
      expect(
        listed.map(({ tallyId }) => tallyId as string),
        `round ${round}`,
      ).toEqual(expect.arrayContaining(opened.map(({ tallyId }) => tallyId)));
    }
  });

  it('continues with one token, from an answer to a request with all of them', async () => {
    const [one, other] = await Promise.all([openTally(), openTally()]);
    const list = await get('/tallies?limit=1', withTokens(tokenOf(one.answer), tokenOf(other.answer)));
    const { streams } = await decoded(list);
    expect([...streams.keys()]).toEqual(expect.arrayContaining([one.stream, other.stream]));
  });
});

describe('a request with several tokens', () => {
  it('gets a partial token with the newest stream of each, if together its tokens hold too many streams', async () => {
    // No read model has these streams, so none of them is confirmed.
    const full = Array.from({ length: 2 }, () =>
      Array.from({ length: MAX_TOKEN_STREAMS }, () => `tally-${crypto.randomUUID()}`),
    );
    const tokens = await Promise.all(
      full.map((names) =>
        codec.encode({
          streams: seenVersions(Object.fromEntries(names.map((name) => [name, 1]))),
          bookmarks: new Map(),
        }),
      ),
    );
    // A read of one resource waits for no other stream.
    const answer = await get(`/tallies/${crypto.randomUUID()}`, withTokens(...tokens));
    expect(answer.status).toBe(404);
    const { streams } = await decoded(answer);
    const kept = [...streams.keys()];
    expect(answer.headers.get('X-Causal-Scope')).toBe('partial');
    expect(tokenOf(answer).length).toBeLessThanOrEqual(MAX_TOKEN_LENGTH);
    expect(new Set(kept.slice(-2))).toEqual(new Set(full.map((names) => names.at(-1))));
    const [one, other] = full.map((names) => kept.filter((stream) => names.includes(stream)).length);
    expect(one).toBe(other);
  });

  it('is answered even if its tokens hold as many streams as eight tokens can', async () => {
    const streams = Array.from({ length: MAX_TOKENS * MAX_TOKEN_STREAMS }, () => `tally-${crypto.randomUUID()}`);
    // As if each tally had been delivered to the list.
    await env.SERVING_DB.prepare(
      `INSERT INTO checkpoint (projection, slot, stream, version, event_id)
      SELECT pointer.projection, pointer.live_slot, stream.value, 1, 'an event'
      FROM projection_pointer AS pointer, json_each(?) AS stream WHERE pointer.projection = 'tally-board'`,
    )
      .bind(JSON.stringify(streams))
      .run();
    const tokens = await Promise.all(
      Array.from({ length: MAX_TOKENS }, (_, index) => {
        const some = streams.slice(index * MAX_TOKEN_STREAMS, (index + 1) * MAX_TOKEN_STREAMS);
        return codec.encode({
          streams: seenVersions(Object.fromEntries(some.map((stream) => [stream, 1]))),
          bookmarks: new Map(),
        });
      }),
    );
    const answer = await get('/tallies?limit=1', withTokens(...tokens));
    expect([answer.status, answer.headers.get('X-Causal-Scope')]).toEqual([200, 'partial']);
  });

  it('is refused if a token is invalid, and the refusal’s token covers the others', async () => {
    const [one, other] = await Promise.all([openTally(), openTally()]);
    const refused = await get('/tallies', withTokens(tokenOf(one.answer), 'forged', tokenOf(other.answer)));
    expect(await json(refused.clone())).toMatchObject({
      status: 400,
      code: 'invalid-causal-token',
      detail: expect.stringContaining('Token 2 of X-Causal-Token') as string,
    });
    const { streams } = await decoded(refused);
    expect(new Set(streams.keys())).toEqual(new Set([one.stream, other.stream]));
  });

  it('is refused with more than eight, and continues with the refusal’s token and the others', async () => {
    expect(MAX_TOKENS).toBe(8);
    const created = await Promise.all(Array.from({ length: 9 }, () => openTally()));
    const tokens = created.map(({ answer }) => tokenOf(answer));
    const refused = await get('/tallies?limit=100', withTokens(...tokens));
    expect(await json(refused.clone())).toMatchObject({ status: 400, code: 'invalid-causal-token' });
    const rest = await get('/tallies?limit=100', withTokens(tokenOf(refused), ...tokens.slice(8)));
    const { streams } = await decoded(rest);
    expect(streams.size).toBe(9);
  });

  it('is refused if two tokens have seen different events at one version, as after a restore', async () => {
    const { path, stream } = await openTally();
    const tokens = await Promise.all(
      [7, 8].map((fingerprint) =>
        codec.encode({
          streams: new Map([[stream, { version: 1, fingerprint }]]),
          bookmarks: new Map(),
        }),
      ),
    );
    const answer = await get(path, withTokens('forged', ...tokens));
    expect(await json(answer.clone())).toMatchObject({ status: 409, code: 'causal-token-ahead', stream, wanted: 1 });
    // The tokens as sent. A client that does not start over is refused again.
    expect(answer.headers.get('X-Causal-Token')).toBe(tokens.join(', '));
  });

  it('may have empty places between the commas', async () => {
    const { answer, stream } = await openTally();
    const list = await get('/tallies?limit=1', { 'X-Causal-Token': `, ${tokenOf(answer)},,` });
    expect([...(await decoded(list)).streams.keys()]).toContain(stream);
  });

  it('may repeat the header instead', async () => {
    const [one, other] = await Promise.all([openTally(), openTally()]);
    const headers = new Headers();
    for (const { answer } of [one, other]) headers.append('X-Causal-Token', tokenOf(answer));
    const list = await get('/tallies?limit=1', Object.fromEntries(headers));
    expect((await decoded(list)).streams.size).toBe(2);
  });
});

describe('a client that keeps only the newest of two tokens', () => {
  it('may miss the effect of the other command, so it has to send both', async () => {
    const [one, other] = await Promise.all([openTally(), openTally()]);
    await addTo(one.path);
    expect([...(await decoded(other.answer)).streams.keys()]).not.toContain(one.stream);
  });
});
