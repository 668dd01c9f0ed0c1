import * as z from 'zod/mini';

import { openApiDocument } from '../http/openapi.ts';
import { PROBLEMS, Problem, type ProblemTypes } from '../http/problem.ts';
import type { Route } from '../http/route.ts';
import { healthRoute } from './health-route.ts';

/** Routes about the API itself: is it well, what is it, what do its problems mean. */
export function metaRoutes(routes: readonly Route[], problems: ProblemTypes): readonly Route[] {
  let document: object | undefined;
  const meta: readonly Route[] = [
    healthRoute,
    {
      method: 'GET',
      path: '/problems/:code',
      operation: {
        id: 'getProblemType',
        summary: 'What a kind of problem means and what to do about it',
        tag: 'operations',
        params: z.strictObject({ code: z.string() }),
        requestHeaders: [],
        answers: {
          200: {
            description: 'The problem type.',
            schema: z.strictObject({ code: z.string(), status: z.int(), title: z.string(), advice: z.string() }),
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
          return c.json({ code, ...type });
        },
      ],
    },
    {
      method: 'GET',
      path: '/openapi.json',
      operation: {
        id: 'getOpenApi',
        summary: 'This document',
        tag: 'operations',
        requestHeaders: [],
        answers: { 200: { description: 'OpenAPI 3.1.', schema: z.looseObject({ openapi: z.string() }) } },
        problems: [],
      },
      handlers: [
        (c) => {
          document ??= openApiDocument([...routes, ...meta], problems);
          return c.json(document);
        },
      ],
    },
  ];
  return meta;
}
