import * as z from 'zod';

import { HEADER } from './headers.ts';
import { PROBLEMS, type ProblemTypes } from './problem.ts';
import type { Answer, Operation, Route } from './route.ts';

type Document = Record<string, unknown>;

/** What each header of the contract says, and an example. */
const HEADER_DOCS: Readonly<
  Record<string, { readonly description: string; readonly schema: object; readonly example: string }>
> = {
  [HEADER.causalToken]: {
    description:
      'What the client did and saw: opaque. Send the latest one with every request, and never read an older state than that.',
    schema: { type: 'string', maxLength: 4096 },
    example: 'AZ8xQ2kBBW9yZGVyAQAAGJzFoHseezqdUo8eLTxLWgEA',
  },
  [HEADER.causalScope]: {
    description:
      '`partial`: the token could not be kept within its size, so it says no more about the streams touched longest ago.',
    schema: { enum: ['partial'] },
    example: 'partial',
  },
  [HEADER.causalIncomplete]: {
    description:
      'Streams of which the token has seen more than this answer holds, because the read model is stopped at one of their events.',
    schema: { type: 'string' },
    example: 'order-0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a',
  },
  [HEADER.version]: {
    description:
      'The version of the resource’s stream. In a request: on a query, the least version wanted; on a command, the version expected, as with If-Match.',
    schema: { type: 'integer', minimum: 1 },
    example: '2',
  },
  [HEADER.readFrom]: {
    description:
      'Who answered: the read model, or the write side because the read model was older than the version asked for.',
    schema: { enum: ['read-model', 'write-store'] },
    example: 'read-model',
  },
  [HEADER.correlationId]: {
    description:
      'Ties together everything that follows from a request. Taken up from the request (or from `traceparent`), else made.',
    schema: { type: 'string', pattern: '^[A-Za-z0-9._-]{1,128}$' },
    example: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5c',
  },
  [HEADER.traceparent]: {
    description: 'W3C trace context.',
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
  [HEADER.etag]: { description: 'The version as a strong tag.', schema: { type: 'string' }, example: '"2"' },
  [HEADER.ifMatch]: {
    description: 'The version expected, as ETag brought it, or `*`.',
    schema: { type: 'string' },
    example: '"2"',
  },
  [HEADER.ifNoneMatch]: {
    description: 'Answer 304 if this is still the version.',
    schema: { type: 'string' },
    example: '"2"',
  },
  [HEADER.retryAfter]: { description: 'Seconds.', schema: { type: 'integer' }, example: '1' },
  [HEADER.location]: {
    description: 'Where the new resource is.',
    schema: { type: 'string' },
    example: '/orders/0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a',
  },
};

const COMMON_ANSWER_HEADERS = [HEADER.correlationId, HEADER.cacheControl];

/** Assembles the OpenAPI 3.1 document from the routes themselves: whatever they check and answer is what it says. */
export function openApiDocument(routes: readonly Route[], problems: ProblemTypes): Document {
  const types = { ...PROBLEMS, ...problems };
  const schemas: Document = {};
  const paths: Record<string, Document> = {};
  for (const { method, path, operation } of routes) {
    const template = path.replaceAll(/:([A-Za-z]+)/g, '{$1}');
    (paths[template] ??= {})[method.toLowerCase()] = toOperation(operation, types, schemas);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Tidemark',
      version: '1.0.0',
      description:
        'Products and orders, event-sourced at the edge. Every answer carries a causal token: whoever sends it reads their own writes.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    tags: [...new Set(routes.map(({ operation }) => operation.tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: { ...schemas, Problem: problemSchema(types) },
      parameters: Object.fromEntries(
        Object.entries(HEADER_DOCS).map(([name, doc]) => [name, { name, in: 'header', required: false, ...doc }]),
      ),
      headers: {
        ...HEADER_DOCS,
        [HEADER.cacheControl]: {
          description: 'Answers are for one client at one moment.',
          schema: { type: 'string' },
          example: 'private, no-store',
        },
      },
      securitySchemes: {
        operationsKey: { type: 'http', scheme: 'bearer', description: 'The secret OPERATIONS_KEY of the deployment.' },
      },
    },
  };
}

function problemSchema(types: ProblemTypes): Document {
  return {
    type: 'object',
    description: 'RFC 9457. Further members depend on the code.',
    required: ['type', 'title', 'status', 'code', 'detail', 'instance'],
    properties: {
      type: { type: 'string', format: 'uri-reference' },
      title: { type: 'string' },
      status: { type: 'integer' },
      code: { enum: Object.keys(types) },
      detail: { type: 'string' },
      instance: { type: 'string' },
      errors: {
        type: 'array',
        description: 'Of `invalid-field`: what is wrong where.',
        items: {
          type: 'object',
          required: ['pointer', 'detail'],
          properties: {
            pointer: { type: 'string', description: 'A JSON pointer (RFC 6901).' },
            detail: { type: 'string' },
          },
        },
      },
    },
  };
}

