import type { Slot } from './slot-tables.ts';

/** One set of tables and the revision of the projection that they hold. */
export interface Target {
  readonly revision: number;
  readonly slot: Slot;
}

/**
 * The live target of a projection, and the other targets that move. A database has one pointer for each projection. Every change raises its epoch.
 */
export interface Pointer {
  readonly epoch: number;
  /** Its revision is `UNBUILT` during the first build. */
  readonly live: Target;
  /** All targets that every guarded batch moves. The live target is first, if there is one. */
  readonly moved: readonly Target[];
  /** When the last swap or rollback made a slot the former one, RFC 3339. Null if that was not recorded. */
  readonly formerSince: string | null;
}

/** The live revision of a projection before its first build is live. */
export const UNBUILT = 0;

interface PointerRow {
  readonly epoch: number;
  readonly live_revision: number;
  readonly live_slot: Slot;
  readonly moved: string;
  readonly former_since: string | null;
}

export function pointerStatement(database: D1Database, projection: string): D1PreparedStatement {
  return database
    .prepare(`SELECT epoch, live_revision, live_slot, moved, former_since FROM projection_pointer WHERE projection = ?`)
    .bind(projection);
}

/** Reads the result of `pointerStatement`. Undefined if the projection has no pointer: it was never built. */
export function toPointer(row: unknown): Pointer | undefined {
  if (!row) return undefined;
  const { epoch, live_revision: revision, live_slot: slot, moved, former_since: formerSince } = row as PointerRow;
  const live = { revision, slot };
  const others = JSON.parse(moved) as Target[];
  return { epoch, live, moved: revision === UNBUILT ? others : [live, ...others], formerSince };
}

/** The pointer of a projection. Undefined if it has none. */
export async function readPointer(database: D1Database, projection: string): Promise<Pointer | undefined> {
  return toPointer(await pointerStatement(database, projection).first());
}

/** Makes the first pointer of a projection. `live` may be `UNBUILT`. It changes nothing if the projection has a pointer. */
export async function makePointer(database: D1Database, projection: string, live: Target): Promise<void> {
  await database
    .prepare(
      `INSERT INTO projection_pointer (projection, epoch, live_revision, live_slot) VALUES (?1, 1, ?2, ?3)
      ON CONFLICT (projection) DO NOTHING`,
    )
    .bind(projection, live.revision, live.slot)
    .run();
}

export function isSameTarget(one: Target, other: Target): boolean {
  return one.revision === other.revision && one.slot === other.slot;
}

/** The targets that move besides the live one. */
export function beside({ live, moved }: Pointer): readonly Target[] {
  return moved.filter((target) => !isSameTarget(target, live));
}

/**
 * Pointers as last read, kept for the life of an isolate. A stale pointer is harmless: every batch and every query checks the epoch in its own
 * transaction. On a mismatch the caller drops the pointer and reads it again.
 */
export interface PointerCache {
  get(database: D1Database, projection: string): Promise<Pointer | undefined>;
  /** Drops a stale pointer. */
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
