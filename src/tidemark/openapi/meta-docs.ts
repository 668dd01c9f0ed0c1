import * as z from 'zod/mini';

import { HEADER } from '../http/headers.ts';
import type { Documentation } from '../http/route.ts';
import { named } from '../http/schemas.ts';
import { OPERATION } from './operation.ts';
import { problemTypes } from './problem-docs.ts';

export const metaDocs = {
  getHealth: {
    ...OPERATION,
    summary: 'Check the deployment and its projections',
    description:
      'Always 200. `degraded` has a reason for each thing that an operator has to repair: a secret that is missing or too short, a database that does not answer within 2 s, open dead letters, a failed build, a projection that is not live or whose live revision this Worker has no code for.',
    answers: {
      200: {
        description: '`reasons` name each fault and its remedy. Empty when nothing is wrong.',
        schema: named('Health', z.strictObject({ status: z.enum(['ok', 'degraded']), reasons: z.array(z.string()) })),
        example: { status: 'ok', reasons: [] },
      },
    },
  },
  getProblemType: {
    ...OPERATION,
    summary: 'Explain a problem type',
    description:
      'The target of the `type` URI of a problem: what the problem means, and what the client does about it.',
    answers: {
      200: {
        description: 'The problem type.',
        schema: named(
          'ProblemType',
          z.strictObject({ code: z.string(), status: z.int(), title: z.string(), advice: z.string() }),
        ),
        example: { code: 'not-json', ...problemTypes['not-json'] },
      },
    },
  },
  getOpenApi: {
    ...OPERATION,
    summary: 'This document',
    description: 'Describes every route of this deployment. Its `ETag` changes only with the document.',
    requestHeaders: [HEADER.ifNoneMatch],
    answers: {
      200: {
        description: 'OpenAPI 3.1.',
        schema: named('OpenApi', z.looseObject({ openapi: z.string() })),
        headers: [HEADER.etag],
      },
      304: { description: 'Not modified.', headers: [HEADER.etag] },
    },
  },
} satisfies Readonly<Record<string, Documentation>>;
