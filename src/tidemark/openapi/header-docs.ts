import { HEADER } from '../http/headers.ts';
import { MAX_TOKENS, MAX_TOKEN_LENGTH } from '../http/limits.ts';

/** The description of a header in the OpenAPI document. */
export interface HeaderDoc {
  readonly description: string;
  readonly schema: object;
  readonly example: string | number;
  /** Every answer that declares the header has it. */
  readonly isAlwaysThere?: boolean;
}

const ETAG = '"[1-9][0-9]*"';

/** Every header of the contract. */
export const HEADER_DOCS: Readonly<Record<string, HeaderDoc>> = {
  [HEADER.causalToken]: {
    description: `What the client has written and seen: opaque and encrypted. Send the latest token with every request: no read then shows an older state. After parallel requests, send the tokens of all their answers, separated by commas, up to ${MAX_TOKENS}. The next answer has one token for all of them. 409 \`causal-token-ahead\` means that a restore lost something that the token has seen: start over without it.`,
    schema: { type: 'string', maxLength: MAX_TOKENS * (MAX_TOKEN_LENGTH + ', '.length) },
    example:
      'AmCm36CJa64Bu_-dDh3RNpNhJF13-XkpjAJJjjH1yPbom3s5DapCZTS0MzXbjL2xatqNGxQs4FWOPyIipyMNiqDoIuf1IcFgmXk8StpbWANSLp-mIA',
    isAlwaysThere: true,
  },
  [HEADER.causalScope]: {
    description:
      '`partial`: within the last 24 hours the token exceeded its size, so it dropped the streams that the client touched longest ago.',
    schema: { enum: ['partial'] },
    example: 'partial',
  },
  [HEADER.causalIncomplete]: {
    description:
      'Streams of the token about which this answer is incomplete or shows lost events: the read model is stopped at one of their events, or their log was restored.',
    schema: { type: 'string' },
    example: 'example-0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a',
  },
  [HEADER.version]: {
    description:
      'The version of the resource’s stream. In a request for a query: the minimum version. In a request for a command: the expected version, as with If-Match.',
    schema: { type: 'integer', minimum: 1 },
    example: 2,
    isAlwaysThere: true,
  },
  [HEADER.readFrom]: {
    description:
      'The source of the answer: the read model, or the write side when the read model was older than the requested version.',
    schema: { enum: ['read-model', 'write-store'] },
    example: 'read-model',
    isAlwaysThere: true,
  },
  [HEADER.correlationId]: {
    description:
      'The same for everything that follows from a request. Taken from the request or from its `traceparent`; otherwise the server makes one.',
    schema: { type: 'string', pattern: '^[A-Za-z0-9._-]{1,128}$' },
    example: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5c',
    isAlwaysThere: true,
  },
  [HEADER.traceparent]: {
    description: 'W3C trace context. The answer repeats the header of the request.',
    schema: { type: 'string' },
    example: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  },
  [HEADER.idempotencyKey]: {
    description:
      'Sending the same key and body again returns the first outcome. A key that created something never expires. Other keys are kept for 7 days.',
    schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,255}$' },
    example: 'attempt-7f3a',
  },
  [HEADER.idempotencyReplayed]: {
    description: 'The command was applied before. This answer repeats that outcome.',
    schema: { enum: ['true'] },
    example: 'true',
  },
  [HEADER.prefer]: {
    description:
      '`wait=<1..10>`: answer once the projections have applied the command’s events, within so many seconds. `return=representation`: answer with the resource. `respond-async`: answer 202 instead of the write side’s state.',
    schema: { type: 'string' },
    example: 'wait=5',
  },
  [HEADER.preferenceApplied]: {
    description: 'The preferences that the server honoured.',
    schema: { type: 'string' },
    example: 'wait=5',
  },
  [HEADER.etag]: {
    description: 'The version as a strong tag; for this document, a digest of it.',
    schema: { type: 'string', pattern: `^(${ETAG}|"[0-9a-f]{64}")$` },
    example: '"2"',
    isAlwaysThere: true,
  },
  [HEADER.ifMatch]: {
    description:
      'The expected version, as ETag gave it, or `*`. A weak tag, which compression makes, counts as the version that it names. Send the token of the same answer with it: after a restore, the same version may be another change.',
    schema: { type: 'string', pattern: `^(\\*|(W/)?${ETAG})$` },
    example: '"2"',
  },
  [HEADER.ifNoneMatch]: {
    description: 'Answer 304 if the version is still this one.',
    schema: { type: 'string' },
    example: '"2"',
  },
  [HEADER.retryAfter]: {
    description: 'Seconds to wait before the retry.',
    schema: { type: 'integer', minimum: 1 },
    example: 1,
    isAlwaysThere: true,
  },
  [HEADER.location]: {
    description: 'The path of the new resource, or of the one that prevents the request.',
    schema: { type: 'string', format: 'uri-reference' },
    example: '/examples/0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a',
    isAlwaysThere: true,
  },
  [HEADER.link]: {
    description: 'The next page, with `rel="next"`. The last page has none.',
    schema: { type: 'string' },
    example: '</examples?cursor=WyJhIl0>; rel="next"',
  },
  [HEADER.cacheControl]: {
    description: 'Caches store no answer: each is for one client at one moment.',
    schema: { const: 'private, no-store' },
    example: 'private, no-store',
    isAlwaysThere: true,
  },
  [HEADER.wwwAuthenticate]: {
    description: 'How to authenticate.',
    schema: { const: 'Bearer' },
    example: 'Bearer',
    isAlwaysThere: true,
  },
  [HEADER.rateLimitPolicy]: {
    description:
      'The limit that the request met (draft-ietf-httpapi-ratelimit-headers): its name, `q` requests in `w` seconds. How many remain is not known.',
    schema: { type: 'string', pattern: '^"[a-z]+";q=[0-9]+;w=[0-9]+$' },
    example: '"caller";q=1000;w=10',
    isAlwaysThere: true,
  },
};
