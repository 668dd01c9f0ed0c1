import { drizzle } from 'drizzle-orm/d1';

import type { StoredEvent } from '../../../src/tidemark/domain/event.ts';
import type { KeyedList } from '../../../src/tidemark/authoring/keyed-list.ts';
import type { Module } from '../../../src/tidemark/authoring/registered-module.ts';
import type { Projection } from '../../../src/tidemark/projections/projection.ts';
import type { Row, Slot } from '../../../src/tidemark/projections/slot-tables.ts';
import { type InMemoryReadModel, inMemoryReadModel } from '../../../src/tidemark/testing/in-memory-read-model.ts';
import type { CheckOptions } from '../checker.ts';
import { nothingKnown } from './known.ts';
import { firstFew, keyedDifferences } from '../differences.ts';
import { type ListOperation, type SkippedEvent, categoryOf } from '../history.ts';
import {
  type Body,
  type DeclaredReads,
  type ListQuery,
  type Position,
  declaredIntents,
  declaredReadsOf,
  itemsOf,
} from './declared-reads.ts';
import {
  type AtRest,
  type DomainRun,
  type Generator,
  type Known,
  type Logs,
  type ModuleIntents,
  type SimulatedDomain,
  canonical,
} from './domain.ts';

/** What a domain says itself, in the place of what its declarations say. */
export interface OwnRules {
  /**
   * The read models that these rules know. They hold for the modules that have one of these; the declarations hold for all other modules, and
   * for other read models of the same modules.
   */
  readonly readModels: readonly string[];
  /** See `SimulatedDomain`. */
  readonly formerModules?: readonly Module[];
  readonly begin: (known: Known) => Partial<Omit<DomainRun, 'generators'>> & {
    /** Instead of reads of the resource routes and lists. */
    readonly reads?: readonly Generator[];
  };
}

/**
 * Modules as the simulation runs them. Clients send the commands that `intents` think up, and read what the routes offer. The expected
 * content of each read model is the fold of the logs in memory; what belongs into a list, and in which order, follows from its declaration.
 */
export function simulatedDomain(
  modules: readonly Module[],
  intents: readonly ModuleIntents[],
  own?: OwnRules,
): SimulatedDomain {
  const known = new Set(own?.readModels);
  const owned = modules.filter(({ projections }) => projections.some(({ name }) => known.has(name)));
  const categories = new Set(owned.map(({ aggregate }) => aggregate.category));
  const all = modules.map(declaredReadsOf);
  const others = all.map((reads) => (categories.has(reads.category) ? withoutKnown(reads, known) : reads));
  return {
    name: 'domain',
    modules,
    ...(own?.formerModules && { formerModules: own.formerModules }),
    begin(run): DomainRun {
      const heard = nothingKnown();
      const rules = own?.begin(heard) ?? {};
      return {
        saw: rules.saw ?? (() => ({})),
        contentOf: (stream, events) =>
          rules.contentOf && categories.has(categoryOf(stream))
            ? rules.contentOf(stream, events)
            : contentOf(all, stream, events),
        membership(logs, skipped) {
          const declared = membershipOf(all, logs, skipped);
          const ofRules = rules.membership?.(logs, skipped);
          return {
            ...ofRules,
            belongs: (operation, ...version) =>
              (ofRules && known.has(operation.readModel) ? ofRules : declared).belongs?.(operation, ...version),
          };
        },
        judgeAtRest: async (rest) =>
          rules.judgeAtRest
            ? [...(await rules.judgeAtRest(rest)), ...(await judgeAtRest(projectionsOf(modules, known), others, rest))]
            : judgeAtRest(projectionsOf(modules), all, rest),
        generators: [
          ...intents.flatMap(({ commands }) => commands(heard, run)),
          ...(rules.reads ?? []),
          ...(rules.reads ? others : all).flatMap((each) => declaredIntents(each, heard)),
        ],
      };
    },
  };
}

