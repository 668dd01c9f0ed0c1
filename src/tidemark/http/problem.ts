import type * as z from 'zod/mini';

import type { Json, JsonObject } from '../domain/json.ts';
import { HEADER } from './headers.ts';
import { RETRY_AFTER_S } from './limits.ts';

/** What an answer says of the type of its problem (RFC 9457). */
export interface ProblemHead {
  readonly status: number;
  readonly title: string;
}

/** A problem type (RFC 9457). */
export interface ProblemType extends ProblemHead {
  /** What the problem means and what the client does about it: the text behind its `type` URI. */
  readonly advice: string;
  /** The members that its documents have beside the standard ones (`details` of the `Problem`): their shape, and an example. */
  readonly members?: { readonly shape: Readonly<Record<string, z.ZodMiniType>>; readonly example: JsonObject };
}

export type ProblemHeads = Readonly<Record<string, ProblemHead>>;
export type ProblemTypes = Readonly<Record<string, ProblemType>>;

/**
 * The problem types that do not depend on the domain. Modules add their own. A code never changes: clients branch on it. What each means is in
 * src/tidemark/openapi/problem-docs.ts.
 */
export const PROBLEMS = {
  'malformed-body': { status: 400, title: 'Malformed body' },
  'invalid-field': { status: 400, title: 'Invalid field' },
  'invalid-id': { status: 400, title: 'Invalid id' },
  'invalid-header': { status: 400, title: 'Invalid header' },
  'invalid-cursor': { status: 400, title: 'Invalid cursor' },
  'cursor-lost': { status: 410, title: 'Cursor lost' },
  'invalid-causal-token': { status: 400, title: 'Invalid causal token' },
  'causal-token-ahead': { status: 409, title: 'Causal token ahead of its stream' },
  'version-ahead': { status: 409, title: 'Version ahead of its stream' },
  'not-found': { status: 404, title: 'Not found' },
  'method-not-allowed': { status: 405, title: 'Method not allowed' },
  unauthorized: { status: 401, title: 'Unauthorized' },
  forbidden: { status: 403, title: 'Forbidden' },
  'rate-limited': { status: 429, title: 'Too many requests' },
  'not-configured': { status: 503, title: 'Not configured' },
  'cross-site': { status: 403, title: 'Cross-site request' },
  'wrong-state': { status: 409, title: 'Wrong state' },
  'version-mismatch': { status: 412, title: 'Version mismatch' },
  'too-large': { status: 413, title: 'Body too large' },
  'not-json': { status: 415, title: 'Not JSON' },
  'key-reused': { status: 422, title: 'Idempotency key reused' },
  'projection-behind': { status: 503, title: 'Projection behind' },
  'projection-building': { status: 503, title: 'Projection being built' },
  'projection-dead-letter': { status: 503, title: 'Projection stopped at an event' },
  'rebuild-running': { status: 409, title: 'Rebuild running' },
  'outcome-unknown': { status: 503, title: 'Outcome unknown' },
  overloaded: { status: 503, title: 'Overloaded' },
  'code-too-old': { status: 503, title: 'Code too old' },
  'storage-unavailable': { status: 503, title: 'Storage unavailable' },
  internal: { status: 500, title: 'Internal error' },
} as const satisfies ProblemHeads;

/** All problem types of a system. Throws when a code is defined twice: clients branch on it. */
export function mergeProblems<Type extends ProblemHead>(
  ...sources: readonly Readonly<Record<string, Type>>[]
): Readonly<Record<string, Type>> {
  const merged: Record<string, Type> = {};
  for (const [code, type] of sources.flatMap((source) => Object.entries(source))) {
    if (Object.hasOwn(merged, code)) throw new Error(`the problem "${code}" is defined twice`);
    merged[code] = type;
  }
  return merged;
}

/**
 * An expected error that becomes an `application/problem+json` answer (RFC 9457). Throw it from a route's handler. The status, the title and the
 * advice come from the problem type with this `code`. A code that no module declares is answered with status 500.
 *
 *     throw new Problem('not-found', 'There is no such seat.');
 *     throw new Problem('wrong-state', 'The seat is reserved.', { currentStatus: 'reserved' });
 */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: string;
  readonly details: Readonly<Record<string, Json | undefined>>;
  readonly headers: Readonly<Record<string, string>>;

  /** `detail` is a sentence for a person. `details` become members of the document, and `headers` become headers of the answer. */
  constructor(
    code: string,
    detail: string,
    details: Readonly<Record<string, Json | undefined>> = {},
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
    this.code = code;
    this.details = details;
    this.headers = headers;
  }
}

/** A problem as `application/problem+json`. */
export function problemResponse(types: ProblemHeads, problem: Problem, instance: string): Response {
  const type = types[problem.code] ?? PROBLEMS.internal;
  const body = {
    type: `/problems/${problem.code}`,
    title: type.title,
    status: type.status,
    code: problem.code,
    detail: problem.message,
    instance,
  };
  // The second `body` wins: a detail with the name of a standard member must not replace it.
  return new Response(JSON.stringify({ ...body, ...problem.details, ...body }), {
    status: type.status,
    headers: {
      // Every 503 of this API is temporary.
      ...(type.status === 503 && { [HEADER.retryAfter]: String(RETRY_AFTER_S) }),
      ...problem.headers,
      [HEADER.contentType]: 'application/problem+json',
    },
  });
}
