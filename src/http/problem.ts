import type { Json } from '../eventsourcing/json.ts';
import { HEADER } from './headers.ts';
import { RETRY_AFTER_S } from './limits.ts';

/** A kind of problem, as RFC 9457 describes one. */
export interface ProblemType {
  readonly status: number;
  readonly title: string;
  /** What it means and what to do about it: the paragraph behind its `type` URI. */
  readonly advice: string;
}

export type ProblemTypes = Readonly<Record<string, ProblemType>>;

/** The kinds of problem that do not depend on the domain. Modules add theirs. The code is stable: clients branch on it. */
export const PROBLEMS = {
  'malformed-body': {
    status: 400,
    title: 'Malformed body',
    advice: 'Send UTF-8 JSON that parses, nested at most 8 deep.',
  },
  'invalid-field': { status: 400, title: 'Invalid field', advice: 'Correct the fields that `errors` points to.' },
  'invalid-id': {
    status: 400,
    title: 'Invalid id',
    advice: 'The detail says what the id in the path has to be: of most resources, a lower-case UUID.',
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
  },
  'version-ahead': {
    status: 409,
    title: 'Version ahead of its stream',
    advice: 'No such version has been written yet. `currentVersion` is the latest.',
  },
  'not-found': {
    status: 404,
    title: 'Not found',
    advice: 'Check the path and the id. Without a token a 404 is no proof of absence.',
  },
  'method-not-allowed': { status: 405, title: 'Method not allowed', advice: 'Use one of the methods in `Allow`.' },
  unauthorized: { status: 401, title: 'Unauthorized', advice: 'Send `Authorization: Bearer <OPERATIONS_KEY>`.' },
  'cross-site': {
    status: 403,
    title: 'Cross-site request',
    advice:
      'A page of another site may not change anything here. Send the request from a page of this site, or from a program. Or have the operator name the origin in `CORS_ORIGINS`, and a further name of a local server in `LOCAL_HOSTS`.',
  },
  'wrong-state': {
    status: 409,
    title: 'Wrong state',
    advice: 'Read the resource to see what state it is in: `detail` says what it would have to be.',
  },
  'version-mismatch': {
    status: 412,
    title: 'Version mismatch',
    advice: 'Somebody changed it first. Read it again, decide again, and send the command with the current version.',
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
  },
  'projection-building': {
    status: 503,
    title: 'Projection being built',
    advice: 'The read model is being built and does not answer before it is complete. Try again later.',
  },
  'projection-dead-letter': {
    status: 503,
    title: 'Projection stopped at an event',
    advice:
      'The read model cannot take an event of this stream, or its log was restored to an earlier time: a dead letter says which. With `X-Version`, the write side answers. An operator finds it at `GET /projections/{name}/dead-letters`, and replays it once the cause is repaired, or skips it.',
  },
  'rebuild-running': {
    status: 409,
    title: 'Rebuild running',
    advice: 'A projection has one build at a time. Wait for the one at `Location`, or cancel it with `DELETE` there.',
  },
  'outcome-unknown': {
    status: 503,
    title: 'Outcome unknown',
    advice:
      'The command may or may not have been applied. Send it again with the same Idempotency-Key and body to find out. An operation on a projection has no such key: look first how the projection is, and have a rollback name its `slot`.',
  },
  overloaded: { status: 503, title: 'Overloaded', advice: 'Nothing was done. Try again after `Retry-After` seconds.' },
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
