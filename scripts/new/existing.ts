/** What the domain and the API have already. */
import { domain } from '../../src/domain.ts';
import type { AnyAggregate } from '../../src/tidemark/authoring/aggregate.ts';
import { PROBLEMS } from '../../src/tidemark/http/problem.ts';
import { openApiText } from '../openapi-document.ts';

interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly operationId: string }>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
  readonly tags: readonly { readonly name: string }[];
}

/** Names that something new claims. Each has to be free. */
export interface Claims {
  readonly category?: string;
  readonly readModel?: string;
  /** The first part of its paths, without the slash. */
  readonly path?: string;
  readonly tag?: string;
  readonly commands?: readonly string[];
  readonly events?: readonly string[];
  readonly problems?: readonly string[];
  readonly operations?: readonly string[];
  readonly schemas?: readonly string[];
}

/** Throws for the first name that is taken. */
export async function requireFree(claims: Claims): Promise<void> {
  const { paths, components, tags } = JSON.parse(openApiText()) as OpenApiDocument;
  const operations = Object.values(paths).flatMap((item) => Object.values(item).map(({ operationId }) => operationId));
  const aggregates = domain.map(({ aggregate }) => aggregate as AnyAggregate);
  const kinds: readonly (readonly [kind: string, claimed: readonly string[], taken: readonly string[]])[] = [
    ['an aggregate', asList(claims.category), aggregates.map(({ category }) => category)],
    [
      'a read model',
      asList(claims.readModel),
      domain.flatMap(({ projections }) => projections.map(({ name }) => name)),
    ],
    ['a path', asList(claims.path), Object.keys(paths).map((path) => path.split('/')[1] ?? '')],
    ['a tag', asList(claims.tag), tags.map(({ name }) => name)],
    ['a command', claims.commands ?? [], aggregates.flatMap(({ commands }) => Object.keys(commands.types))],
    ['an event type', claims.events ?? [], domain.flatMap(({ events }) => Object.keys(events))],
    [
      'a problem code',
      claims.problems ?? [],
      [...Object.keys(PROBLEMS), ...domain.flatMap(({ problems }) => Object.keys(problems))],
    ],
    ['an operation id', claims.operations ?? [], operations],
    ['a schema', claims.schemas ?? [], Object.keys(components.schemas)],
  ];
  for (const [kind, claimed, taken] of kinds) {
    const name = claimed.find((candidate) => taken.includes(candidate));
    if (name !== undefined) throw new Error(`There is ${kind} "${name}" already.`);
  }
}

function asList(name: string | undefined): readonly string[] {
  return name === undefined ? [] : [name];
}
