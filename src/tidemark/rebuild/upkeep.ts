import { timestamp } from '../platform/clock.ts';
import type { Group } from '../platform/group.ts';
import type { SystemContext } from '../projections/system-context.ts';
import { ACTIVE, forgetOldBuilds } from '../projections/build.ts';
import { adaptiveThrottle } from './throttle.ts';
import { release } from './former-slot.ts';
import type { Pointer } from '../projections/pointer.ts';
import { noteApplied, openFaults } from '../catch-up/projection-fault.ts';
import { clearSlot, isSlotEmpty } from './slot-clearing.ts';
import type { Slot } from '../projections/slot-tables.ts';
import { tryWrites } from '../catch-up/write-trial.ts';

/*
 * Cleans up after builds, swaps and releases. Each run does a bounded part of the work. It costs a few rows if there is nothing to do.
 */

/** The part of the system that the upkeep uses. */
export type UpkeepContext = Pick<SystemContext, 'registry' | 'databaseOf' | 'clock' | 'report'>;

export interface UpkeepOptions {
  /** The most batches that a run deletes from one slot in each database. A batch is at most 2,000 rows of one table. Default: 20. */
  readonly maxChunks?: number;
}

/** The result of one run, over all databases. */
export interface Upkeep {
  /** The number of former slots that were released, since their time was over. */
  readonly released: number;
  /** The number of slots from which rows were deleted. They may hold more. */
  readonly cleared: number;
  /** The number of ended builds that were deleted. */
  readonly builds: number;
  /** The number of projections whose tables refused every stream and work again. */
  readonly mended: number;
}

/** Runs the upkeep once. A projection or a database that fails is logged, and does not hold up the others. */
export async function upkeepStep(context: UpkeepContext, { maxChunks = 20 }: UpkeepOptions = {}): Promise<Upkeep> {
  const { registry, databaseOf, report } = context;
  let [released, cleared, builds, mended] = [0, 0, 0, 0];
  for (const group of registry.groups) {
    const database = databaseOf(group);
    const attempt = async (what: string, work: () => Promise<number>): Promise<number> => {
      try {
        return await work();
      } catch (error) {
        report('upkeep.failed', { group: group.name, what, error: String(error) });
        return 0;
      }
    };
    released += await attempt('release', () => releaseOverdue(context, database));
    cleared += await attempt('clear', () => clearUnusedSlot(context, database, group, maxChunks, attempt));
    builds += await attempt('builds', () => forgetOldBuilds(database));
    mended += await attempt('faults', () => closeMended(context, database));
  }
  return { released, cleared, builds, mended };
}

/** Releases the former slots whose time is over. Returns their number. */
async function releaseOverdue({ clock, report }: UpkeepContext, database: D1Database): Promise<number> {
  const { results } = await database
    .prepare(`SELECT projection FROM projection_pointer WHERE moved <> '[]'`)
    .all<{ projection: string }>();
  let released = 0;
  for (const { projection } of results) {
    if (!(await release(database, projection, clock.now()))) continue;
    report('projection.former-released', { projection });
    released += 1;
  }
  return released;
}

/**
 * Tries the kinds of write that the tables refused for every stream, and closes the faults that are over. Without this, a fault would stay open if no
 * event makes such a write. Returns the number of closed faults.
 */
async function closeMended({ registry, clock, report }: UpkeepContext, database: D1Database): Promise<number> {
  let mended = 0;
  for (const { projection: name, live, writes } of await openFaults(database)) {
    const projection = registry.revisionOf(name, live.revision);
    if (!projection || (await tryWrites(database, projection, live.slot, writes)) !== 'taken') continue;
    await noteApplied(database, name, writes, timestamp(clock)).run();
    report('projection.mended', { projection: name });
    mended += 1;
  }
  return mended;
}

interface UnusedSlot extends Pick<Pointer, 'epoch'> {
  readonly projection: string;
  readonly slot: Slot;
}

/**
 * The slots that no pointer lists and that belong to no active build: released, cancelled or failed ones. One snapshot: no build is active at this
 * epoch. A build that starts later raises the epoch, which stops the deletion.
 */
async function unusedSlots(database: D1Database): Promise<readonly UnusedSlot[]> {
  const { results } = await database
    .prepare(
      `SELECT pointer.projection, pointer.epoch, slot.value AS slot
      FROM projection_pointer AS pointer
      CROSS JOIN json_each('["a","b"]') AS slot
      WHERE (pointer.live_revision = 0 OR pointer.live_slot <> slot.value)
        AND slot.value NOT IN (SELECT target.value ->> 'slot' FROM json_each(pointer.moved) AS target)
        AND NOT EXISTS (
          SELECT 1 FROM projection_build AS build
          WHERE build.projection = pointer.projection AND build.state IN ${ACTIVE}
        )`,
    )
    .all<UnusedSlot>();
  return results;
}

/** Deletes rows and checkpoints of the first unused slot that has any, up to a bound. Returns the number of slots, 0 or 1. */
async function clearUnusedSlot(
  { registry, clock }: UpkeepContext,
  database: D1Database,
  group: Group,
  maxChunks: number,
  attempt: (what: string, work: () => Promise<number>) => Promise<number>,
): Promise<number> {
  const throttle = adaptiveThrottle(clock.now, () => database.prepare('SELECT 1').first());
  const options = { throttle, maxChunks };

  async function clear({ projection, slot, epoch }: UnusedSlot): Promise<number> {
    const revisions = registry.revisionsOf(projection);
    if (await isSlotEmpty(database, projection, revisions, slot)) return 0;
    for (const revision of revisions) {
      const outcome = await clearSlot(database, revision, slot, { epoch }, options);
      if (outcome !== 'cleared') break;
    }
    return 1;
  }

  // A projection that only appends has one slot.
  const clearable = new Set(
    registry
      .projectionsOf(group)
      .filter(({ everyEvent }) => !everyEvent)
      .map(({ name }) => name),
  );
  for (const unused of await unusedSlots(database)) {
    if (!clearable.has(unused.projection)) continue;
    const done = await attempt(`clear ${unused.projection}`, () => clear(unused));
    if (done > 0) return done;
  }
  return 0;
}
