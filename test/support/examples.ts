import type { Module } from '../../src/tidemark/authoring/registered-module.ts';
import { type AnyAggregate } from '../../src/tidemark/authoring/aggregate.ts';
import { modules } from '../worker.ts';
import { json, post } from './api.ts';
import type { Operation } from './api-operations.ts';

/*
 * Requests that are right, from the OpenAPI document alone: each operation has an example of its body. A domain whose examples fit together
 * (an order of the product that the other example creates) needs nothing else to be tested.
 */

/** An aggregate that exists. */
export interface Example {
  readonly category: string;
  /** The name of its id in paths and answers. */
  readonly idName: string;
  readonly id: string;
  readonly stream: string;
  /** Of the route that created it. */
  readonly path: string;
  readonly body: object;
  readonly answer: Response;
}

/** The name of the id of a module's aggregate, in paths and answers. */
export function idNameOf({ aggregate }: Module): string {
  return (aggregate as AnyAggregate).commands.id as string;
}

/** The operations that create an aggregate, in the document's order: those of products come before those of orders. */
export function creations(operations: readonly Operation[]): readonly Operation[] {
  return operations.filter(
    ({ method, pathParameters, statuses, body }) =>
      method === 'POST' && pathParameters.length === 0 && body !== undefined && statuses.includes(201),
  );
}

/** Creates an aggregate as the document's example does. Where that exists already, as with a natural key, the answer is that it does. */
export async function createExample({ template, body }: Operation, headers: Record<string, string> = {}) {
  const answer = await post(template, body?.example, headers);
  return { answer, path: template, body: body?.example ?? {} };
}

/** Creates one aggregate of each kind that the document can create. Throws where an example is refused. */
export async function createOneOfEach(operations: readonly Operation[]): Promise<readonly Example[]> {
  const made: Example[] = [];
  for (const operation of creations(operations)) {
    const { answer, path, body } = await createExample(operation, { 'Idempotency-Key': 'the-example' });
    if (answer.status !== 201) throw new Error(`the example of ${operation.name}: ${await answer.text()}`);
    made.push({ ...exampleIn(await json(answer.clone())), path, body, answer });
  }
  return made;
}

/** The aggregate that a receipt speaks of. */
export function exampleIn(
  receipt: Readonly<Record<string, unknown>>,
): Pick<Example, 'category' | 'idName' | 'id' | 'stream'> {
  for (const module of modules) {
    const [idName, { category }] = [idNameOf(module), module.aggregate];
    const id = receipt[idName];
    if (typeof id === 'string') return { category, idName, id, stream: `${category}-${id}` };
  }
  throw new Error(`no module has the id of ${JSON.stringify(receipt)}`);
}

/** What the path of a request is made of. */
export interface PathParts {
  readonly examples?: readonly Example[];
  /** More values of path parameters, by name. */
  readonly values?: Readonly<Record<string, string>>;
}

/** The path of a request: with the ids of the examples, random ones for every other parameter, and the query parameters that have to be there. */
export function pathOf({ template, queryParameters }: Operation, { examples = [], values = {} }: PathParts): string {
  const ids: Readonly<Record<string, string>> = {
    ...Object.fromEntries(examples.map(({ idName, id }) => [idName, id])),
    ...values,
  };
  const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? crypto.randomUUID());
  const query = queryParameters
    .filter(({ required }) => required)
    .map(({ name, schema }) => `${name}=${(schema.enum?.[0] as string | undefined) ?? 'x'}`)
    .join('&');
  return query === '' ? path : `${path}?${query}`;
}
