import * as z from 'zod/mini';

import type { Json, JsonObject } from '../domain/json.ts';
import { HEADER } from './headers.ts';
import { RETRY_AFTER_S } from './limits.ts';
import { Version, described } from './schemas.ts';

/** A problem type (RFC 9457). */
export interface ProblemType {
  readonly status: number;
  readonly title: string;
  /** What the problem means and what the client does about it: the text behind its `type` URI. */
  readonly advice: string;
  /** The members that its documents have beside the standard ones (`details` of the `Problem`): their shape, and an example. */
  readonly members?: { readonly shape: Readonly<Record<string, z.ZodMiniType>>; readonly example: JsonObject };
}

const Stream = described(z.string(), 'The stream’s id: `<category>-<id>`.');
const ProjectionName = described(z.string(), 'The name of the projection.');
const Has = described(z.int().check(z.minimum(0)), 'The version that the read model has; 0: none.');
const STREAM = 'example-0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a';

/** The members of a problem that names the latest version. */
const CURRENT_VERSION = {
  shape: { currentVersion: described(Version, 'The latest version.') },
  example: { currentVersion: 3 },
};

/** The members of a problem about a read model that lacks what the token has seen. */
const READ_MODEL_BEHIND = {
  shape: {
    projection: ProjectionName,
    stream: Stream,
    wanted: described(z.int().check(z.minimum(0)), 'The version that the read needs; 0: any.'),
    has: Has,
  },
  example: { projection: 'some-projection', stream: STREAM, wanted: 3, has: 2 },
};

export type ProblemTypes = Readonly<Record<string, ProblemType>>;

