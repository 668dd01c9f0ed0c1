import type { DomainEvent, RecordedEvent, StoredEvent } from '../event.ts';
import { CodeTooOldError } from '../faults.ts';
import type { JsonObject } from '../json.ts';

/** Lifts an event's data by one schema version. Pure, and total over every shape ever written under the version it lifts. */
export type Upcaster = (data: JsonObject) => JsonObject;

/**
 * Every event type of a category, each with the upcasters from its first shape on, oldest first. The current schema version is
 * one more than their number, so a type whose shape never changed has `[]`.
 */
export type EventTypes<Event extends DomainEvent = DomainEvent> = {
  readonly [Type in Event['type']]: readonly Upcaster[];
};

/** An event that this version of the code cannot read: its type is unknown, or its schema version is from the future. */
export class UnreadableEventError extends CodeTooOldError {
  override readonly name = 'UnreadableEventError';
}

/** The schema version that events of `type` are written with today. */
export function currentSchemaVersion(types: EventTypes, type: string): number {
  return upcastersOf(types, type).length + 1;
}

/**
 * A stored event in its current shape. Throws `UnreadableEventError` for a type or a schema version that this code does not know,
 * which during a deploy means "not yet": the caller tries again later and never counts it against the event.
 */
export function upcast<Event extends DomainEvent>(types: EventTypes<Event>, stored: StoredEvent): RecordedEvent<Event> {
  const upcasters = upcastersOf(types, stored.type);
  if (stored.schemaVersion > upcasters.length + 1) {
    throw new UnreadableEventError(
      `${stored.stream}@${stored.version}: ${stored.type} has schema version ${stored.schemaVersion}, this code reads up to ${upcasters.length + 1}`,
    );
  }
  const data = upcasters.slice(stored.schemaVersion - 1).reduce((lifted, lift) => lift(lifted), stored.data);
  const { id, stream, version, type, metadata, recordedAt } = stored;
  return { id, stream, version, type, data, metadata, recordedAt } as unknown as RecordedEvent<Event>;
}

function upcastersOf(types: EventTypes, type: string): readonly Upcaster[] {
  const upcasters = Object.hasOwn(types, type) ? types[type] : undefined;
  if (upcasters === undefined) throw new UnreadableEventError(`this code does not know the event type ${type}`);
  return upcasters;
}
