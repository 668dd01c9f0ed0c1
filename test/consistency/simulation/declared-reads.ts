import type * as z from 'zod/mini';

import type { AnyAggregate } from '../../../src/tidemark/authoring/aggregate.ts';
import type { KeyedList } from '../../../src/tidemark/authoring/keyed-list.ts';
import type { ReadModel } from '../../../src/tidemark/authoring/read-model.ts';
import type { Module } from '../../../src/tidemark/authoring/registered-module.ts';
import type { Route } from '../../../src/tidemark/http/route.ts';
import type { Projection } from '../../../src/tidemark/projections/projection.ts';
import { shapeOf } from '../../../src/tidemark/projections/slot-tables.ts';
import { type Chance, type Generator, type Known, type ListIntent, type ShownRow, canonical } from './domain.ts';

export type Body = Readonly<Record<string, unknown>>;
export type Position = readonly (string | number)[];

/** The request of a list, in the form of its operation. */
export interface ListQuery {
  readonly list: string;
  readonly filter: Readonly<Record<string, string>>;
  /** The last row of the page before, and of this page; null: there is none before, or none after. */
  readonly after: Position | null;
  readonly until: Position | null;
}

/** How many rows a page has: with few, a list is read in many pages. */
const LIMITS = ['1', '2', '100'];

/** The route of a list, and the declared list that it reads. */
export interface DeclaredList {
  readonly name: string;
  readonly path: string;
  readonly list: KeyedList;
  readonly model: ReadModel;
  /** Whether an item is the resource of the read model. */
  readonly isPlain: boolean;
}

/** The reads of a module, from its declarations. */
export interface DeclaredReads {
  readonly category: string;
  readonly idName: string;
  /** The route of one resource, and the read model behind it. Undefined: the module has none that follows the convention. */
  readonly resource: { readonly name: string; readonly path: string; readonly model: ReadModel } | undefined;
  readonly lists: readonly DeclaredList[];
  /** The read model that holds the resource. Undefined: there is none. */
  readonly shown: ReadModel | undefined;
}

export function declaredReadsOf({ aggregate, projections, routes }: Module): DeclaredReads {
  const { category } = aggregate;
  const idName = (aggregate as AnyAggregate).commands.id as string;
  const isNewest = ({ name, revision }: Projection) =>
    projections.every((other) => other.name !== name || other.revision <= revision);
  const models = projections.filter(
    (projection): projection is ReadModel & typeof projection => 'byId' in projection && isNewest(projection),
  );
  const gets = routes.filter(({ method }) => method === 'GET');
  const one = gets.find(({ path }) => path.endsWith(`/:${idName}`));
  const members = one === undefined ? '' : membersOf(one);
  const shown = models.findLast((model) => columnsOf(model) === members);
  const model = shown ?? models.at(-1);
  const lists = gets.flatMap((route): readonly DeclaredList[] => {
    const filter = filterOf(route);
    const found = models.flatMap((each) =>
      Object.entries(each.lists as Readonly<Record<string, KeyedList>>)
        .filter(([, list]) => list.filter.toSorted().join() === filter?.join())
        .map(([, list]) => {
          const isPlain = columnsOf(each) === itemMembersOf(route);
          return { name: route.operation.id, path: route.path, list, model: each, isPlain };
        }),
    );
    // With two lists of the same filters, a domain has to say itself which one a route has.
    return filter && found.length === 1 ? found : [];
  });
  return {
    category,
    idName,
    resource: one && model && { name: one.operation.id, path: one.path, model },
    lists,
    shown,
  };
}

function answerOf({ documentation }: Route['operation']): z.ZodMiniType | undefined {
  return documentation?.().answers[200]?.schema;
}

/** The names of an answer's members. */
function membersOf({ operation }: Route): string {
  return namesIn(answerOf(operation));
}

/** The names of the members of a page's items. */
function itemMembersOf({ operation }: Route): string {
  const page = answerOf(operation) as z.ZodMiniObject<{ items: z.ZodMiniArray }> | undefined;
  return namesIn(page?.shape.items?.def.element as z.ZodMiniType | undefined);
}

function namesIn(schema: z.ZodMiniType | undefined): string {
  const { shape = {} } = (schema ?? {}) as Partial<z.ZodMiniObject>;
  return Object.keys(shape).toSorted().join();
}