/** The problem types that do not depend on the domain. Modules add their own. A code never changes: clients branch on it. */
export const PROBLEMS = {
  'malformed-body': {
    status: 400,
    title: 'Malformed body',
    advice: 'Send valid JSON in UTF-8, nested at most 8 levels deep.',
  },
  'invalid-field': {
    status: 400,
    title: 'Invalid field',
    advice: 'Correct the fields that `errors` points to.',
    members: {
      shape: {
        errors: described(
          z.array(
            z.strictObject({
              pointer: described(z.string(), 'A JSON pointer (RFC 6901) to the field.'),
              detail: z.string(),
            }),
          ),
          'One entry for each invalid field.',
        ),
      },
      example: { errors: [{ pointer: '/name', detail: 'Must not be empty.' }] },
    },
  },
  'invalid-id': {
    status: 400,
    title: 'Invalid id',
    advice: 'Correct the id in the path. `detail` names its format: for most resources, a lower-case UUID.',
    members: {
      shape: { parameters: described(z.array(z.string()), 'Names of the invalid path parameters.') },
      example: { parameters: ['id'] },
    },
  },
  'invalid-header': {
    status: 400,
    title: 'Invalid header',
    advice: 'Correct the header that `detail` names, or leave it out.',
  },
  'invalid-cursor': {
    status: 400,
    title: 'Invalid cursor',
    advice: 'Send `nextCursor` of the previous page unchanged, or start over without a cursor.',
  },
  'cursor-lost': {
    status: 410,
    title: 'Cursor lost',
    advice:
      'The archive was restored to an earlier time. Events that you have may come again, and other events may come before them. Read the feed again from the beginning, or from an earlier cursor that is still accepted. Drop each event whose `id` you already have: then you miss none and count none twice.',
  },
  'invalid-causal-token': {
    status: 400,
    title: 'Invalid causal token',
    advice:
      'Send the tokens of earlier answers unchanged, up to eight of them, or none. The token of this answer covers the valid ones: continue with it.',
  },
  'causal-token-ahead': {
    status: 409,
    title: 'Causal token ahead of its stream',
    advice:
      'The token has seen more events than the stream holds, or another event at that version. This happens when a log or a database was restored to an earlier time. Start over without a token.',
    members: {
      shape: {
        stream: described(z.optional(Stream), 'The stream, if it is known.'),
        wanted: described(z.optional(Version), 'The version that the token has seen.'),
        head: described(z.optional(z.int().check(z.minimum(0))), 'The latest version in the stream’s log.'),
      },
      example: { stream: STREAM, wanted: 3, head: 2 },
    },
  },
  'version-ahead': {
    status: 409,
    title: 'Version ahead of its stream',
    advice:
      'The stream does not have this version yet. Ask for `currentVersion`, its latest version, or for an earlier one. Or retry later.',
    members: CURRENT_VERSION,
  },
  'not-found': {
    status: 404,
    title: 'Not found',
    advice: 'Check the path and the id. Without a causal token, a 404 does not prove that the resource does not exist.',
    members: {
      shape: { names: described(z.optional(z.array(z.string())), 'For a projection: the names that exist.') },
      example: {},
    },
  },
  'method-not-allowed': { status: 405, title: 'Method not allowed', advice: 'Use one of the methods in `Allow`.' },
  unauthorized: {
    status: 401,
    title: 'Unauthorized',
    advice:
      'Send `Authorization: Bearer <credential>` with an API key, a JSON Web Token or the operations key. Or replace the credential: it may be wrong, expired or revoked.',
  },
  forbidden: {
    status: 403,
    title: 'Forbidden',
    advice:
      'The credential is valid, but it does not allow this request. Use a credential with the scope that `scope` names. One that is limited to a customer allows only what belongs to that customer.',
    members: {
      shape: { scope: described(z.optional(z.string()), 'The scope that is missing, if one is.') },
      example: { scope: 'events:read' },
    },
  },
  'rate-limited': {
    status: 429,
    title: 'Too many requests',
    advice:
      'Nothing was done. Retry after `Retry-After` seconds, and send fewer requests: `RateLimit-Policy` names the limit.',
  },
  'not-configured': {
    status: 503,
    title: 'Not configured',
    advice: 'The deployment lacks a setting, so it serves nothing. `GET /health` names what an operator has to set.',
  },
  'cross-site': {
    status: 403,
    title: 'Cross-site request',
    advice:
      'A page of another origin cannot change anything here. Another subdomain or port is another origin. Send the request from a page of this origin, or from a program that is not a browser. Or ask the operator to add the origin to `CORS_ORIGINS`.',
  },
  'wrong-state': {
    status: 409,
    title: 'Wrong state',
    advice:
      'The state of the resource does not allow this request: `detail` says why. Read the resource to find its state.',
    members: {
      shape: {
        currentStatus: described(z.optional(z.string()), 'For a command: the current status of the resource.'),
        state: described(z.optional(z.string()), 'For a build: its current state.'),
        revision: described(z.optional(z.int()), 'For a rollback: the revision that this Worker has no code for.'),
        kind: described(z.optional(z.string()), 'For dead letters: the kind that cannot be skipped.'),
      },
      example: {},
    },
  },
  'version-mismatch': {
    status: 412,
    title: 'Version mismatch',
    advice:
      'The resource has another version than the command expects. Read it again, decide again, and send the command with the current version.',
    members: {
      shape: { currentVersion: described(z.int().check(z.minimum(0)), 'The latest version; 0: there is none.') },
      example: { currentVersion: 3 },
    },
  },
  'too-large': { status: 413, title: 'Body too large', advice: 'Send a body of at most 64 KiB.' },
  'not-json': {
    status: 415,
    title: 'Not JSON',
    advice: 'Send JSON in UTF-8, uncompressed, with `Content-Type: application/json`.',
  },
  'key-reused': {
    status: 422,
    title: 'Idempotency key reused',
    advice: 'This key was used with another body. Use a new key for a new command, and the same body for a retry.',
  },
  'projection-behind': {
    status: 503,
    title: 'Projection behind',
    advice: 'The read model did not catch up in time with what the token has seen. Retry after `Retry-After` seconds.',
    members: READ_MODEL_BEHIND,
  },
  'projection-building': {
    status: 503,
    title: 'Projection being built',
    advice: 'The read model is being built. It answers once the build is complete. Retry later.',
    members: {
      shape: {
        projection: ProjectionName,
        replayed: described(z.optional(z.int()), 'Events replayed so far.'),
        total: described(z.optional(z.int()), 'Events to replay in total.'),
      },
      example: { projection: 'some-projection', replayed: 4_000, total: 10_000 },
    },
  },
  'projection-dead-letter': {
    status: 503,
    title: 'Projection stopped at an event',
    advice:
      'The read model cannot apply an event of this stream, or the stream’s log was restored to an earlier time: a dead letter says which. With `X-Version`, the write side answers. An operator finds the dead letter at `GET /projections/{name}/dead-letters`, and replays it after repairing the cause, or skips it.',
    members: READ_MODEL_BEHIND,
  },
  'rebuild-running': {
    status: 409,
    title: 'Rebuild running',
    advice: 'A projection has one build at a time. Wait for the build at `Location`, or cancel it with `DELETE` there.',
    members: {
      shape: { build: described(z.string(), 'The id of the build.') },
      example: { build: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a' },
    },
  },
  'outcome-unknown': {
    status: 503,
    title: 'Outcome unknown',
    advice:
      'The command may or may not have been applied. Send it again with the same Idempotency-Key and body to find out. An operation on a projection has no such key: read the status of the projection before you repeat it, and name the `slot` in a rollback.',
  },
  overloaded: {
    status: 503,
    title: 'Overloaded',
    advice: 'Nothing was done. Retry after `Retry-After` seconds.',
    members: {
      shape: { stream: described(z.optional(Stream), 'The overloaded stream, if it is one stream.') },
      example: {},
    },
  },
  'code-too-old': {
    status: 503,
    title: 'Code too old',
    advice:
      'Nothing was done. The server runs code that does not know the request, or data that newer code recorded. This happens during a deployment or after a rollback. Retry after `Retry-After` seconds, with the same Idempotency-Key.',
  },
  'storage-unavailable': {
    status: 503,
    title: 'Storage unavailable',
    advice:
      'Nothing was done, and nothing is lost. The storage is full, or the account has reached its spending limit. Retry after `Retry-After` seconds, with the same Idempotency-Key. The storage works again once an operator frees space or raises the limit.',
  },
  internal: {
    status: 500,
    title: 'Internal error',
    advice: 'The server failed. Quote the correlation id when you report the fault.',
    members: {
      shape: { correlationId: z.string() },
      example: { correlationId: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5c' },
    },
  },
} as const satisfies ProblemTypes;

/** All problem types of a system. Throws when a code is defined twice: clients branch on it. */
export function mergeProblems(...sources: readonly ProblemTypes[]): ProblemTypes {
  const merged: Record<string, ProblemType> = {};
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
export function problemResponse(types: ProblemTypes, problem: Problem, instance: string): Response {
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