/** The derived reads, without those of the read models that other rules know. */
function withoutKnown(reads: DeclaredReads, known: ReadonlySet<string>): DeclaredReads {
  return {
    ...reads,
    resource: undefined,
    shown: undefined,
    lists: reads.lists.filter(({ model }) => !known.has(model.name)),
  };
}

/** All revisions of the read models that no rules of a domain know, by name. */
function projectionsOf(
  modules: readonly Module[],
  known: ReadonlySet<string> = new Set(),
): ReadonlyMap<string, readonly Projection[]> {
  const all = modules.flatMap(({ projections }) => projections).filter(({ name }) => !known.has(name));
  return Map.groupBy(all, ({ name }) => name);
}

/** The rows of a model, as clients see them. */
function shownIn(model: Projection, folded: InMemoryReadModel): readonly Row[] {
  const { rows } = folded.tables();
  return rows.map((row) => model.row?.form?.toHandlers(row) ?? row);
}

/** The row of a stream right after the last of these events. */
function rowAfter(model: Projection, events: readonly StoredEvent[]): Row | undefined {
  const folded = inMemoryReadModel(model);
  folded.apply(events);
  return shownIn(model, folded)[0];
}

function contentOf(all: readonly DeclaredReads[], stream: string, events: readonly StoredEvent[]) {
  const reads = all.find(({ category }) => category === categoryOf(stream));
  if (!reads?.shown) return undefined;
  const row = rowAfter(reads.shown, events);
  return row ? canonical(row) : null;
}

function without(
  skipped: readonly SkippedEvent[],
  readModel: string,
  events: readonly StoredEvent[],
): readonly StoredEvent[] {
  return events.filter(
    ({ stream, version }) =>
      !skipped.some((one) => one.readModel === readModel && one.stream === stream && one.version === version),
  );
}

function membershipOf(all: readonly DeclaredReads[], logs: Logs, skipped: readonly SkippedEvent[]): CheckOptions {
  const lists = new Map(all.flatMap(({ lists: its }) => its.map((list) => [list.name, list] as const)));
  const folds = new Map<string, readonly (Row | undefined)[]>();

  /** A stream's row at each version, from 0. */
  function rowsOf(model: Projection, stream: string): readonly (Row | undefined)[] {
    const name = `${model.name}/${stream}`;
    const known = folds.get(name);
    if (known) return known;
    const events = logs[stream] ?? [];
    const kept = without(skipped, model.name, events);
    const folded = inMemoryReadModel(model);
    const rows: (Row | undefined)[] = [undefined];
    for (const event of events) {
      if (kept.includes(event)) folded.apply([event]);
      rows.push(shownIn(model, folded)[0]);
    }
    folds.set(name, rows);
    return rows;
  }

  return {
    belongs({ query }: ListOperation, stream, version) {
      const { list: name, filter, after, until } = query as unknown as ListQuery;
      const declared = lists.get(name);
      if (!declared) return undefined;
      const row = rowsOf(declared.model, stream)[version];
      if (!row) return false;
      const isMatch = Object.entries(filter).every(([column, value]) => String(row[column]) === value);
      const here = positionOf(declared.list, row);
      return (
        isMatch &&
        (after === null || compare(declared.list, here, after) > 0) &&
        (until === null || compare(declared.list, here, until) <= 0)
      );
    },
  };
}

function positionOf({ keys }: KeyedList, row: Row): Position {
  return keys.map(({ property }) => row[property] as string | number);
}

/** Which of two rows comes first in a list. */
function compare({ keys }: KeyedList, one: Position, other: Position): number {
  for (const [index, { isDescending }] of keys.entries()) {
    const [left, right] = [one[index] ?? '', other[index] ?? ''];
    if (left !== right) return left < right === isDescending ? 1 : -1;
  }
  return 0;
}

/** The errors in the read models: in the answers that clients get, and in every live table. */
async function judgeAtRest(
  projections: ReadonlyMap<string, readonly Projection[]>,
  reads: readonly DeclaredReads[],
  rest: AtRest,
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const [name, revisions] of projections) found.push(...(await inTables(name, revisions, rest)));
  for (const each of reads) found.push(...(await inAnswers(each, rest)));
  return found;
}

