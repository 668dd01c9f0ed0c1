import type { Slot } from './slot-tables.ts';

/** One set of tables and the revision of the projection that they hold. */
export interface Target {
  readonly revision: number;
  readonly slot: Slot;
}

/** What is live and what else moves: one row for each projection. Every change of it raises the epoch. */
export interface Pointer {
  readonly epoch: number;
  readonly live: Target;
  /** Everything that every guarded batch moves: the live target first. */
  readonly moved: readonly Target[];
}

/** The pointer of a projection from its primary, or undefined when there is none: it was never built. */
async function readPointer(database: D1Database, projection: string): Promise<Pointer | undefined> {
  const row = await database
    .prepare(`SELECT epoch, live_revision, live_slot, moved FROM projection_pointer WHERE projection = ?`)
    .bind(projection)
    .first<{ epoch: number; live_revision: number; live_slot: Slot; moved: string }>();
  if (!row) return undefined;
  const live = { revision: row.live_revision, slot: row.live_slot };
  return { epoch: row.epoch, live, moved: [live, ...(JSON.parse(row.moved) as Target[])] };
}

/**
 * Pointers as last read, kept for the life of an isolate. They may be stale, and harmlessly so: every batch and every query checks the
 * epoch in its own transaction and has the pointer read again on a mismatch.
 */
export interface PointerCache {
  get(database: D1Database, projection: string): Promise<Pointer | undefined>;
  /** Drops a pointer that turned out to be stale. */
  drop(projection: string): void;
}

export function pointerCache(): PointerCache {
  const pointers = new Map<string, Pointer>();
  return {
    async get(database, projection) {
      const known = pointers.get(projection);
      if (known) return known;
      const pointer = await readPointer(database, projection);
      if (pointer) pointers.set(projection, pointer);
      return pointer;
    },
    drop(projection) {
      pointers.delete(projection);
    },
  };
}
