import type { DomainEvent, RecordedEvent, StoredEvent } from './event.ts';
import { CodeTooOldError } from '../platform/faults.ts';
import type { JsonObject } from './json.ts';
import { parseActor } from './principal.ts';

/** Lifts an event's data by one schema version. It is pure, and accepts every shape ever written under the version that it lifts. */
export type Upcaster = (data: JsonObject) => JsonObject;

/** Lifts an event by one schema version. Before that, its type had another name. */
export interface Renaming {
  readonly formerType: string;
}

/** Makes the step at which an event type was renamed, for example `SeatTaken: [formerly('SeatReserved')]`. Stored events keep their name. */
export function formerly(type: string): Renaming {
  return { formerType: type };
}

type Steps = readonly (Upcaster | Renaming)[];

/**
 * Every event type of a category, each with the steps from its first shape, oldest first. The current schema version is one more than the number of
 * steps. A type whose shape and name never changed has `[]`.
 */
export type EventTypes<Event extends DomainEvent = DomainEvent> = {
  readonly [Type in Event['type']]: Steps;
};

/** This version of the code cannot read the event: its type is unknown, or its schema version is from the future. */
export class UnreadableEventError extends CodeTooOldError {
  override readonly name = 'UnreadableEventError';
}

/** The schema version of new events of `type`. */
export function currentSchemaVersion(types: EventTypes, type: string): number {
  const steps = ownSteps(types, type);
  if (!steps) throw unknownType(type);
  return steps.length + 1;
}

/** The former names of event types, each with the type's present name. */
export function formerTypes(types: EventTypes): readonly { readonly formerType: string; readonly type: string }[] {
  return Object.entries<Steps>(types).flatMap(([type, steps]) =>
    steps.flatMap((step) => (isRenaming(step) ? [{ formerType: step.formerType, type }] : [])),
  );
}

/**
 * Lifts a stored event to its current shape. Throws `UnreadableEventError` if this code does not know the type or the schema version. During a deploy
 * that means "not yet": the caller tries again later, and never counts it against the event.
 */
export function upcast<Event extends DomainEvent>(types: EventTypes<Event>, stored: StoredEvent): RecordedEvent<Event> {
  const { type, steps, newest } = readingOf(types, stored.type);
  if (stored.schemaVersion > newest) {
    throw new UnreadableEventError(
      `${stored.stream}@${stored.version}: ${stored.type} has schema version ${stored.schemaVersion}, but this code reads versions up to ${newest}`,
    );
  }
  const data = steps
    .slice(stored.schemaVersion - 1)
    .reduce((lifted, step) => (isRenaming(step) ? lifted : step(lifted)), stored.data);
  const { id, stream, version, recordedAt } = stored;
  const metadata = { ...stored.metadata, actor: parseActor(stored.metadata.actor) };
  return { id, stream, version, type, data, metadata, recordedAt } as unknown as RecordedEvent<Event>;
}

/** How to read events stored under a name: their present type, its steps, and the last schema version under that name. */
function readingOf(types: EventTypes, name: string): { type: string; steps: Steps; newest: number } {
  const own = ownSteps(types, name);
  if (own) return { type: name, steps: own, newest: own.length + 1 };
  for (const [type, steps] of Object.entries<Steps>(types)) {
    const index = steps.findIndex((step) => isRenaming(step) && step.formerType === name);
    if (index !== -1) return { type, steps, newest: index + 1 };
  }
  throw unknownType(name);
}

function ownSteps(types: EventTypes, type: string): Steps | undefined {
  return Object.hasOwn(types, type) ? types[type] : undefined;
}

function isRenaming(step: Upcaster | Renaming): step is Renaming {
  return 'formerType' in step;
}

function unknownType(type: string): UnreadableEventError {
  return new UnreadableEventError(`this code does not know the event type ${type}`);
}
