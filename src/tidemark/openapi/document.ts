import * as z from 'zod/mini';

import type { AccessTable } from '../access/access.ts';
import { isSafe } from '../http/cross-site.ts';
import { HEADER_DOCS, type HeaderDoc } from './header-docs.ts';
import { CORS_ANSWER_HEADERS, CORS_REQUEST_HEADERS, HEADER } from '../http/headers.ts';
import type { ProblemType, ProblemTypes } from '../http/problem.ts';
import type { Answer, Documentation, Operation, Route } from '../http/route.ts';
import { named } from '../http/schemas.ts';
import type { ApiInfo } from '../worker-options.ts';

type Document = Record<string, unknown>;

/** The name of the one way to authenticate. */
const BEARER = 'bearer';

/** What a route that is not open may answer, since the credential has to be checked. */
const GUARDED_PROBLEMS = ['unauthorized', 'overloaded', 'code-too-old', 'storage-unavailable'];

const COMMON_ANSWER_HEADERS = [HEADER.correlationId, HEADER.traceparent, HEADER.cacheControl];

/** What the document is made of. */
export interface DocumentParts {
  readonly info: ApiInfo;
  readonly routes: readonly Route[];
  /** What it says of the operations that have no documentation of their own, by their ids. */
  readonly docs: Readonly<Record<string, Documentation>>;
  readonly problems: ProblemTypes;
  /** A sentence on each tag. */
  readonly tags: Readonly<Record<string, string>>;
  readonly access: AccessTable;
}

/** Assembles the OpenAPI 3.1 document from the routes, so it describes exactly what they check and answer. */
export function openApiDocument({ info, routes, docs, problems, tags, access }: DocumentParts): Document {
  const { title, description } = info;
  const schemas: Document = {};
  const paths: Record<string, Document> = {};
  const used = new Set<string>();
  for (const { method, path, operation } of routes) {
    const template = path.replaceAll(/:([A-Za-z]+)/g, '{$1}');
    const documentation = operation.documentation?.() ?? docs[operation.id];
    if (!documentation) throw new Error(`nothing describes the operation "${operation.id}" (${method} ${path})`);
    used.add(documentation.tag);
    (paths[template] ??= {})[method.toLowerCase()] = toOperation(
      method,
      template,
      { ...operation, ...documentation },
      problems,
      schemas,
    );
  }
  return {
    openapi: '3.1.0',
    info: {
      title,
      version: '1.0.0',
      description: `${description} Every answer carries a causal token. A client that sends the token reads its own writes.`,
      contact: { name: 'The operator of this deployment' },
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    tags: [...used].map((name) => ({ name, description: tags[name] })),
    paths,
    components: {
      schemas,
      parameters: documented(CORS_REQUEST_HEADERS, (name, doc) => ({ name, in: 'header', required: false, ...doc })),
      headers: documented([...CORS_ANSWER_HEADERS, HEADER.cacheControl], (_name, doc, required) => ({
        required,
        ...doc,
      })),
      securitySchemes: {
        [BEARER]: {
          type: 'http',
          scheme: 'bearer',
          description: `An API key, a JSON Web Token of an issuer that the deployment accepts, or its operations key. Scopes: ${scopesText(access)}`,
        },
      },
    },
  };
}

function scopesText({ scopes }: AccessTable): string {
  return Object.entries(scopes)
    .map(([scope, allows]) => `\`${scope}\`: ${allows}`)
    .join(' ');
}

/** The documented headers among `names`, in the shape that their place in the document needs. */
function documented(
  names: readonly string[],
  shape: (name: string, doc: Omit<HeaderDoc, 'isAlwaysThere'>, isAlwaysThere: boolean) => Document,
): Document {
  return Object.fromEntries(
    names.flatMap((name) => {
      const { isAlwaysThere = false, ...doc } = HEADER_DOCS[name] ?? {};
      return 'schema' in doc ? [[name, shape(name, doc, isAlwaysThere)]] : [];
    }),
  );
}

function toHeaders(names: readonly string[]): Document {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

/** The statuses of answers that may come before the token is read. */
const BEFORE_THE_TOKEN = new Set([401, 403, 429, 503]);

/** Headers that an answer may lack. */
function toOptionalHeaders(names: readonly string[]): Document {
  return documented(names, (_name, doc) => ({ required: false, ...doc }));
}

/** Defines `Problem`, with the members of every problem, and one schema for each code with its own members. `code` discriminates. */
function defineProblem(code: string, types: ProblemTypes, schemas: Document): Document {
  schemas['Problem'] ??= {
    type: 'object',
    description: 'RFC 9457. Further members depend on the code.',
    required: ['type', 'title', 'status', 'code', 'detail', 'instance'],
    properties: {
      type: { type: 'string', format: 'uri-reference' },
      title: { type: 'string' },
      status: { type: 'integer' },
      code: { type: 'string', enum: Object.keys(types) },
      detail: { type: 'string' },
      instance: { type: 'string', format: 'uri-reference' },
    },
  };
  const { status, title, advice, members } = types[code] as ProblemType;
  const name = `${toPascalCase(code)}Problem`;
  const own = members && toSchema(z.object(members.shape), 'output', schemas);
  define(schemas, name, {
    title,
    description: advice,
    allOf: [
      { $ref: '#/components/schemas/Problem' },
      {
        type: 'object',
        required: ['status', 'code', ...((own?.['required'] as string[] | undefined) ?? [])],
        properties: {
          status: { type: 'integer', const: status },
          code: { type: 'string', const: code },
          ...(own?.['properties'] as Document | undefined),
        },
      },
    ],
    unevaluatedProperties: false,
  });
  return { $ref: `#/components/schemas/${name}` };
}

/** `seat-taken` as `SeatTaken`, and `reserveSeat` as `ReserveSeat`. */
function toPascalCase(name: string): string {
  return name.replaceAll(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function toOperation(
  method: string,
  template: string,
  operation: Operation & Documentation,
  types: ProblemTypes,
  schemas: Document,
): Document {
  const { id, summary, description, tag, params, query, body, requestHeaders, answers, access } = operation;
  const problems = [
    ...operation.problems,
    ...(access === 'open' ? [] : GUARDED_PROBLEMS),
    ...(access !== 'open' && (access.scope !== null || access.whose !== 'everyone') ? ['forbidden'] : []),
    ...(isSafe(method) ? [] : ['cross-site']),
    // Every route refuses an unknown query parameter.
    'invalid-field',
    'internal',
    'rate-limited',
    ...(id === 'getHealth' ? [] : ['not-configured']),
  ];
  const ofToken = requestHeaders.includes(HEADER.causalToken) ? [HEADER.causalToken, HEADER.causalScope] : [];
  const common = [...ofToken, ...COMMON_ANSWER_HEADERS];
  return {
    operationId: id,
    summary,
    description,
    tags: [tag],
    // For a scheme of type `http`, OpenAPI 3.1 takes the list for the scopes that are needed.
    security: access === 'open' ? [] : [{ [BEARER]: access.scope === null ? [] : [access.scope] }],
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
        content: {
          'application/json': {
            schema: toSchema(withName(body.schema, toPascalCase(id)), 'input', schemas),
            example: body.example,
          },
        },
      },
    }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, answer]) => [status, toResponse(answer, common, schemas)]),
      ),
      ...toProblems(problems, ofToken, types, template.split('/{')[0] ?? template, schemas),
    },
  };
}

