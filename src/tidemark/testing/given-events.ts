import type { DomainEvent, EventMetadata, StoredEvent } from '../domain/event.ts';
import type { JsonObject } from '../domain/json.ts';
import type { StreamId } from '../domain/stream.ts';
import { type EventTypes, currentSchemaVersion } from '../domain/upcaster.ts';
import { START_MS, numberedUuid } from './manual-clock.ts';

/** What a test may say of an event's envelope; the rest is filled in. */
interface Envelope {
  readonly id?: string;
  readonly recordedAt?: string;
  readonly metadata?: Partial<EventMetadata>;
}

/** An event in the shape in which an earlier version of the code wrote it. */
export interface EarlierEvent extends Envelope {
  /** As it was called then. */
  readonly type: string;
  readonly schemaVersion: number;
  readonly data: object;
}

/** An event as a test writes it: bare, as `{ type, data }`, or with as much of its envelope as matters to the test. */
export type GivenEvent<Event extends DomainEvent> = (Event & Envelope) | EarlierEvent;

/**
 * Events as the log stores them, with envelopes that are the same in every run: recorded one second apart from 2026-01-01T00:00:00Z on, ids
 * counted up. `fromVersion` is the version of the first; `series` keeps the ids of one stream apart from another's.
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
