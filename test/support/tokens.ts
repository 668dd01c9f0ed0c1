import { env } from 'cloudflare:workers';
import { expect } from 'vitest';

import { MIN_SECRET_BYTES, type TokenCodecOptions, tokenCodec } from '../../src/tidemark/queries/token-codec.ts';
import type { CausalToken } from '../../src/tidemark/queries/causal-token.ts';
import type { Seen } from '../../src/tidemark/domain/seen.ts';
import type { StreamId } from '../../src/tidemark/domain/stream.ts';

/** A secret that is long enough, made of a name. */
export function secretOf(name: string): string {
  return name.padEnd(MIN_SECRET_BYTES, '.');
}

/** Makes and reads tokens as the Worker under test does. */
export function workersCodec(options: TokenCodecOptions = {}) {
  return tokenCodec([env.CAUSAL_TOKEN_KEY ?? ''], options);
}

/** Versions in the form of a token, of unknown events. */
export function seenVersions(versions: Readonly<Record<string, number>>): ReadonlyMap<StreamId, Seen> {
  return new Map(Object.entries(versions).map(([stream, version]) => [stream as StreamId, { version }]));
}

/** The token of an answer, as text. */
export function tokenOf(answer: Response): string {
  return answer.headers.get('X-Causal-Token') ?? '';
}

/** Makes one header of several tokens. */
export function withTokens(...tokens: readonly string[]) {
  return { 'X-Causal-Token': tokens.join(', ') };
}

/** The token of an answer. The test fails if the answer has no valid one. */
export async function decoded(answer: Response): Promise<CausalToken> {
  return (await workersCodec().decode(tokenOf(answer))) ?? expect.unreachable('the answer has no valid token');
}
