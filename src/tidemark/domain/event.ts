import type { JsonObject } from './json.ts';
import type { Actor } from './principal.ts';
import type { StreamId } from './stream.ts';

/** A past-tense fact, in the form that the domain writes, for example `{ type: 'SeatReserved', data: { seat: 12 } }`. */
export interface DomainEvent<Type extends string = string, Data extends object = object> {
  readonly type: Type;
  readonly data: Data;
}

/** Hashes that identify a retried command: of its scoped idempotency key, and of the body that the client sent. */
export interface IdempotencyMark {
  readonly key: string;
  readonly fingerprint: string;
}

/** The origin of an event, as it is stored. */
export interface EventMetadata {
  /** The command that caused the event. All events of one decision share it. */
  readonly commandId: string;
  /** The business conversation: every command and event that follows from one request has the same id. */
  readonly correlationId: string;
  /** The direct cause of the command: a request or another event. */
  readonly causationId: string;
  /** The text of the principal who sent the command (`actorText`). */
  readonly actor: string;
  /** Only on a stream's first event. The idempotency key of a create lives as long as the aggregate that it created. */
  readonly idempotency?: IdempotencyMark;
}

/** An event in the log, the messages and the archive. It keeps the shape that it was written with, whatever the code's shape is today. */
export interface StoredEvent {
  /** UUIDv7. */
  readonly id: string;
  readonly stream: StreamId;
  /** Position in its stream, from 1. */
  readonly version: number;
  readonly type: string;
  /** The version of the shape of `data`, from 1. Upcasters lift it to the current one. */
  readonly schemaVersion: number;
  readonly data: JsonObject;
  readonly metadata: EventMetadata;
  /** RFC 3339 UTC with milliseconds. Never earlier than that of the stream's previous event. */
  readonly recordedAt: string;
}

/** The origin of an event. */
export interface RecordedMetadata extends Omit<EventMetadata, 'actor'> {
  /** The principal who sent the command. */
  readonly actor: Actor;
}

/** An event lifted to its current shape, with its envelope. `evolve` and projections get this form. */
export type RecordedEvent<Event extends DomainEvent = DomainEvent> = Event &
  Pick<StoredEvent, 'id' | 'stream' | 'version' | 'recordedAt'> & { readonly metadata: RecordedMetadata };
