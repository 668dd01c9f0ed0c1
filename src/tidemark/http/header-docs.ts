import { HEADER } from './headers.ts';
import { MAX_TOKENS, MAX_TOKEN_LENGTH } from './limits.ts';

/** What the OpenAPI document says of a header. */
export interface HeaderDoc {
  readonly description: string;
  readonly schema: object;
  readonly example: string | number;
  /** An answer that declares it never lacks it. */
  readonly isAlwaysThere?: boolean;
}

const ETAG = '"[1-9][0-9]*"';

/** Every header of the contract. */
export const HEADER_DOCS: Readonly<Record<string, HeaderDoc>> = {
  [HEADER.causalToken]: {
    description: `What the client did and saw: opaque and encrypted. Send the latest one with every request, and never read an older state than that. After requests side by side send the tokens of all their answers, separated by commas, up to ${MAX_TOKENS}: the next answer has one token for all of them. 409 \`causal-token-ahead\` means that what it saw was lost by a restore: start over without it.`,
    schema: { type: 'string', maxLength: MAX_TOKENS * (MAX_TOKEN_LENGTH + ', '.length) },
    example:
      'AmCm36CJa64Bu_-dDh3RNpNhJF13-XkpjAJJjjH1yPbom3s5DapCZTS0MzXbjL2xatqNGxQs4FWOPyIipyMNiqDoIuf1IcFgmXk8StpbWANSLp-mIA',
    isAlwaysThere: true,
  },
  [HEADER.causalScope]: {
    description:
      '`partial`: within the last 24 hours the token could not be kept within its size, so it says no more about the streams touched longest ago.',
    schema: { enum: ['partial'] },
    example: 'partial',
  },
  [HEADER.causalIncomplete]: {
    description:
      'Streams of the token of which this answer holds too little, or what was lost, because the read model is stopped at one of their events or their log was restored.',
    schema: { type: 'string' },
    example: 'order-0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a',
  },
  [HEADER.version]: {
    description:
      'The version of the resource’s stream. In a request: on a query, the least version wanted; on a command, the version expected, as with If-Match.',
    schema: { type: 'integer', minimum: 1 },
    example: 2,
    isAlwaysThere: true,
  },
  [HEADER.readFrom]: {
    description:
      'Who answered: the read model, or the write side because the read model was older than the version asked for.',
    schema: { enum: ['read-model', 'write-store'] },
    example: 'read-model',
    isAlwaysThere: true,
  },
  [HEADER.correlationId]: {
    description:
      'Ties together everything that follows from a request. Taken up from the request (or from `traceparent`), else made.',
    schema: { type: 'string', pattern: '^[A-Za-z0-9._-]{1,128}$' },
    example: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5c',
    isAlwaysThere: true,
  },
  [HEADER.traceparent]: {
    description: 'W3C trace context. Answered as it was sent.',
    schema: { type: 'string' },
    example: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  },
  [HEADER.idempotencyKey]: {
    description:
      'The same key and body again replay the outcome. A key that created something never expires, others are kept for 7 days.',
    schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,255}$' },
    example: 'checkout-7f3a',
  },
  [HEADER.idempotencyReplayed]: {
    description: 'The command had been applied before; this is that outcome.',
    schema: { enum: ['true'] },
    example: 'true',
  },
  [HEADER.prefer]: {
    description:
      '`wait=<1..10>`: answer once the projections have it. `return=representation`: answer with the resource. `respond-async`: 202 rather than the write side’s state.',
    schema: { type: 'string' },
    example: 'wait=5',
  },
  [HEADER.preferenceApplied]: {
    description: 'Which preferences were honoured.',
    schema: { type: 'string' },
    example: 'wait=5',
  },
  [HEADER.etag]: {
    description: 'The version as a strong tag; of this document, a digest of it.',
    schema: { type: 'string', pattern: `^(${ETAG}|"[0-9a-f]{64}")$` },
    example: '"2"',
    isAlwaysThere: true,
  },
  [HEADER.ifMatch]: {
    description:
      'The version expected, as ETag brought it, or `*`. A weak tag, as compression makes it, counts as the version that it names. Send the token of the same answer with it: after a restore, a version alone may stand for another change.',
    schema: { type: 'string', pattern: `^(\\*|(W/)?${ETAG})$` },
    example: '"2"',
  },
  [HEADER.ifNoneMatch]: {
    description: 'Answer 304 if this is still the version.',
    schema: { type: 'string' },
    example: '"2"',
  },
  [HEADER.retryAfter]: {
    description: 'Seconds.',
    schema: { type: 'integer', minimum: 1 },
    example: 1,
    isAlwaysThere: true,
  },
  [HEADER.location]: {
    description: 'Where the new resource is, or the one that is in the way.',
    schema: { type: 'string', format: 'uri-reference' },
    example: '/orders/0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a',
    isAlwaysThere: true,
  },
  [HEADER.link]: {
    description: 'The next page, with `rel="next"`; absent on the last.',
    schema: { type: 'string' },
    example: '</analytics/orders?groupBy=day&cursor=WyJhIl0>; rel="next"',
  },
  [HEADER.cacheControl]: {
    description: 'Answers are for one client at one moment.',
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
};
