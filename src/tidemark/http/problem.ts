import * as z from 'zod/mini';

import type { Json, JsonObject } from '../domain/json.ts';
import { HEADER } from './headers.ts';
import { RETRY_AFTER_S } from './limits.ts';
import { Version, described } from './schemas.ts';

/** A kind of problem, as RFC 9457 describes one. */
export interface ProblemType {
  readonly status: number;
  readonly title: string;
  /** What it means and what to do about it: the paragraph behind its `type` URI. */
  readonly advice: string;
  /** What its documents have beside the standard members, `details` of the `Problem`: the shape, and an example. */
  readonly members?: { readonly shape: Readonly<Record<string, z.ZodMiniType>>; readonly example: JsonObject };
}

const Stream = described(z.string(), 'The stream’s id: `<category>-<id>`.');
const ProjectionName = described(z.string(), 'The name of the projection.');
const Has = described(z.int().check(z.minimum(0)), 'The version that it has; 0: none.');
const STREAM = 'seat-0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a';

/** Of a problem that tells the version that there is. */
const CURRENT_VERSION = {
  shape: { currentVersion: described(Version, 'The latest version.') },
  example: { currentVersion: 3 },
};

/** Of a read model that does not have what was seen. */
const READ_MODEL_BEHIND = {
  shape: {
    projection: ProjectionName,
    stream: Stream,
    wanted: described(z.int().check(z.minimum(0)), 'The version wanted; 0: any.'),
    has: Has,
  },
  example: { projection: 'seat-map', stream: STREAM, wanted: 3, has: 2 },
};

export type ProblemTypes = Readonly<Record<string, ProblemType>>;

