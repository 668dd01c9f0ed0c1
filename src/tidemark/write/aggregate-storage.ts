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

/** A stored copy of the folded state. It shortens a cold start. The log alone is the truth: a snapshot can be deleted at any time. */
export interface Snapshot {
  /** The `stateVersion` of the code that folded it. */
  readonly stateVersion: number;
  /** The version of the last event in the state, and that event's id. The id ties the snapshot to this log. */
  readonly version: number;
  readonly eventId: string;
  readonly state: JsonObject;
}

/** The outcome of a command with an idempotency key. */
export interface RememberedCommand {
  readonly fingerprint: string;
  /** The stream's version right after the command. */
  readonly version: number;
}

/** Everything that one command changes. The storage takes all of it or nothing (I6). */
export interface Commit {
  readonly stream: StreamId;
  /** Empty if the command decided nothing. The stream then exists already. */
  readonly events: readonly StoredEvent[];
  readonly remember?: RememberedCommand & { readonly key: string; readonly expiresAt: number };
  readonly snapshot?: Snapshot;
  /** The time of the commit, in ms since the epoch. The storage may forget keys that have expired by then. */
  readonly now: number;
  /** Runs inside the transaction. It arms the alarm, which is the durable intent to publish. */
  readonly armAlarm: () => void;
}

/**
 * The storage of one aggregate. It is synchronous on purpose: no other code can run between a load and its append. So the version check holds without
 * locks. A read of an absent stream stores nothing.
 */
export interface AggregateStorage {
  /** The end of the log, or undefined before the first append. */
  head(): Head | undefined;
  /** Events from `fromVersion` on, in order. At most `limit`; fewer if they are large, but at least one if there is any. */
  read(fromVersion: number, limit: number): readonly StoredEvent[];
  snapshot(): Snapshot | undefined;
  remembered(key: string, now: number): RememberedCommand | undefined;
  commit(commit: Commit): void;
}
