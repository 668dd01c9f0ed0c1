import * as z from 'zod/mini';

import { PROBLEMS, type ProblemType, type ProblemTypes } from '../http/problem.ts';
import { Version, described } from '../http/schemas.ts';

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

/** What the framework's problems mean, by their codes. */
const PROBLEM_DOCS: Readonly<Record<keyof typeof PROBLEMS, Omit<ProblemType, 'status' | 'title'>>> = {
  'malformed-body': {
    advice: 'Send valid JSON in UTF-8, nested at most 8 levels deep.',
  },
  'invalid-field': {
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
    advice: 'Correct the id in the path. `detail` names its format: for most resources, a lower-case UUID.',
    members: {
      shape: { parameters: described(z.array(z.string()), 'Names of the invalid path parameters.') },
      example: { parameters: ['id'] },
    },
  },
  'invalid-header': {
    advice: 'Correct the header that `detail` names, or leave it out.',
  },
  'invalid-cursor': {
    advice: 'Send `nextCursor` of the previous page unchanged, or start over without a cursor.',
  },
  'cursor-lost': {
    advice:
      'The archive was restored to an earlier time. Events that you have may come again, and other events may come before them. Read the feed again from the beginning, or from an earlier cursor that is still accepted. Drop each event whose `id` you already have: then you miss none and count none twice.',
  },
  'invalid-causal-token': {
    advice:
      'Send the tokens of earlier answers unchanged, up to eight of them, or none. The token of this answer covers the valid ones: continue with it.',
  },
  'causal-token-ahead': {
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
    advice:
      'The stream does not have this version yet. Ask for `currentVersion`, its latest version, or for an earlier one. Or retry later.',
    members: CURRENT_VERSION,
  },
  'not-found': {
    advice: 'Check the path and the id. Without a causal token, a 404 does not prove that the resource does not exist.',
    members: {
      shape: { names: described(z.optional(z.array(z.string())), 'For a projection: the names that exist.') },
      example: {},
    },
  },
  'method-not-allowed': { advice: 'Use one of the methods in `Allow`.' },
  unauthorized: {
    advice:
      'Send `Authorization: Bearer <credential>` with an API key, a JSON Web Token or the operations key. Or replace the credential: it may be wrong, expired or revoked.',
  },
  forbidden: {
    advice:
      'The credential is valid, but it does not allow this request. Use a credential with the scope that `scope` names. One that is limited to a customer allows only what belongs to that customer.',
    members: {
      shape: { scope: described(z.optional(z.string()), 'The scope that is missing, if one is.') },
      example: { scope: 'events:read' },
    },
  },
  'rate-limited': {
    advice:
      'Nothing was done. Retry after `Retry-After` seconds, and send fewer requests: `RateLimit-Policy` names the limit.',
  },
  'not-configured': {
    advice: 'The deployment lacks a setting, so it serves nothing. `GET /health` names what an operator has to set.',
  },
  'cross-site': {
    advice:
      'A page of another origin cannot change anything here. Another subdomain or port is another origin. Send the request from a page of this origin, or from a program that is not a browser. Or ask the operator to add the origin to `CORS_ORIGINS`.',
  },
  'wrong-state': {
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
    advice:
      'The resource has another version than the command expects. Read it again, decide again, and send the command with the current version.',
    members: {
      shape: { currentVersion: described(z.int().check(z.minimum(0)), 'The latest version; 0: there is none.') },
      example: { currentVersion: 3 },
    },
  },
  'too-large': { advice: 'Send a body of at most 64 KiB.' },
  'not-json': {
    advice: 'Send JSON in UTF-8, uncompressed, with `Content-Type: application/json`.',
  },
  'key-reused': {
    advice: 'This key was used with another body. Use a new key for a new command, and the same body for a retry.',
  },
  'projection-behind': {
    advice: 'The read model did not catch up in time with what the token has seen. Retry after `Retry-After` seconds.',
    members: READ_MODEL_BEHIND,
  },
  'projection-building': {
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
    advice:
      'The read model cannot apply an event of this stream, or the stream’s log was restored to an earlier time: a dead letter says which. With `X-Version`, the write side answers. An operator finds the dead letter at `GET /projections/{name}/dead-letters`, and replays it after repairing the cause, or skips it.',
    members: READ_MODEL_BEHIND,
  },
  'rebuild-running': {
    advice: 'A projection has one build at a time. Wait for the build at `Location`, or cancel it with `DELETE` there.',
    members: {
      shape: { build: described(z.string(), 'The id of the build.') },
      example: { build: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a' },
    },
  },
  'outcome-unknown': {
    advice:
      'The command may or may not have been applied. Send it again with the same Idempotency-Key and body to find out. An operation on a projection has no such key: read the status of the projection before you repeat it, and name the `slot` in a rollback.',
  },
  overloaded: {
    advice: 'Nothing was done. Retry after `Retry-After` seconds.',
    members: {
      shape: { stream: described(z.optional(Stream), 'The overloaded stream, if it is one stream.') },
      example: {},
    },
  },
  'code-too-old': {
    advice:
      'Nothing was done. The server runs code that does not know the request, or data that newer code recorded. This happens during a deployment or after a rollback. Retry after `Retry-After` seconds, with the same Idempotency-Key.',
  },
  'storage-unavailable': {
    advice:
      'Nothing was done, and nothing is lost. The storage is full, or the account has reached its spending limit. Retry after `Retry-After` seconds, with the same Idempotency-Key. The storage works again once an operator frees space or raises the limit.',
  },
  internal: {
    advice: 'The server failed. Quote the correlation id when you report the fault.',
    members: {
      shape: { correlationId: z.string() },
      example: { correlationId: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5c' },
    },
  },
};

/** The framework's problem types. */
export const problemTypes: ProblemTypes = Object.fromEntries(
  Object.entries(PROBLEMS).map(([code, head]) => [code, { ...head, ...PROBLEM_DOCS[code as keyof typeof PROBLEMS] }]),
);
