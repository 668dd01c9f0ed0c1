import type { Context } from 'hono';

import { HEADER } from './headers.ts';
import { MAX_WAIT_S } from './limits.ts';
import { Problem } from './problem.ts';

/** `X-Version`: a positive integer, or undefined without the header. */
export function wantedVersion(c: Context): number | undefined {
  const text = c.req.header(HEADER.version);
  if (text === undefined) return undefined;
  const version = Number(text);
  if (!/^[1-9][0-9]*$/.test(text) || !Number.isSafeInteger(version)) {
    throw new Problem('invalid-header', `${HEADER.version} must be a positive integer.`);
  }
  return version;
}

/**
 * The version that a command expects, from `If-Match` (one tag, or `*` for any) or `X-Version`; undefined: any. A weak tag counts as the version
 * that it names: a proxy that compresses an answer, such as Cloudflare, weakens the tag (RFC 9110 section 8.8.1), but the version is the same.
 */
export function expectedVersion(c: Context): number | undefined {
  const version = wantedVersion(c);
  const tag = c.req.header(HEADER.ifMatch)?.trim();
  if (tag === undefined || tag === '*') return version;
  const match = /^(?:W\/)?"([1-9][0-9]{0,15})"$/.exec(tag);
  if (!match) throw new Problem('invalid-header', `${HEADER.ifMatch} must be one tag from ${HEADER.etag}, or *.`);
  const tagged = Number(match[1]);
  if (version !== undefined && version !== tagged) {
    throw new Problem(
      'invalid-header',
      `${HEADER.ifMatch} and ${HEADER.version} name different versions: send one of them.`,
    );
  }
  return tagged;
}

export function etagOf(version: number): string {
  return `"${version}"`;
}

/** Whether `If-None-Match` names this version, or is `*`. */
export function isNotModified(c: Context, version: number): boolean {
  return isKnown(c, etagOf(version));
}

/** Whether `If-None-Match` names this tag (weak comparison, RFC 9110 section 13.1.2), or is `*`. */
export function isKnown(c: Context, etag: string): boolean {
  const tags = c.req
    .header(HEADER.ifNoneMatch)
    ?.split(',')
    .map((tag) => tag.trim().replace(/^W\//, ''));
  return tags?.some((tag) => tag === '*' || tag === etag) ?? false;
}

/** `Idempotency-Key`: 1 to 255 visible ASCII characters, or undefined without the header. */
export function idempotencyKey(c: Context): string | undefined {
  const key = c.req.header(HEADER.idempotencyKey);
  if (key === undefined) return undefined;
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw new Problem('invalid-header', `${HEADER.idempotencyKey} must be 1 to 255 visible ASCII characters.`);
  }
  return key;
}

/** The preferences of `Prefer` (RFC 7240) that Tidemark knows. Unknown preferences are ignored, as the RFC demands. */
export interface Preferences {
  /** Seconds, from 1 to `MAX_WAIT_S`. */
  readonly wait?: number;
  readonly returnsRepresentation: boolean;
  readonly respondsAsync: boolean;
}

// The parts between commas outside quotes. `PREFERENCE` finds the name of a part, and the value, which is quoted or a token.
const PREFERENCES = /(?:"(?:\\.|[^"\\])*"?|[^,"])+/g;
// No two runs of spaces are adjacent in it: the expression would otherwise backtrack through a header of spaces in quadratic time.
const PREFERENCE = /^\s*([^\s=;"]+)(?:\s*=(?:\s*"((?:\\.|[^"\\])*)"|\s*([^\s;"]+))?)?\s*(?:;|$)/;

export function preferences(c: Context): Preferences {
  const asked = new Map<string, string>();
  for (const preference of (c.req.header(HEADER.prefer) ?? '').match(PREFERENCES) ?? []) {
    const [, name, quoted, token = ''] = PREFERENCE.exec(preference) ?? [];
    // "If any preference is specified more than once, only the first instance is to be considered."
    if (name === undefined || asked.has(name.toLowerCase())) continue;
    asked.set(name.toLowerCase(), quoted?.replaceAll(/\\(.)/g, '$1') ?? token);
  }
  const wait = /^[0-9]+$/.test(asked.get('wait') ?? '') ? Number(asked.get('wait')) : 0;
  return {
    ...(wait >= 1 && wait <= MAX_WAIT_S && { wait }),
    returnsRepresentation: asked.get('return') === 'representation',
    respondsAsync: asked.get('respond-async') === '',
  };
}
