import type { JsonObject } from './json.ts';
import type { StreamId } from './stream.ts';

/** A past-tense fact as the domain writes it, for example `{ type: 'SeatReserved', data: { seat: 12 } }`. */
export interface DomainEvent<Type extends string = string, Data extends object = object> {
  readonly type: Type;
  readonly data: Data;
}

/** Hashes that recognise a retried command: of its scoped idempotency key, and of the body the client sent. */
export interface IdempotencyMark {
  readonly key: string;
  readonly fingerprint: string;
}

/** Where an event came from. */
export interface EventMetadata {
  /** The command that was decided. All events of one decision share it. */
  readonly commandId: string;
  /** The business conversation: the same through every command and event that followed from one request. */
  readonly correlationId: string;
  /** What directly caused the command: a request or another event. */
  readonly causationId: string;
  /** The verified principal who sent the command, or `anonymous`. */
  readonly actor: string;
  /** Only on a stream's first event: a create's idempotency key lives as long as what it created. */
  readonly idempotency?: IdempotencyMark;
}

/** An event as the log, the messages and the archive carry it: as it was written, whatever the code's shape is today. */
export interface StoredEvent {
  /** UUIDv7. */
  readonly id: string;
  readonly stream: StreamId;
  /** Position in its stream, from 1. */
  readonly version: number;
  readonly type: string;
  /** Which shape `data` has; upcasters lift it to the current one. From 1. */
  readonly schemaVersion: number;
  readonly data: JsonObject;
  readonly metadata: EventMetadata;
  /** RFC 3339 UTC with milliseconds; never before the event before it in the stream. */
  readonly recordedAt: string;
}

/** An event lifted to its current shape, with its envelope: what `evolve` and projections see. */
export type RecordedEvent<Event extends DomainEvent = DomainEvent> = Event &
  Pick<StoredEvent, 'id' | 'stream' | 'version' | 'metadata' | 'recordedAt'>;
