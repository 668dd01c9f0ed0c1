import fc from 'fast-check';

import { modules } from '../../worker.ts';
import { fuzzHints } from '../../domain-requests.ts';
import { asOperator } from '../../support/api.ts';
import { idNameOf } from '../../support/examples.ts';
import { type Breakage, breakagesOf } from './breakages.ts';
import { place } from './cast.ts';
import { goodHeader } from './header-values.ts';
import type { Operation } from '../../support/api-operations.ts';
import { type ByName, type Schema, valuesOf } from './schema-values.ts';

/** A planned request: one that the document allows, and the faults to add. */
export interface WantedRequest {
  readonly method: string;
  /** Of the document; with values of `params` in the place of its parameters. */
  readonly template: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly breakages: readonly Breakage[];
}

const number = fc.nat(40);

/** The names of ids of aggregates. */
const ID_NAMES = new Set(modules.map(idNameOf));

/** Values that the document describes in words, or that have to exist for a request to get anywhere. */
const byName =
  (operation: Operation): ByName =>
  (name) => {
    const existing = (kind: string, otherwise: fc.Arbitrary<string>) =>
      fc.oneof(
        { weight: 9, arbitrary: number.map((index) => place(kind, index)) },
        { weight: 1, arbitrary: otherwise },
      );
    switch (name) {
      case 'tallyId':
        // A tally exists as soon as something is added to it: another one would be at version 0.
        return operation.method === 'POST' ? number.map((index) => place(name, index)) : existing(name, fc.uuid());
      case 'stream':
        return operation.template.includes('/dead-letters/')
          ? existing('stopped-stream', fc.constant('tally-x'))
          : existing('stream', fc.constantFrom('tally-x', 'unheard-1'));
      case 'name':
        // Where something of a projection is named too, it has to be that projection's.
        if (operation.template.includes('/rebuilds/')) return existing('built', fc.constant('tally-board'));
        if (operation.template.includes('/dead-letters/')) return existing('stopped', fc.constant('tally-count'));
        if (/\/(?:rollback|release)$/.test(operation.template)) return existing('swapped', fc.constant('tally-board'));
        return existing('projection', fc.constantFrom('nonesuch', '__proto__'));
      case 'id':
        return operation.template.includes('rebuilds')
          ? existing('build', fc.uuid())
          : existing('group', fc.constant('0'));
      case 'code':
        return existing('code', fc.constant('nonesuch'));
      case 'asOf':
        return fc.constantFrom('0', '1', '2', '99', '2026-11-23T09:00:00Z', '2126-11-23T09:00:00.000+14:00');
      case 'cursor':
      case 'after':
        return number.map((index) => place('cursor', index));
      default:
        return ID_NAMES.has(name) ? existing(name, fc.uuid()) : fuzzHints.valuesOf(operation, name, existing);
    }
  };

/** Mostly the operator's. The others are let in to some routes, or to none. */
const credentials = fc.oneof(
  { weight: 18, arbitrary: fc.constant(asOperator['Authorization'] ?? '') },
  { weight: 1, arbitrary: number.map((index) => place('limited', index)) },
  { weight: 1, arbitrary: number.map((index) => place('refused', index)) },
);

/** Requests for one operation: about a third as the document allows them, the others broken in up to three ways. */
export function requestsFor(
  operation: Operation,
  components: Readonly<Record<string, Schema>>,
): fc.Arbitrary<WantedRequest> {
  const { method, template, pathParameters, queryParameters, headers, body, scopes } = operation;
  const values = (schema: Schema, name: string) => valuesOf(schema, components, byName(operation), name);
  const params = pathParameters.map(([name, schema]) => [name, values(schema, name)] as const);
  const query = queryParameters.map(({ name, schema }) => [name, values(schema, name)] as const);
  const known = headers.filter((name) => name in goodHeader);
  const breakage = breakagesOf({
    queryNames: queryParameters.map(({ name }) => name),
    headers,
    hasBody: body !== undefined,
  });
  const bodies = body && values(body.schema, '');
  return fc
    .record({
      method: fc.constant(method),
      template: fc.constant(template),
      params: fc.record(Object.fromEntries(params)) as fc.Arbitrary<Record<string, string>>,
      query: fc.record(Object.fromEntries(query), {
        requiredKeys: queryParameters.filter(({ required }) => required).map(({ name }) => name),
      }),
      headers: fc
        .subarray(known, { maxLength: Math.min(known.length, 3) })
        .chain((chosen) => fc.record(Object.fromEntries(chosen.map((name) => [name, goodHeader[name]])) as object))
        .chain((chosen) => credentials.map((Authorization) => ({ ...(scopes && { Authorization }), ...chosen }))),
      ...(bodies && { body: body.isOptional ? fc.option(bodies, { nil: undefined }) : bodies }),
      breakages: fc.oneof(
        { weight: 2, arbitrary: fc.constant([]) },
        { weight: 2, arbitrary: fc.tuple(breakage) },
        { weight: 1, arbitrary: fc.array(breakage, { minLength: 2, maxLength: 3 }) },
      ),
    })
    .map(agreeing);
}

/** The first segments of the domain's routes. */
const SEGMENTS = [...new Set(modules.flatMap(({ routes }) => routes.map(({ path }) => path.split('/')[1] ?? '')))];

/** Requests for paths of all kinds, which hardly ever exist. */
export const requestsAnywhere: fc.Arbitrary<WantedRequest> = fc.record({
  method: fc.constantFrom('GET', 'POST', 'DELETE', 'PUT', 'HEAD', 'OPTIONS'),
  template: fc
    .array(
      fc.oneof(
        fc.constantFrom(...SEGMENTS, 'streams', 'events', 'history', 'problems', 'projections', 'rebuilds'),
        fc.constantFrom('..', '.', '%2f', '%', '%zz', '%00', '', 'search', '__proto__', '*', ':id', '{id}'),
        fc.webSegment(),
        fc.uuid(),
      ),
      { maxLength: 5 },
    )
    .map((segments) => `/${segments.join('/')}`),
  params: fc.constant({}),
  query: fc.constant({}),
  headers: fc.constant({ Authorization: asOperator['Authorization'] ?? '' }),
  breakages: fc.array(breakagesOf({ queryNames: [], headers: [], hasBody: false }), { minLength: 1, maxLength: 2 }),
});

/** Without two ways to name a version, which the document excludes in words only. */
function agreeing(request: WantedRequest): WantedRequest {
  const { 'X-Version': version, 'If-Match': tag, ...others } = request.headers;
  if ('asOf' in request.query || (version === undefined && tag === undefined)) return { ...request, headers: others };
  return {
    ...request,
    headers: version === undefined ? { ...others, 'If-Match': tag ?? '' } : { ...others, 'X-Version': version },
  };
}
