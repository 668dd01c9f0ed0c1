import { tokenCodec } from '../../../src/tidemark/queries/token-codec.ts';
import { parseStreamId } from '../../../src/tidemark/domain/stream.ts';
import { secretOf, workersCodec } from '../../support/tokens.ts';

/*
 * Generated requests name what exists by its number, in brackets: `⟦order:3⟧`. So the same seed makes the same requests in every run,
 * though ids and tokens are others each time.
 */

const PLACE = /⟦([^⟦⟧]*)⟧/g;

/** A placeholder for a value of the cast until the request is sent. */
export function place(kind: string, ...details: readonly (string | number)[]): string {
  return `⟦${[kind, ...details].join(':')}⟧`;
}

/** How many of each kind are remembered, the newest: few enough that requests meet each other's traces. */
const MAX_KNOWN = 12;

/** What exists in the system, as far as answers told. */
export interface Cast {
  know(kind: string, value: string): void;
  /** A text with its placeholders filled in. `escape` fits the values to their place. */
  fill(text: string, escape?: (value: string) => string): Promise<string>;
}

export function createCast(): Cast {
  const known = new Map<string, string[]>();
  const stranger = tokenCodec([secretOf('a-key-that-is-not-accepted')]);
  const insider = workersCodec();

  function one(kind: string, index: number): string | undefined {
    const all = known.get(kind) ?? [];
    return all[index % Math.max(all.length, 1)];
  }

  async function changedToken(token: string, change: string, at: number): Promise<string> {
    switch (change) {
      case 'flip': {
        const bytes = fromBase64Url(token);
        const index = at % bytes.length;
        bytes[index] = (bytes[index] ?? 0) ^ (1 << (at % 8));
        return toBase64Url(bytes);
      }
      case 'cut':
        return token.slice(0, at % token.length);
      case 'prolonged':
        return token + 'A'.repeat(1 + (at % 3_000));
      default: {
        const seen = await insider.decode(token);
        if (!seen) throw new Error('an answer brought a token that the key does not open');
        if (change === 'other-key') return stranger.encode(seen);
        const stream = parseStreamId(change === 'ahead' ? (one('stream', at) ?? '') : `gone-${at}`);
        return insider.encode({
          ...seen,
          ...(stream && { streams: new Map([...seen.streams, [stream, { version: 1_000 + at }]]) }),
        });
      }
    }
  }

  async function valueOf(text: string): Promise<string> {
    const [kind = '', index = '0', change, at = '0'] = text.split(':');
    const value = one(kind, Number(index)) ?? '';
    return kind === 'token' && change !== undefined ? changedToken(value, change, Number(at)) : value;
  }

  return {
    know(kind, value) {
      const before = (known.get(kind) ?? []).filter((other) => other !== value);
      known.set(kind, [...before, value].slice(-MAX_KNOWN));
    },
    async fill(text, escape = (value) => value) {
      const values = new Map<string, string>();
      for (const [whole, inside = ''] of text.matchAll(PLACE)) values.set(whole, escape(await valueOf(inside)));
      return text.replaceAll(PLACE, (whole) => values.get(whole) ?? '');
    },
  };
}

export function toBase64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '');
}

function fromBase64Url(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (character) => character.charCodeAt(0));
}
