import type { DomainEvent, EventMetadata, StoredEvent } from '../domain/event.ts';
import type { JsonObject } from '../domain/json.ts';
import type { StreamId } from '../domain/stream.ts';
import { type EventTypes, currentSchemaVersion } from '../domain/upcaster.ts';
import { START_MS, numberedUuid } from './manual-clock.ts';

/** The parts of an event's envelope that a test may give. The rest is filled in. */
interface Envelope {
  readonly id?: string;
  readonly recordedAt?: string;
  readonly metadata?: Partial<EventMetadata>;
}

/** An event in the shape that an earlier version of the code wrote. */
export interface EarlierEvent extends Envelope {
  /** The type's name at that time. */
  readonly type: string;
  readonly schemaVersion: number;
  readonly data: object;
}

/** An event in a test: only `{ type, data }`, or with the parts of its envelope that matter to the test. */
export type GivenEvent<Event extends DomainEvent> = (Event & Envelope) | EarlierEvent;

/**
 * Events in the form that the log stores, with envelopes that are the same in every run. They are recorded one second apart from 2026-01-01T00:00:00Z
 * on, and their ids count up. `fromVersion` is the version of the first. Each `series` has other ids, so that two streams never share one.
 *
 *     const [reserved] = storedEvents(seatType.events, streamId('seat', '12'), [{ type: 'SeatReserved', data: { guest: 'Ada' } }]);
 */
export function storedEvents<Event extends DomainEvent>(
  types: EventTypes<Event>,
  stream: StreamId,
  events: readonly GivenEvent<NoInfer<Event>>[],
  { fromVersion = 1, series = 0 } = {},
): readonly StoredEvent[] {
  return events.map((event, index): StoredEvent => {
    const version = fromVersion + index;
    const { type, data, id, recordedAt, metadata } = event;
    const causationId = numberedUuid(version, series + 1);
    return {
      id: id ?? numberedUuid(version, series),
      stream,
      version,
      type,
      schemaVersion: 'schemaVersion' in event ? event.schemaVersion : currentSchemaVersion(types, type),
      data: JSON.parse(JSON.stringify(data)) as JsonObject,
      metadata: { commandId: causationId, correlationId: causationId, causationId, actor: 'anonymous', ...metadata },
      recordedAt: recordedAt ?? new Date(START_MS + (version - 1) * 1000).toISOString(),
    };
  });
}
