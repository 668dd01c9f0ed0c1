import type { StoredEvent } from '../domain/event.ts';
import type { AggregateStorage, Commit, Head, RememberedCommand, Snapshot } from '../write/aggregate-storage.ts';
import type { DeliveryAttempts } from '../write/event-log.ts';

export interface InMemoryStorageOptions {
  /** The most characters of JSON in a page of the log. A longer page ends early. Default: no limit. */
  readonly pageLength?: number;
}

/** One aggregate's storage in memory. Like a disk, it outlives the aggregate on it. */
export interface InMemoryStorage extends AggregateStorage, DeliveryAttempts {
  /** Deletes the snapshot, as a manual repair might. Only the log is the truth. */
  deleteSnapshot(): void;
}

/** Keeps everything as JSON, as the SQLite storage does. So a read returns the values that a cold start sees. */
export function inMemoryStorage(options: InMemoryStorageOptions = {}): InMemoryStorage {
  const { pageLength = Number.POSITIVE_INFINITY } = options;
  let events: readonly string[] = [];
  let snapshot: string | undefined;
  let remembered: ReadonlyMap<string, RememberedCommand & { readonly expiresAt: number }> = new Map();
  let attempt = 0;

  return {
    head(): Head | undefined {
      const last = events.at(-1);
      if (last === undefined) return undefined;
      const { stream, version, id, recordedAt } = JSON.parse(last) as StoredEvent;
      return { stream, version, eventId: id, recordedAt };
    },

    read(fromVersion, limit): readonly StoredEvent[] {
      const page: string[] = [];
      let length = 0;
      for (const event of events.slice(Math.max(fromVersion - 1, 0)).slice(0, limit)) {
        length += event.length;
        if (page.length > 0 && length > pageLength) break;
        page.push(event);
      }
      return page.map((event) => JSON.parse(event) as StoredEvent);
    },

    snapshot: () => (snapshot === undefined ? undefined : (JSON.parse(snapshot) as Snapshot)),

    remembered(key, now): RememberedCommand | undefined {
      const known = remembered.get(key);
      return known && known.expiresAt > now ? { fingerprint: known.fingerprint, version: known.version } : undefined;
    },

    commit(commit: Commit): void {
      for (const [index, event] of commit.events.entries()) {
        const expected = events.length + index + 1;
        if (event.version !== expected)
          throw new Error(`the log has ${expected - 1} events, so ${event.version} cannot be the next version`);
      }
      const kept = [...remembered].filter(([, { expiresAt }]) => expiresAt > commit.now);
      if (commit.remember && kept.some(([key]) => key === commit.remember?.key))
        throw new Error('the key is already remembered');
      const after = [...events, ...commit.events.map((event) => JSON.stringify(event))];
      // Last, as in the storage's transaction: if it throws, nothing of the commit remains.
      commit.armAlarm();
      events = after;
      remembered = new Map(commit.remember ? [...kept, [commit.remember.key, commit.remember]] : kept);
      if (commit.snapshot) snapshot = JSON.stringify(commit.snapshot);
    },

    attempt: () => attempt,
    setAttempt(next) {
      attempt = next;
    },
    deleteSnapshot() {
      snapshot = undefined;
    },
  };
}
