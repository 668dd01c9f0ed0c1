import { createLocalJWKSet, errors } from 'jose';
import type { JSONWebKeySet, JWSHeaderParameters, FlattenedJWSInput, CryptoKey } from 'jose';

import { UnansweredError } from '../platform/faults.ts';
import { sleep, withTimeout } from '../platform/timeout.ts';
import { singleFlight } from '../queries/single-flight.ts';

/** The public keys of an issuer. */
export interface KeySet {
  /**
   * The key that a token's header names. Throws jose's `JWKSNoMatchingKey` if the issuer has none, and `UnansweredError` if the issuer does not answer.
   * `inBackground` keeps work alive after the answer.
   */
  readonly find: (
    header: JWSHeaderParameters,
    token: FlattenedJWSInput,
    inBackground: (work: Promise<unknown>) => void,
  ) => Promise<CryptoKey>;
}

export interface KeySetOptions {
  readonly fetch?: typeof fetch;
  /** In ms since the Unix epoch. */
  readonly now?: () => number;
  /** After this time, in ms, the keys are read again while the old ones are used. A key that the issuer removed is accepted until then. */
  readonly freshMs?: number;
  /** After this time, in ms, old keys are no longer used. An issuer that is down for less does not lock its users out. */
  readonly keptMs?: number;
  /** The least time between two reads, in ms, however many tokens name an unknown key. */
  readonly pauseMs?: number;
  readonly timeoutMs?: number;
}

interface Held {
  readonly keys: ReturnType<typeof createLocalJWKSet>;
  /** When the read began that brought them. */
  readonly readAt: number;
}

/**
 * Keeps the keys of an issuer for this isolate. It reads them when it has none, when they are old, and when a token names an unknown key: the issuer
 * may have a new one. All requests that need a read share one. A request whose key is still unknown waits for a read that began after it came, so a
 * rotation refuses no good token. jose's own `createRemoteJWKSet` reads once for each waiting request on Workers.
 */
export function keySet(url: string, options: KeySetOptions = {}): KeySet {
  const {
    now = Date.now,
    freshMs = 5 * 60_000,
    keptMs = 24 * 60 * 60_000,
    pauseMs = 2_000,
    timeoutMs = 5_000,
  } = options;
  const fetchKeys = options.fetch ?? ((...asked: Parameters<typeof fetch>) => fetch(...asked));
  const flights = singleFlight(timeoutMs, now);
  let held: Held | undefined;
  /** When the last read began. */
  let triedAt = Number.NEGATIVE_INFINITY;
  let failure: string | undefined;

  async function readOnce(): Promise<void> {
    await flights.run([url], async () => {
      const readAt = now();
      triedAt = readAt;
      try {
        const answer = await withTimeout(fetchKeys(url, { headers: { Accept: 'application/json' } }), timeoutMs);
        if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
        const document = await withTimeout(answer.json<JSONWebKeySet>(), timeoutMs);
        held = { keys: createLocalJWKSet(document), readAt };
        failure = undefined;
      } catch (error) {
        failure = String(error);
      }
    });
  }

  /** The keys once a read that is under way has ended. */
  async function heldAfterFlight(): Promise<Held | undefined> {
    await flights.run([url], async () => undefined);
    return held;
  }

  /** Reads the keys after a moment, unless that has happened since. */
  async function readAfter(moment: number): Promise<void> {
    for (;;) {
      const known = await heldAfterFlight();
      if (known && known.readAt >= moment) return;
      const waitMs = triedAt + pauseMs - now();
      if (waitMs > 0 && failure === undefined) {
        await sleep(waitMs);
        continue;
      }
      if (waitMs <= 0) await readOnce();
      if (failure !== undefined) throw new UnansweredError(`the keys at ${url} cannot be read: ${failure}`);
    }
  }

  return {
    async find(header, token, inBackground) {
      const cameAt = now();
      const age = cameAt - (held?.readAt ?? Number.NEGATIVE_INFINITY);
      if (age > keptMs) await readAfter(cameAt - keptMs);
      else if (age > freshMs && triedAt + pauseMs <= cameAt) inBackground(readOnce());
      const known = (await keyIn(held, header, token)) ?? (await keyIn(await heldAfterFlight(), header, token));
      if (known) return known;
      await readAfter(cameAt);
      return (held as Held).keys(header, token);
    },
  };
}

/** The key that a token's header names; undefined if there is none. */
async function keyIn(
  held: Held | undefined,
  header: JWSHeaderParameters,
  token: FlattenedJWSInput,
): Promise<CryptoKey | undefined> {
  try {
    return await held?.keys(header, token);
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey) return undefined;
    throw error;
  }
}
