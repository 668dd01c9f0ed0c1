import type { StoredEvent } from '../domain/event.ts';
import type { JsonObject } from '../domain/json.ts';
import type { StreamId } from '../domain/stream.ts';

/** The end of a stream's log. */
export interface Head {
  readonly stream: StreamId;
  readonly version: number;
  readonly eventId: string;
  readonly recordedAt: string;
}

/** A folded state kept to shorten a cold start. Never the truth: it can be deleted at any time. */
export interface Snapshot {
  /** The `stateVersion` of the code that folded it. */
  readonly stateVersion: number;
  /** The version of the last event in it, and that event's id, which ties it to this very log. */
  readonly version: number;
  readonly eventId: string;
  readonly state: JsonObject;
}

/** What an idempotency key did. */
export interface RememberedCommand {
  readonly fingerprint: string;
  /** The stream's version right after the command. */
  readonly version: number;
}

/** Everything that one command changes; it is stored whole or not at all (I6). */
export interface Commit {
  readonly stream: StreamId;
  /** None where the command decided nothing; the stream then exists already. */
  readonly events: readonly StoredEvent[];
  readonly remember?: RememberedCommand & { readonly key: string; readonly expiresAt: number };
  readonly snapshot?: Snapshot;
  /** Remembered keys that expired before this time (ms since the epoch) may go. */
  readonly now: number;
  /** Runs inside the transaction: arms the alarm, which is the durable intent to publish. */
  readonly armAlarm: () => void;
}

/**
 * One aggregate's own storage. Synchronous on purpose: between a load and its append nothing else can run, which is what makes the
 * version check hold without locks. Reading what does not exist stores nothing.
 */
export interface AggregateStorage {
  /** The end of the log, or undefined before the first append. */
  head(): Head | undefined;
  /** Events from `fromVersion` on, in order: at most `limit`, and fewer when they are large (but one at least, if there is one). */
  read(fromVersion: number, limit: number): readonly StoredEvent[];
  snapshot(): Snapshot | undefined;
  remembered(key: string, now: number): RememberedCommand | undefined;
  commit(commit: Commit): void;
}
