import * as z from 'zod/mini';

import { HEADER } from '../http/headers.ts';
import { openApiDocument } from '../http/openapi.ts';
import { PROBLEMS, Problem, type ProblemTypes } from '../http/problem.ts';
import { isKnown } from '../http/request-headers.ts';
import type { Route } from '../http/route.ts';
import { named } from '../http/schemas.ts';
import { sha256 } from '../http/sha256.ts';
import { healthRoute } from './health-route.ts';

/** What the tag of these routes, and of all others of the operator, groups together. */
export const OPERATIONS_TAGS = {
  operations:
    'What keeps it running: health, projections and their rebuilds, dead letters, the log, and this document.',
};

/** Routes about the API itself: is it well, what is it, what do its problems mean. */
export function metaRoutes(
  routes: readonly Route[],
  problems: ProblemTypes,
  tags: Readonly<Record<string, string>>,
): readonly Route[] {
  let document: { readonly text: string; readonly etag: string } | undefined;
  // Not its promise: a request must not wait for what another one has begun.
  async function theDocument() {
    if (document) return document;
    const text = JSON.stringify(openApiDocument([...routes, ...meta], problems, tags));
    document = { text, etag: `"${await sha256(new TextEncoder().encode(text))}"` };
    return document;
  }
  const meta: readonly Route[] = [
    healthRoute,
    {
      method: 'GET',
      path: '/problems/:code',
      operation: {
        id: 'getProblemType',
        summary: 'What a kind of problem means and what to do about it',
        description: 'The page that the `type` of a problem leads to.',
        tag: 'operations',
        params: z.strictObject({ code: z.string() }),
        requestHeaders: [],
        answers: {
          200: {
            description: 'The problem type.',
            schema: named(
              'ProblemType',
              z.strictObject({ code: z.string(), status: z.int(), title: z.string(), advice: z.string() }),
            ),
            example: { code: 'not-json', ...PROBLEMS['not-json'] },
          },
        },
        problems: ['not-found'],
      },
      handlers: [
        (c) => {
          const code = c.req.param('code') ?? '';
          const type = Object.hasOwn(problems, code) ? problems[code] : undefined;
          if (!type) throw new Problem('not-found', 'There is no such kind of problem.');
          const { status, title, advice } = type;
          return c.json({ code, status, title, advice });
        },
      ],
    },
    {
      method: 'GET',
      path: '/openapi.json',
      operation: {
        id: 'getOpenApi',
        summary: 'This document',
        description:
          'Assembled from the routes themselves. Its `ETag` stays the same for as long as the document does.',
        tag: 'operations',
        requestHeaders: [HEADER.ifNoneMatch],
        answers: {
          200: {
            description: 'OpenAPI 3.1.',
            schema: named('OpenApi', z.looseObject({ openapi: z.string() })),
            headers: [HEADER.etag],
          },
          304: { description: 'Not modified.', headers: [HEADER.etag] },
        },
        problems: [],
      },
      handlers: [
        async (c) => {
          const { text, etag } = await theDocument();
          c.header(HEADER.etag, etag);
          if (isKnown(c, etag)) return c.body(null, 304);
          return c.body(text, 200, { [HEADER.contentType]: 'application/json' });
        },
      ],
    },
  ];
  return meta;
}
