import { get, json } from './api.ts';
import type { OpenApiDocument } from './declared-answers.ts';
import type { Schema } from '../conformance/fuzz/schema-values.ts';

/** One operation of the document, with its parameters and its body. */
export interface Operation {
  /** For example `POST /orders`. */
  readonly name: string;
  readonly method: string;
  /** With parameters in braces. */
  readonly template: string;
  readonly pathParameters: readonly (readonly [name: string, schema: Schema])[];
  readonly queryParameters: readonly { readonly name: string; readonly schema: Schema; readonly required: boolean }[];
  /** Names of the request headers that it declares. */
  readonly headers: readonly string[];
  readonly body: { readonly schema: Schema; readonly isOptional: boolean; readonly example: object } | undefined;
  /** Statuses that it declares. */
  readonly statuses: readonly number[];
  readonly tag: string;
  /** The scopes that it needs; undefined: it is open to everybody. */
  readonly scopes: readonly string[] | undefined;
}

interface Parameter {
  readonly $ref?: string;
  readonly in?: string;
  readonly name?: string;
  readonly required?: boolean;
  readonly schema?: Schema;
}

interface Declared {
  readonly parameters: readonly Parameter[];
  readonly requestBody?: {
    readonly required: boolean;
    readonly content: { readonly 'application/json': { readonly schema: Schema; readonly example: object } };
  };
  readonly responses: Readonly<Record<string, unknown>>;
  readonly tags: readonly [string];
  readonly security: readonly { readonly bearer: readonly string[] }[];
}

/** Every operation that the document has. */
export function operationsOf(document: OpenApiDocument): readonly Operation[] {
  return Object.entries(document.paths).flatMap(([template, item]) =>
    Object.entries(item).map(([method, value]) => {
      const { parameters, requestBody, security, responses, tags } = value as Declared;
      const inPlace = (where: string) => parameters.filter((parameter) => parameter.in === where);
      return {
        name: `${method.toUpperCase()} ${template}`,
        method: method.toUpperCase(),
        template,
        pathParameters: inPlace('path').map(({ name = '', schema = {} }) => [name, schema] as const),
        queryParameters: inPlace('query').map(({ name = '', schema = {}, required = false }) => {
          return { name, schema, required };
        }),
        headers: parameters.flatMap(({ $ref }) => $ref?.split('/').at(-1) ?? []),
        body: requestBody && {
          schema: requestBody.content['application/json'].schema,
          isOptional: !requestBody.required,
          example: requestBody.content['application/json'].example,
        },
        statuses: Object.keys(responses).map(Number),
        tag: tags[0],
        scopes: security[0]?.bearer,
      };
    }),
  );
}

/** Every operation that the Worker under test has. */
export async function allOperations(): Promise<readonly Operation[]> {
  return operationsOf(await json(get('/openapi.json')));
}
