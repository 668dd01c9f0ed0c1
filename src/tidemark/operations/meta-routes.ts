import * as z from 'zod/mini';

import type { AccessTable } from '../access/access.ts';
import { HEADER } from '../http/headers.ts';
import { type ApiInfo, openApiDocument } from '../http/openapi.ts';
import { PROBLEMS, Problem, type ProblemTypes } from '../http/problem.ts';
import { isKnown } from '../http/request-headers.ts';
import type { Route } from '../http/route.ts';
import { named } from '../http/schemas.ts';
import { sha256 } from '../platform/sha256.ts';
import { healthRoute } from './health-route.ts';

/** The description of the tag `operations`, for the OpenAPI document. */
export const OPERATIONS_TAGS = {
  operations: 'Runs the deployment: health, projections and their rebuilds, dead letters, the log, and this document.',
};

/** Routes about the API itself: its health, its OpenAPI document, and its problem types. */
export function metaRoutes(
  info: ApiInfo,
  routes: readonly Route[],
  problems: ProblemTypes,
  tags: Readonly<Record<string, string>>,
  access: AccessTable,
): readonly Route[] {
  let document: { readonly text: string; readonly etag: string } | undefined;
  // Keeps the document, not its promise: on Workers, a request must not wait for I/O that another request started.
  async function theDocument() {
    if (document) return document;
    const text = JSON.stringify(openApiDocument(info, [...routes, ...meta], problems, tags, access));
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
        summary: 'Explain a problem type',
        description:
          'The target of the `type` URI of a problem: what the problem means, and what the client does about it.',
        tag: 'operations',
        access: 'open',
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
          if (!type) throw new Problem('not-found', 'There is no such problem type. Use a `code` of an answer.');
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
        description: 'Describes every route of this deployment. Its `ETag` changes only with the document.',
        tag: 'operations',
        access: 'open',
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