function toOperation(operation: Operation, types: ProblemTypes, schemas: Document): Document {
  const { id, summary, description, tag, params, query, body, requestHeaders, answers, problems, isOperations } =
    operation;
  return {
    operationId: id,
    summary,
    ...(description !== undefined && { description }),
    tags: [tag],
    ...(isOperations && { security: [{ operationsKey: [] }] }),
    parameters: [
      ...toParameters('path', params, schemas),
      ...toParameters('query', query, schemas),
      ...[...requestHeaders, HEADER.correlationId, HEADER.traceparent].map((name) => ({
        $ref: `#/components/parameters/${name}`,
      })),
    ],
    ...(body && {
      requestBody: {
        required: body.isOptional !== true,
        content: { 'application/json': { schema: toSchema(body.schema, 'input', schemas), example: body.example } },
      },
    }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, answer]) => [status, toResponse(answer, requestHeaders, schemas)]),
      ),
      ...toProblems([...problems, ...(isOperations ? ['unauthorized'] : []), 'internal'], types),
    },
  };
}

function toParameters(
  place: 'path' | 'query',
  schema: z.ZodObject | undefined,
  schemas: Document,
): readonly Document[] {
  if (!schema) return [];
  const { properties = {}, required = [] }: { properties?: Record<string, Document>; required?: string[] } = toSchema(
    schema,
    'input',
    schemas,
  );
  return Object.entries(properties).map(([name, property]) => {
    const { description, ...rest } = property;
    return {
      name,
      in: place,
      required: place === 'path' || required.includes(name),
      ...(description !== undefined && { description }),
      schema: rest,
    };
  });
}

function toResponse(answer: Answer, requestHeaders: readonly string[], schemas: Document): Document {
  const isCausal = requestHeaders.includes(HEADER.causalToken);
  const names = [
    ...(answer.headers ?? []),
    ...(isCausal ? [HEADER.causalToken, HEADER.causalScope] : []),
    ...COMMON_ANSWER_HEADERS,
  ];
  return {
    description: answer.description,
    headers: Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }])),
    ...(answer.schema && {
      content: {
        'application/json': {
          schema: toSchema(answer.schema, 'output', schemas),
          ...(answer.example !== undefined && { example: answer.example }),
        },
      },
    }),
  };
}

/** The problems that an operation may answer with, by status: each code with its paragraph as an example. */
function toProblems(codes: readonly string[], types: ProblemTypes): Document {
  const byStatus = Map.groupBy(new Set(codes), (code) => types[code]?.status ?? 500);
  return Object.fromEntries(
    [...byStatus].map(([status, same]) => [
      status,
      {
        description: same.map((code) => `\`${code}\`: ${types[code]?.advice ?? ''}`).join('\n\n'),
        headers: {
          [HEADER.correlationId]: { $ref: `#/components/headers/${HEADER.correlationId}` },
          ...(status === 503 && { [HEADER.retryAfter]: { $ref: `#/components/headers/${HEADER.retryAfter}` } }),
        },
        content: {
          'application/problem+json': {
            schema: { $ref: '#/components/schemas/Problem' },
            examples: Object.fromEntries(
              same.map((code) => [
                code,
                {
                  value: {
                    type: `/problems/${code}`,
                    title: types[code]?.title,
                    status,
                    code,
                    detail: types[code]?.advice,
                    instance: '/…',
                  },
                },
              ]),
            ),
          },
        },
      },
    ]),
  );
}

/** A schema as JSON Schema 2020-12, which is what OpenAPI 3.1 speaks. Named schemas become components. */
function toSchema(schema: z.ZodType, io: 'input' | 'output', schemas: Document): Document {
  const {
    $schema: _dialect,
    $defs = {},
    ...whole
  } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Document & { $defs?: Document };
  const inPlace = (value: unknown) =>
    JSON.parse(JSON.stringify(value).replaceAll('#/$defs/', '#/components/schemas/')) as Document;
  for (const [name, definition] of Object.entries($defs)) schemas[name] = withoutId(inPlace(definition));
  const { id } = whole as { id?: string };
  if (id === undefined) return inPlace(whole);
  schemas[id] = withoutId(inPlace(whole));
  return { $ref: `#/components/schemas/${id}` };
}

function withoutId({ id: _id, ...definition }: Document): Document {
  return definition;
}