/** Every table of a projection, in the slot and the revision that are live. */
async function inTables(
  name: string,
  revisions: readonly Projection[],
  { logs, skipped, databases }: AtRest,
): Promise<readonly string[]> {
  const group = revisions[0]?.group.name as keyof typeof databases;
  const pointer = await databases[group]
    .prepare('SELECT live_revision AS revision, live_slot AS slot FROM projection_pointer WHERE projection = ?')
    .bind(name)
    .first<{ revision: number; slot: Slot }>();
  const projection = revisions.find(({ revision }) => revision === pointer?.revision);
  if (!pointer || !projection) return [`nothing of ${name} is live that this code knows`];
  const folded = folding(projection, logs, skipped);
  const { rows, appended, counters } = folded.tables();
  const expected: Readonly<Record<string, readonly Row[]>> = {
    ...(projection.row && { row: rows }),
    ...appended,
    ...narrow(projection, counters),
  };
  const tables = projection.tables(pointer.slot);
  const differences = await Promise.all(
    Object.entries(expected).map(async ([table, wanted]) => {
      const is = (await drizzle(databases[group])
        .select()
        .from(tables[table] as never)) as readonly Row[];
      const { key } = projection.counters[table] ?? { key: undefined };
      // A counter that has come back to nothing is as good as one that was never there.
      const counts = (row: Row) =>
        !key || Object.entries(row).some(([column, value]) => !key.includes(column) && value !== 0);
      const keyOf = (row: Row) =>
        key
          ? canonical(key.map((column) => row[column]))
          : projection.row && table === 'row'
            ? String(row[projection.row.key])
            : canonical(row);
      return keyedDifferences(`${name}: ${table}`, wanted, is.filter(counts), keyOf, { inOrder: false });
    }),
  );
  return firstFew(differences.flat());
}

/** Without sums that take two columns: no row of these tables looks like the sum. */
function narrow(
  { counters }: Projection,
  folded: Readonly<Record<string, readonly Row[]>>,
): Readonly<Record<string, readonly Row[]>> {
  return Object.fromEntries(Object.entries(folded).filter(([name]) => counters[name]?.wide === undefined));
}

function folding(projection: Projection, logs: Logs, skipped: readonly SkippedEvent[]): InMemoryReadModel {
  const folded = inMemoryReadModel(projection);
  for (const [stream, events] of Object.entries(logs))
    if (Object.hasOwn(projection.follows, categoryOf(stream))) folded.apply(without(skipped, projection.name, events));
  return folded;
}

/** Each list whole and in its order, and each resource. */
async function inAnswers(
  { category, idName, resource, lists, shown }: DeclaredReads,
  { logs, skipped, get }: AtRest,
): Promise<readonly string[]> {
  const found: string[] = [];
  const keyOf = (row: Row | Body) => String((row as Body)[idName]);
  for (const { path, list, model, isPlain } of lists) {
    const items = itemsOf((await get(`${path}?limit=100`)) as Body);
    const expected = shownIn(model, folding(model, logs, skipped)).toSorted((one, other) =>
      compare(list, positionOf(list, one), positionOf(list, other)),
    );
    const [wanted, is] = isPlain ? [expected, items] : [expected.map(idAndVersion), items.map(idAndVersion)];
    found.push(...firstFew(keyedDifferences(`GET ${path}:`, wanted as readonly Row[], is, keyOf, { inOrder: true })));
  }
  if (!resource) return found;
  const rows = shownIn(resource.model, folding(resource.model, logs, skipped));
  for (const row of rows) {
    const path = resource.path.replace(`:${idName}`, keyOf(row));
    const body = (await get(path)) as Body;
    const [wanted, is] = shown ? [row, body] : [idAndVersion(row), idAndVersion(body)];
    found.push(...firstFew(keyedDifferences(`GET ${path} of ${category}:`, [wanted], [is], keyOf, { inOrder: true })));
  }
  return found;

  function idAndVersion(row: Row | Body): Body {
    return { [idName]: (row as Body)[idName], version: row['version'] };
  }
}