/** The kinds of problem that do not depend on the domain. Modules add theirs. The code is stable: clients branch on it. */
export const PROBLEMS = {
  'malformed-body': {
    status: 400,
    title: 'Malformed body',
    advice: 'Send UTF-8 JSON that parses, nested at most 8 deep.',
  },
  'invalid-field': {
    status: 400,
    title: 'Invalid field',
    advice: 'Correct the fields that `errors` points to.',
    members: {
      shape: {
        errors: described(
          z.array(z.strictObject({ pointer: described(z.string(), 'A JSON pointer (RFC 6901).'), detail: z.string() })),
          'What is wrong where.',
        ),
      },
      example: { errors: [{ pointer: '/guest', detail: 'Must not be empty.' }] },
    },
  },
  'invalid-id': {
    status: 400,
    title: 'Invalid id',
    advice: 'The detail says what the id in the path has to be: of most resources, a lower-case UUID.',
    members: {
      shape: { parameters: described(z.array(z.string()), 'Names of the parameters in the path that are at fault.') },
      example: { parameters: ['seatId'] },
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
    advice: 'Use `nextCursor` of the page before as it is, or start over without one.',
  },
  'cursor-lost': {
    status: 410,
    title: 'Cursor lost',
    advice:
      'The archive was restored to an earlier time, so events that you have may come again, and others may come before them. Read the feed again from the beginning, or from an earlier cursor that you kept and that is still accepted. Drop each event whose `id` you have already: then you miss none and count none twice.',
  },
  'invalid-causal-token': {
    status: 400,
    title: 'Invalid causal token',
    advice:
      'Send the tokens of earlier answers as they are, up to eight, or none. The token of this answer covers those that were valid: go on with it.',
  },
  'causal-token-ahead': {
    status: 409,
    title: 'Causal token ahead of its stream',
    advice:
      'The token has seen more than the stream holds, or another event at that version, as after a restore to an earlier time. Start over without a token.',
    members: {
      shape: {
        stream: described(z.optional(Stream), 'The stream, where it is known.'),
        wanted: described(z.optional(Version), 'The version that the token has seen.'),
        head: described(z.optional(z.int().check(z.minimum(0))), 'The version of the stream’s log.'),
      },
      example: { stream: STREAM, wanted: 3, head: 2 },
    },
  },
  'version-ahead': {
    status: 409,
    title: 'Version ahead of its stream',
    advice: 'No such version has been written yet. `currentVersion` is the latest.',
    members: CURRENT_VERSION,
  },
  'not-found': {
    status: 404,
    title: 'Not found',
    advice: 'Check the path and the id. Without a token a 404 is no proof of absence.',
    members: {
      shape: { names: described(z.optional(z.array(z.string())), 'Of a projection: the names that there are.') },
      example: {},
    },
  },
  'method-not-allowed': { status: 405, title: 'Method not allowed', advice: 'Use one of the methods in `Allow`.' },
  unauthorized: { status: 401, title: 'Unauthorized', advice: 'Send `Authorization: Bearer <OPERATIONS_KEY>`.' },
  'cross-site': {
    status: 403,
    title: 'Cross-site request',
    advice:
      'A page of another origin may not change anything here, also one of another subdomain or port. Send the request from a page of this origin, or from a program. Or have the operator name the origin in `CORS_ORIGINS`, and a further name of a local server in `LOCAL_HOSTS`.',
  },
  'wrong-state': {
    status: 409,
    title: 'Wrong state',
    advice: 'Read the resource to see what state it is in: `detail` says what it would have to be.',
    members: {
      shape: {
        currentStatus: described(z.optional(z.string()), 'Of a command: the state that the resource is in.'),
        state: described(z.optional(z.string()), 'Of a build: the state that it is in.'),
        revision: described(z.optional(z.int()), 'Of a rollback: the revision that this Worker has no code for.'),
        kind: described(z.optional(z.string()), 'Of dead letters: the kind that cannot be skipped.'),
      },
      example: {},
    },
  },
  'version-mismatch': {
    status: 412,
    title: 'Version mismatch',
    advice: 'Somebody changed it first. Read it again, decide again, and send the command with the current version.',
    members: CURRENT_VERSION,
  },
  'too-large': { status: 413, title: 'Body too large', advice: 'A body may have 64 KiB.' },
  'not-json': {
    status: 415,
    title: 'Not JSON',
    advice: 'Send JSON in UTF-8, uncompressed, with `Content-Type: application/json`.',
  },
  'key-reused': {
    status: 422,
    title: 'Idempotency key reused',
    advice: 'This key was used for another body. Use a new key for a new command, and the same body for a retry.',
  },
  'projection-behind': {
    status: 503,
    title: 'Projection behind',
    advice: 'The read model did not reach in time what the token has seen. Try again after `Retry-After` seconds.',
    members: READ_MODEL_BEHIND,
  },
  'projection-building': {
    status: 503,
    title: 'Projection being built',
    advice: 'The read model is being built and does not answer before it is complete. Try again later.',
    members: {
      shape: {
        projection: ProjectionName,
        replayed: described(z.optional(z.int()), 'Events replayed so far.'),
        total: described(z.optional(z.int()), 'Events that there are to replay.'),
      },
      example: { projection: 'seat-map', replayed: 4_000, total: 10_000 },
    },
  },
  'projection-dead-letter': {
    status: 503,
    title: 'Projection stopped at an event',
    advice:
      'The read model cannot take an event of this stream, or its log was restored to an earlier time: a dead letter says which. With `X-Version`, the write side answers. An operator finds it at `GET /projections/{name}/dead-letters`, and replays it once the cause is repaired, or skips it.',
    members: READ_MODEL_BEHIND,
  },
  'rebuild-running': {
    status: 409,
    title: 'Rebuild running',
    advice: 'A projection has one build at a time. Wait for the one at `Location`, or cancel it with `DELETE` there.',
    members: {
      shape: { build: described(z.string(), 'The id of the build.') },
      example: { build: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a' },
    },
  },
  'outcome-unknown': {
    status: 503,
    title: 'Outcome unknown',
    advice:
      'The command may or may not have been applied. Send it again with the same Idempotency-Key and body to find out. An operation on a projection has no such key: look first how the projection is, and have a rollback name its `slot`.',
  },
  overloaded: {
    status: 503,
    title: 'Overloaded',
    advice: 'Nothing was done. Try again after `Retry-After` seconds.',
    members: {
      shape: { stream: described(z.optional(Stream), 'The stream that takes no more, where it is one.') },
      example: {},
    },
  },
  'code-too-old': {
    status: 503,
    title: 'Code too old',
    advice:
      'Nothing was done. The server runs code that does not know the request, or what newer code has recorded, as during a deployment or after a rollback. Try again after `Retry-After` seconds, with the same Idempotency-Key.',
  },
  'storage-unavailable': {
    status: 503,
    title: 'Storage unavailable',
    advice:
      'Nothing was done, and nothing is lost: the storage is full, or the spending limit of the account is reached. Try again after `Retry-After` seconds, with the same Idempotency-Key. It works again once an operator has made room or lifted the limit.',
  },
  internal: {
    status: 500,
    title: 'Internal error',
    advice: 'A fault of the server. Quote the correlation id when you report it.',
    members: {
      shape: { correlationId: z.string() },
      example: { correlationId: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5c' },
    },
  },
} as const satisfies ProblemTypes;

/** All kinds of problem of a system. Throws when a code is defined twice: clients branch on it. */
export function mergeProblems(...sources: readonly ProblemTypes[]): ProblemTypes {
  const merged: Record<string, ProblemType> = {};
  for (const [code, type] of sources.flatMap((source) => Object.entries(source))) {
    if (Object.hasOwn(merged, code)) throw new Error(`the problem "${code}" is defined twice`);
    merged[code] = type;
  }
  return merged;
}

/** A problem as an exception, for the way from wherever it is found to the answer. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: string;
  readonly details: Readonly<Record<string, Json | undefined>>;
  readonly headers: Readonly<Record<string, string>>;

  /** `details` become members of the problem document. */
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
  // The standard members win: a detail that shares a name with one must not shadow it.
  return new Response(JSON.stringify({ ...body, ...problem.details, ...body }), {
    status: type.status,
    headers: {
      // Every 503 here is one that passes.
      ...(type.status === 503 && { [HEADER.retryAfter]: String(RETRY_AFTER_S) }),
      ...problem.headers,
      [HEADER.contentType]: 'application/problem+json',
    },
  });
}
