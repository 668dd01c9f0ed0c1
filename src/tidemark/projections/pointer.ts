import type { Slot } from './slot-tables.ts';

/** One set of tables and the revision of the projection that they hold. */
export interface Target {
  readonly revision: number;
  readonly slot: Slot;
}

/** What is live and what else moves: one row for each projection. Every change of it raises the epoch. */
export interface Pointer {
  readonly epoch: number;
  /** Its revision is `UNBUILT` while the first build goes on. */
  readonly live: Target;
  /** Everything that every guarded batch moves: the live target first, if there is one. */
  readonly moved: readonly Target[];
  /** RFC 3339: when the last swap or rollback made a slot the former one, as far as that was noted. */
  readonly formerSince: string | null;
}

/** The live revision of a projection that has nothing live yet. */
export const UNBUILT = 0;

interface PointerRow {
  readonly epoch: number;
  readonly live_revision: number;
  readonly live_slot: Slot;
  readonly moved: string;
  readonly former_since: string | null;
}

/** Reads the pointer of a projection. */
export function pointerStatement(database: D1Database, projection: string): D1PreparedStatement {
  return database
    .prepare(`SELECT epoch, live_revision, live_slot, moved, former_since FROM projection_pointer WHERE projection = ?`)
    .bind(projection);
}

/** Reads the answer of `pointerStatement`; undefined when there is none: the projection was never built. */
export function toPointer(row: unknown): Pointer | undefined {
  if (!row) return undefined;
  const { epoch, live_revision: revision, live_slot: slot, moved, former_since: formerSince } = row as PointerRow;
  const live = { revision, slot };
  const others = JSON.parse(moved) as Target[];
  return { epoch, live, moved: revision === UNBUILT ? others : [live, ...others], formerSince };
}

/** The pointer of a projection, or undefined when there is none. */
export async function readPointer(database: D1Database, projection: string): Promise<Pointer | undefined> {
  return toPointer(await pointerStatement(database, projection).first());
}

/** Makes the first pointer of a projection: `live` may be `UNBUILT`. Harmless where there is one already. */
export async function makePointer(database: D1Database, projection: string, live: Target): Promise<void> {
  await database
    .prepare(
      `INSERT INTO projection_pointer (projection, epoch, live_revision, live_slot) VALUES (?1, 1, ?2, ?3)
      ON CONFLICT (projection) DO NOTHING`,
    )
    .bind(projection, live.revision, live.slot)
    .run();
}

/** Whether two targets are the same. */
export function isSameTarget(one: Target, other: Target): boolean {
  return one.revision === other.revision && one.slot === other.slot;
}

/** Everything that is moved beside what is live. */
export function beside({ live, moved }: Pointer): readonly Target[] {
  return moved.filter((target) => !isSameTarget(target, live));
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