function toParameters(
  place: 'path' | 'query',
  schema: z.ZodMiniObject | undefined,
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

function toResponse(answer: Answer, commonHeaders: readonly string[], schemas: Document): Document {
  return {
    description: answer.description,
    headers: toHeaders([...(answer.headers ?? []), ...commonHeaders]),
    ...(answer.schema && {
      content: {
        'application/json': {
          schema: toSchema(answer.schema, 'output', schemas),
          ...(answer.example !== undefined && { example: answer.example }),
        },
        ...(answer.alternative && {
          [answer.alternative.contentType]: { schema: { type: 'string' }, example: answer.alternative.example },
        }),
      },
    }),
  };
}

/** The problems that an operation may answer with, by status. Each code has an example. */
function toProblems(
  codes: readonly string[],
  ofToken: readonly string[],
  types: ProblemTypes,
  instance: string,
  schemas: Document,
): Document {
  const byStatus = Map.groupBy(new Set(codes), (code) => types[code]?.status ?? 500);
  return Object.fromEntries(
    [...byStatus].map(([status, same]) => [
      status,
      {
        description: same.map((code) => `\`${code}\`: ${types[code]?.advice ?? ''}`).join('\n\n'),
        headers: {
          ...toHeaders([
            ...(status === 401 ? [HEADER.wwwAuthenticate] : []),
            ...(status === 429 ? [HEADER.rateLimitPolicy] : []),
            ...(status === 429 || status === 503 ? [HEADER.retryAfter] : []),
            ...(same.includes('rebuild-running') ? [HEADER.location] : []),
            ...(BEFORE_THE_TOKEN.has(status) ? [] : ofToken),
            ...COMMON_ANSWER_HEADERS,
          ]),
          ...(BEFORE_THE_TOKEN.has(status) && toOptionalHeaders(ofToken)),
        },
        content: {
          'application/problem+json': {
            schema: oneOf(same.map((code) => [code, defineProblem(code, types, schemas)])),
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
                    instance,
                    ...types[code]?.members?.example,
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

/** A schema as JSON Schema 2020-12, which OpenAPI 3.1 uses. Named schemas become components. */
function toSchema(schema: z.ZodMiniType, io: 'input' | 'output', schemas: Document): Document {
  const {
    $schema: _dialect,
    $defs = {},
    ...whole
  } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Document & { $defs?: Document };
  const inPlace = (value: unknown) =>
    JSON.parse(JSON.stringify(value).replaceAll('#/$defs/', '#/components/schemas/')) as Document;
  for (const [name, definition] of Object.entries($defs)) define(schemas, name, withoutId(inPlace(definition)));
  const { id } = whole as { id?: string };
  if (id === undefined) return inPlace(whole);
  define(schemas, id, withoutId(inPlace(whole)));
  return { $ref: `#/components/schemas/${id}` };
}

/** Adds a component. Throws when another schema already has its name: a generated client has one type for a name. */
function define(schemas: Document, name: string, definition: Document): void {
  const known = schemas[name];
  if (known !== undefined && JSON.stringify(known) !== JSON.stringify(definition))
    throw new Error(`two different schemas have the name "${name}"`);
  schemas[name] = definition;
}

function withName(schema: z.ZodMiniType, name: string): z.ZodMiniType {
  return z.globalRegistry.get(schema)?.id === undefined ? named(name, schema) : schema;
}

/** One of these problems, discriminated by `code`. */
function oneOf(problems: readonly (readonly [code: string, schema: Document])[]): Document {
  const [first] = problems;
  if (problems.length === 1 && first) return first[1];
  const mapping = Object.fromEntries(problems.map(([code, { $ref }]) => [code, $ref]));
  return { oneOf: problems.map(([, schema]) => schema), discriminator: { propertyName: 'code', mapping } };
}

function withoutId({ id: _id, ...definition }: Document): Document {
  return definition;
}
