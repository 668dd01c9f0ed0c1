import { keepNewest } from '../platform/keep-newest.ts';
import { singleFlight } from '../queries/single-flight.ts';
import type { AccessTable } from './access.ts';
import { scopesOf } from './access.ts';
import { digestOf, parseApiKey } from './api-key.ts';
import { type Caller, ownerOf } from './caller.ts';

/** The category of the streams of API keys. */
export const KEY_CATEGORY = 'key';

/** An API key as its aggregate knows it. */
export interface StoredKey {
  readonly status: 'active' | 'revoked';
  readonly name: string;
  readonly scopes: readonly string[];
  /** The customer to whom the key is limited; null: to none. */
  readonly customerId: string | null;
  /** RFC 3339; null: it never expires. */
  readonly expiresAt: string | null;
  /** SHA-256 of the key, in hexadecimal digits. */
  readonly digest: string;
}

/** Asks the aggregate of a key. Undefined: there is none. */
export type FindKey = (id: string) => Promise<StoredKey | undefined>;

/** Checks API keys. */
export interface ApiKeyCheck {
  /** The caller of a key. Undefined if it is not valid. Throws what `find` throws. `secrets` are those that keys may have been made with. */
  readonly callerOf: (text: string, secrets: readonly string[], find: FindKey) => Promise<Caller | undefined>;
}

export interface ApiKeyCheckOptions {
  /** In ms since the Unix epoch. */
  readonly now?: () => number;
  /** How long this isolate uses an answer about a key, in ms. A revoked key is accepted for no longer. */
  readonly keptMs?: number;
  /** The most answers that are kept. */
  readonly maxKept?: number;
}

/** What is known of a key. */
interface Known {
  /** Undefined: the key is refused. */
  readonly caller: Caller | undefined;
  /** In ms since the Unix epoch. */
  readonly expiresAt: number;
  readonly keptUntil: number;
}

/**
 * Asks a key's own object, so that neither a read model nor a queue decides who gets in. A key that was not made here wakes no object: its MAC is
 * wrong. One answer serves all requests of an isolate for a while.
 */
export function apiKeyCheck(table: AccessTable, options: ApiKeyCheckOptions = {}): ApiKeyCheck {
  const { now = Date.now, keptMs = 20_000, maxKept = 1_000 } = options;
  /** By the digest of the key, the oldest first. */
  const kept = new Map<string, Known>();
  const flights = singleFlight(undefined, now);

  async function ask(id: string, digest: string, find: FindKey): Promise<Known> {
    const askedAt = now();
    const key = await find(id);
    const isValid = key?.status === 'active' && key.digest === digest;
    const known = {
      caller: isValid ? callerOf(table, id, key) : undefined,
      expiresAt: isValid && key.expiresAt !== null ? Date.parse(key.expiresAt) : Number.POSITIVE_INFINITY,
      keptUntil: askedAt + keptMs,
    };
    keepNewest(kept, digest, known, maxKept);
    return known;
  }

  function freshOf(digest: string): Known | undefined {
    const known = kept.get(digest);
    return known && known.keptUntil > now() ? known : undefined;
  }

  return {
    async callerOf(text, secrets, find) {
      const digest = await digestOf(text);
      let known = freshOf(digest);
      if (!known) {
        const id = await parseApiKey(text, secrets);
        if (id === undefined) return undefined;
        // Requests that come at once share one call to the object.
        await flights.run([digest], async () => {
          known = await ask(id, digest, find);
        });
        known ??= freshOf(digest) ?? (await ask(id, digest, find));
      }
      return known.expiresAt > now() ? known.caller : undefined;
    },
  };
}

function callerOf(table: AccessTable, id: string, { name, scopes, customerId }: StoredKey): Caller {
  return {
    kind: 'key',
    id,
    owner: ownerOf('key', name, customerId),
    scopes: scopesOf(table, scopes, customerId !== null),
    ...(customerId !== null && { customerId }),
  };
}
