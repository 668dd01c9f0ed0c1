/** Sample data for tests: the data of an event, and the body of the command that creates an aggregate. */
import * as z from 'zod/mini';

import { operationOf } from '../../src/tidemark/authoring/routes-of.ts';
import type { DomainEvent, RecordedEvent } from '../../src/tidemark/domain/event.ts';
import { openApiText } from '../openapi-document.ts';
import type { Subject } from './subject.ts';

/** A JSON schema, as far as samples need it. */
interface JsonSchema {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly type?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly minItems?: number;
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
}

/** An event of this type as code, as a test writes it: `{ type, data }`. */
export function sampleEvent(subject: Subject, type: string): string {
  return `{ type: '${type}', data: ${JSON.stringify(sampleData(subject, type))} }`;
}

function sampleData({ aggregate }: Subject, type: string): unknown {
  const schema = aggregate.schemas[type];
  if (!schema) throw new Error(`The aggregate has no event type ${type}.`);
  const json = z.toJSONSchema(schema, { unrepresentable: 'any' }) as JsonSchema;
  return sampleOf(json, json.$defs ?? {});
}

/** Whether an aggregate's state has the time of its latest event as `updatedAt`. */
export function hasUpdatedAt(subject: Subject): boolean {
  const { decider, events } = subject.aggregate;
  const [type = ''] = Object.keys(events);
  const recordedAt = '2026-01-01T00:00:00.000Z';
  const event = { type, data: sampleData(subject, type), recordedAt } as RecordedEvent<DomainEvent<string, never>>;
  const state = decider.evolve(decider.initialState, event) as { readonly updatedAt?: unknown };
  return state.updatedAt === recordedAt;
}

/** A value that satisfies a schema, but for its pattern. */
function sampleOf(schema: JsonSchema, named: Readonly<Record<string, JsonSchema>>): unknown {
  const of = (inner: JsonSchema) => sampleOf(inner, named);
  if (schema.$ref !== undefined) return of(named[schema.$ref.replace('#/$defs/', '')] ?? {});
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  const [choice] = schema.anyOf ?? schema.oneOf ?? [];
  if (choice) return of(choice);
  switch (schema.type) {
    case 'object':
      return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, inner]) => [name, of(inner)]));
    case 'array':
      return Array.from({ length: schema.minItems ?? 0 }, () => of(schema.items ?? {}));
    case 'integer':
    case 'number':
      return Math.max(schema.minimum ?? 1, 1);
    case 'boolean':
      return true;
    case 'null':
      return null;
    default:
      return textOf(schema.format);
  }
}

function textOf(format: string | undefined): string {
  if (format === 'uuid') return '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a';
  return format === 'date-time' ? '2026-01-01T00:00:00.000Z' : 'text';
}

interface Creation {
  readonly path: string;
  /** The example of the body, as code. */
  readonly body: string;
}

interface OpenApiDocument {
  readonly paths: Readonly<
    Record<
      string,
      {
        readonly post?: {
          readonly operationId: string;
          readonly requestBody: { readonly content: Readonly<Record<string, { readonly example?: unknown }>> };
        };
      }
    >
  >;
}

/**
 * The request that creates an aggregate, from the OpenAPI document. Undefined if the command needs other aggregates, or if no route creates one: then
 * a test of the API cannot be made up.
 */
export async function sampleCreation({ commands }: Subject): Promise<Creation | undefined> {
  const { paths } = JSON.parse(openApiText()) as OpenApiDocument;
  const operations = new Map(
    Object.entries(commands.types).map(([type, { isPrepared }]) => [operationOf(type), isPrepared]),
  );
  for (const [path, { post }] of Object.entries(paths)) {
    if (!post || path.includes('{') || operations.get(post.operationId) !== false) continue;
    return { path, body: JSON.stringify(post.requestBody.content['application/json']?.example ?? {}) };
  }
  return undefined;
}
