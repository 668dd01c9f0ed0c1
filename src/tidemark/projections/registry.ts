import { CodeTooOldError } from '../platform/faults.ts';
import type { Group } from '../platform/group.ts';
import type { EventSourcedModule } from './event-sourced-module.ts';
import type { Projection } from './projection.ts';
import { type StreamId, categoryOf } from '../domain/stream.ts';
import type { AnyAggregateType } from '../domain/aggregate-type.ts';
import { formerTypes } from '../domain/upcaster.ts';

/** All registered aggregate types, groups and projections, with the lookups that the kernel needs. */
export interface Registry {
  readonly groups: readonly Group[];
  /** Throws `CodeTooOldError` if no module has the category. */
  readonly typeOf: (stream: StreamId) => AnyAggregateType;
  readonly hasCategory: (category: string) => boolean;
  /** The groups with a projection that follows the stream. Undefined if no module has the category. */
  readonly groupsOf: (stream: StreamId) => readonly Group[] | undefined;
  /** The newest revision of every projection of a group. */
  readonly projectionsOf: (group: Group) => readonly Projection[];
  /** The newest revision of every projection that follows the stream. */
  readonly projectionsFollowing: (stream: StreamId) => readonly Projection[];
  readonly revisionOf: (name: string, revision: number) => Projection | undefined;
  /** Every revision of a projection in this code, the newest last. Empty if no projection has the name. */
  readonly revisionsOf: (name: string) => readonly Projection[];
}

/**
 * Builds the registry. `others` are projections of no module. Throws if two modules claim a category, or two projections have one name and revision.
 */
export function createRegistry(
  modules: readonly EventSourcedModule[],
  groups: readonly Group[],
  others: readonly Projection[] = [],
): Registry {
  const types = new Map<string, AnyAggregateType>();
  for (const { aggregate } of modules) {
    if (!/^[a-z][a-z0-9]*$/.test(aggregate.category))
      throw new Error(`"${aggregate.category}" is not a category: a category is one lower-case word`);
    if (types.has(aggregate.category)) throw new Error(`two modules declare the category "${aggregate.category}"`);
    types.set(aggregate.category, aggregate);
    checkRenamings(aggregate);
  }

  const revisions = new Map<string, Projection>();
  const newest = new Map<string, Projection>();
  for (const projection of [...modules.flatMap((module) => module.projections), ...others]) {
    const id = `${projection.name}@${projection.revision}`;
    if (revisions.has(id)) throw new Error(`the projection ${id} is registered twice`);
    for (const category of Object.keys(projection.follows)) {
      if (!types.has(category)) throw new Error(`the projection ${id} follows "${category}", which no module has`);
    }
    const other = newest.get(projection.name);
    if (other && !isSuccession(other, projection)) {
      throw new Error(
        `two revisions of ${projection.name} have different groups or follow different categories: give the new one another name`,
      );
    }
    revisions.set(id, projection);
    if ((newest.get(projection.name)?.revision ?? 0) < projection.revision) newest.set(projection.name, projection);
  }
  const projections = [...newest.values()];
  for (const { name, group } of projections) {
    if (!groups.includes(group))
      throw new Error(`the projection ${name} is in the group "${group.name}", which is not listed`);
  }

  function projectionsFollowing(stream: StreamId): readonly Projection[] {
    return projections.filter(({ follows }) => Object.hasOwn(follows, categoryOf(stream)));
  }

  return {
    groups,
    typeOf(stream) {
      const type = types.get(categoryOf(stream));
      if (!type) throw new CodeTooOldError(`no module has the category "${categoryOf(stream)}"`);
      return type;
    },
    hasCategory: (name) => types.has(name),
    groupsOf(stream) {
      if (!types.has(categoryOf(stream))) return undefined;
      const following = new Set(projectionsFollowing(stream).map(({ group }) => group));
      return groups.filter((group) => following.has(group));
    },
    projectionsOf: (group) => projections.filter((projection) => projection.group === group),
    projectionsFollowing,
    revisionOf: (name, revision) => revisions.get(`${name}@${revision}`),
    revisionsOf: (name) =>
      [...revisions.values()]
        .filter((projection) => projection.name === name)
        .toSorted((one, other) => one.revision - other.revision),
  };
}

/** Refuses a name that stands for two event types. A stored event of that name would be ambiguous. */
function checkRenamings({ category, events }: AnyAggregateType): void {
  const names = new Set(Object.keys(events));
  for (const { formerType, type } of formerTypes(events)) {
    if (names.has(formerType))
      throw new Error(`"${category}" has the event type "${formerType}" twice: ${type} has it as a former name`);
    names.add(formerType);
  }
}

/** Whether the same hints can move two revisions of a projection: they have the same group and the same categories. */
function isSuccession(one: Projection, other: Projection): boolean {
  const categories = (projection: Projection) => Object.keys(projection.follows).toSorted().join();
  return one.group === other.group && categories(one) === categories(other);
}
