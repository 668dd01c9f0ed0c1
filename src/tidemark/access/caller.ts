import type { Principal } from '../domain/principal.ts';

/** The principal of a request, and what it may do. */
export interface Caller extends Principal {
  /** Whose idempotency keys it uses. It stays the same when the credential is replaced: an API key by its successor, a JWT by the next one. */
  readonly owner: string;
  readonly scopes: ReadonlySet<string>;
}

/** The caller of a route that is open to everybody. */
export const ANYBODY: Caller = { kind: 'anonymous', id: 'anonymous', owner: 'anonymous', scopes: new Set() };

/** An owner from the parts that make it unique. */
export function ownerOf(...parts: readonly (string | null)[]): string {
  return JSON.stringify(parts);
}