function columnsOf(model: ReadModel): string {
  const columns = shapeOf(model.tables('a').row).columns.map(({ property }) => property);
  // A read model that `readModelOfColumns` declares has no view.
  const view = model.view as ReadModel['view'] | undefined;
  return (view ? [model.row?.key ?? '', 'version', ...Object.keys(view)] : columns).toSorted().join();
}

/** The filters of a list's route; undefined: it is no list. */
function filterOf({ path, operation }: Route): readonly string[] | undefined {
  const names = Object.keys(operation.query?.shape ?? {});
  if (path.includes(':') || !names.includes('cursor') || !names.includes('limit')) return undefined;
  return names.filter((name) => name !== 'cursor' && name !== 'limit').toSorted();
}

/** What clients want to see of a module. */
export function declaredIntents(reads: DeclaredReads, known: Known): readonly Generator[] {
  const { category, idName, resource, lists } = reads;
  const ids = known.ids(category);
  const one: readonly Generator[] = resource
    ? [
        {
          name: resource.name,
          make(chance) {
            if (ids.length === 0) return undefined;
            const id = chance.hot(ids);
            const path = resource.path.replace(`:${idName}`, id);
            return { kind: 'read', readModel: resource.model.name, path, stream: `${category}-${id}` };
          },
        },
      ]
    : [];
  return [
    ...one,
    ...lists.map((list) => ({ name: list.name, make: (chance: Chance) => wanted(reads, list, known, chance) })),
  ];
}

function wanted(reads: DeclaredReads, declared: DeclaredList, known: Known, chance: Chance): ListIntent | undefined {
  if (known.ids(reads.category).length === 0 && chance.next() < 0.8) return undefined;
  const filter: Record<string, string> = {};
  for (const column of declared.list.filter) {
    const seen = known.of<string>(`${reads.category}.${column}`);
    if (seen.length > 0 && chance.next() < 0.3) filter[column] = chance.pick(seen);
  }
  return pageOf(reads, { ...declared, filter, limit: chance.pick(LIMITS) }, known);
}

interface Paged extends DeclaredList {
  readonly filter: Readonly<Record<string, string>>;
  readonly limit: string;
}

/** A page of a list, and from its answer the next one. What lies on it goes from the last row of the page before to its own last row. */
function pageOf(
  reads: DeclaredReads,
  paged: Paged,
  known: Known,
  before?: { readonly cursor: string; readonly after: Position },
): ListIntent {
  const { category } = reads;
  const { name, path, list, model, filter, limit } = paged;
  const asked = new URLSearchParams({ limit, ...filter, ...(before && { cursor: before.cursor }) });
  const lastOf = (body: Body) => list.keys.map(({ property }) => itemsOf(body).at(-1)?.[property]) as Position;
  return {
    kind: 'list',
    readModel: model.name,
    categories: [category],
    path: `${path}?${asked.toString()}`,
    isLaterPage: before !== undefined,
    query: (body) =>
      ({
        list: name,
        filter,
        after: before?.after ?? null,
        until: body['nextCursor'] === null ? null : lastOf(body),
      }) satisfies ListQuery,
    rowsOf(body) {
      for (const row of itemsOf(body)) remember(row, paged, category, known);
      return itemsOf(body).map((row) => shownRow(row, reads, paged));
    },
    next(body) {
      const cursor = body['nextCursor'] as string | null;
      return cursor === null ? undefined : pageOf(reads, paged, known, { cursor, after: lastOf(body) });
    },
  };
}

/** The values by which clients may filter are those that they have seen. */
function remember(row: Body, { list }: Paged, category: string, known: Known): void {
  for (const column of list.filter) {
    const seen = known.of<string>(`${category}.${column}`);
    const value = row[column];
    if (typeof value === 'string' && !seen.includes(value)) seen.push(value);
    if (typeof value === 'number' && !seen.includes(String(value))) seen.push(String(value));
  }
}

export function itemsOf(body: Body): readonly Body[] {
  return body['items'] as readonly Body[];
}

/** The content of a row is known where the resource shows the same row. */
function shownRow(row: Body, { category, idName, shown }: DeclaredReads, { model }: DeclaredList): ShownRow {
  const content = model === shown ? canonical(row) : null;
  return { stream: `${category}-${String(row[idName])}`, version: row['version'] as number, content };
}
