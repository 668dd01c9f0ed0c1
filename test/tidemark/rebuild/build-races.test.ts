import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, it } from 'vitest';

import { activeBuilds, buildOf } from '../../../src/tidemark/projections/build.ts';
import { cancelBuild, requestBuild, tendBuilds } from '../../../src/tidemark/rebuild/build-requests.ts';
import { catchUp, isApplied } from '../../../src/tidemark/catch-up/catch-up.ts';
import { skipDeadLetters } from '../../../src/tidemark/dead-letters/dead-letter-operations.ts';
import { startBuild } from '../../../src/tidemark/rebuild/build-transitions.ts';
import { release } from '../../../src/tidemark/rebuild/former-slot.ts';
import { pointerCache, readPointer } from '../../../src/tidemark/projections/pointer.ts';
import { acceptBuild } from '../../../src/tidemark/rebuild/rebuild.ts';
import { sweepStep } from '../../../src/tidemark/catch-up/sweep.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import { checkpointOf, entriesOf, boardOf, forgetDeadLetters, onlyGroup, refusedOf } from '../../support/boards.ts';
import { idleRunner, stepsHere, rollBack, work } from '../../support/builds.ts';
import { forgetPositions, separateCheckpoints } from '../../support/checkpoints.ts';
import { faultyDatabase } from '../../support/database.ts';
import { ports } from '../../support/platform.ts';
import { deliver } from '../../support/queue.ts';
import { add, newTally, restoreLog, system } from '../../support/system.ts';
import { POISON, broken, tallyBoard } from '../../support/tally.ts';

const database = env.SERVING_DB;
const { name } = tallyBoard;

beforeEach(async () => {
  const runner = idleRunner();
  ports.buildRunner = () => runner;
  for (const { id } of await activeBuilds(database, name)) await cancelBuild(system, tallyBoard, id);
  await forgetDeadLetters();
});

async function order(wishes: Parameters<typeof requestBuild>[2] = {}): Promise<string> {
  const requested = await requestBuild(system, tallyBoard, wishes);
  if (requested.outcome !== 'started') throw new Error(requested.outcome);
  return requested.id;
}
const live = async () => (await readPointer(database, name))?.live.slot as 'a' | 'b';
async function bringUp(stream: StreamId): Promise<void> {
  for (const projection of system.registry.projectionsFollowing(stream)) {
    await system.catchUp(projection, [{ stream, wanted: 'head' }]);
  }
}
function gate() {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}
const archive = () => {
  const found = system.registry.projectionsFollowing(newTally().stream).find(({ everyEvent }) => everyEvent);
  if (!found) throw new Error('no archive');
  return found;
};

describe('a clearing step that still runs (after a timeout, or in another instance)', () => {
  it('never deletes rows that the build has replayed meanwhile', async () => {
    const { tallyId, stream } = newTally();
    for (const by of [1, 2, 3]) await add(tallyId, by);
    await bringUp(stream);
    const id = await order({ acceptsDifferences: true });

    // The zombie waits before its first deletion, until another run has cleared the slot and started to replay.
    const [first, atFirst] = [gate(), gate()];
    const slow = faultyDatabase(database, {
      async beforeBatch(number) {
        if (number !== 3) return;
        atFirst.open();
        await first.opened;
      },
    });
    const zombieSteps = stepsHere(async (step, run) => {
      if (!step.startsWith('clear')) return run();
      const result = await run();
      throw Object.assign(new Error('the step had timed out: its result is dropped'), { result });
    });
    const zombie = work(name, id, zombieSteps.steps, {
      databaseOf: (group) => (group === tallyBoard.group ? slow.database : system.databaseOf(group)),
    }).catch(() => undefined);
    await atFirst.opened;
    const { steps } = stepsHere(async (step, run) => {
      if (step.startsWith('replay')) {
        const result = await run();
        first.open();
        await zombie;
        return result;
      }
      return run();
    });
    await work(name, id, steps);
    const build = await buildOf(database, name, id);
    expect(build?.state).toBe('swapped');
    const slot = await live();
    expect(await checkpointOf(stream, name, slot)).toBe(3);
    // I8, I11: the rows belong to the checkpoint.
    expect(await boardOf(tallyId, slot)).toEqual({ version: 3, sum: 6 });
  });
});

describe('an event that was skipped in the archive', () => {
  it('is still in the builds of other projections', async () => {
    const { tallyId, stream } = newTally();
    for (const by of [1, 20, 300]) await add(tallyId, by);
    await system.catchUp(tallyBoard, [{ stream, wanted: 3 }]);
    const { events } = await system.aggregates.load(stream, 2, 1);
    await env.REPORTING_DB.prepare(
      `INSERT INTO skipped_event VALUES ('archive', ?, 2, ?, 'r', 'a', '2026-01-01T00:00:00.000Z')`,
    )
      .bind(stream, events[0]?.id ?? '')
      .run();
    await system.catchUp(archive(), [{ stream, wanted: 3 }]);
    const id = await order({ acceptsDifferences: true });
    await work(name, id);
    expect((await buildOf(database, name, id))?.state).toBe('swapped');
    const slot = await live();
    expect(await checkpointOf(stream, name, slot)).toBe(3);
    expect(await entriesOf(tallyId, slot)).toEqual([1, 2, 3]);
  });
});

describe('a skip of an event that a build has already applied', () => {
  it('holds in that build', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    await bringUp(stream);
    await add(tallyId, POISON);
    broken.handler = true;
    await bringUp(stream);
    await bringUp(stream);
    expect(await refusedOf(stream)).toMatchObject({ tries: 2, is_open: 0 });
    const id = await order({ acceptsDifferences: true });
    const { steps } = stepsHere(async (step, run) => {
      if (step.startsWith('replay')) {
        // The build has repaired code.
        broken.handler = false;
        const result = await run();
        broken.handler = true;
        await bringUp(stream);
        expect(await refusedOf(stream)).toMatchObject({ tries: 3, is_open: 1 });
        const skipped = await skipDeadLetters(system, tallyBoard, await onlyGroup(), {}, { actor: 'x', reason: 'y' });
        expect(skipped).toMatchObject({ outcome: 'done', skipped: 1 });
        broken.handler = false;
        return result;
      }
      return run();
    });
    await work(name, id, steps);
    expect((await buildOf(database, name, id))?.state).toBe('swapped');
    expect(await entriesOf(tallyId, await live())).toEqual([1]);
  });
});

describe('a swap after a restore of logs', () => {
  it('keeps the dead letter of a stream that the build has from the lost history', async () => {
    const { tallyId, stream } = newTally();
    for (const by of [1, 10, 100]) await add(tallyId, by);
    await bringUp(stream);
    const id = await order({ acceptsDifferences: true });
    const { steps } = stepsHere(async (step, run) => {
      const result = await run();
      if (step.startsWith('replay')) {
        await restoreLog(stream, 1);
        await add(tallyId, 5);
        for (let tries = 0; tries < 3; tries += 1) await bringUp(stream);
        expect(await refusedOf(stream)).toMatchObject({ cause: 'log-restored', is_open: 1 });
      }
      return result;
    });
    await work(name, id, steps);
    expect((await buildOf(database, name, id))?.state).toBe('swapped');
    const row = await boardOf(tallyId, await live());
    const letter = await refusedOf(stream);
    // Either the row agrees with the log, or a dead letter shows that it does not.
    expect(row?.sum === 6 || letter !== null).toBe(true);
  });

  it('lets events be applied whose messages were acknowledged while a dead letter held the stream', async () => {
    const { tallyId, stream } = newTally();
    for (const by of [1, 10]) await add(tallyId, by);
    await bringUp(stream);
    await restoreLog(stream, 1);
    for (const by of [2, 3, 4]) await add(tallyId, by);
    for (let tries = 0; tries < 3; tries += 1) await bringUp(stream);
    const id = await order();
    await work(name, id);
    expect((await buildOf(database, name, id))?.state).toBe('awaiting-acceptance');
    await add(tallyId, 5);
    const delivered = await deliver([{ stream, fromVersion: 5, toVersion: 5 }]);
    expect(delivered.explicitAcks).toHaveLength(1);
    // The delivery check takes it for delivered, too.
    expect((await system.aggregateHost.versionsReached(tallyBoard.group, stream, [name])).has(name)).toBe(false);
    const reminders: unknown[] = [];
    ports.sendHint = async (_env, _group, hint) => void reminders.push(hint);
    expect(await acceptBuild(system, name, id)).toBe(true);
    for (let isComplete = false; !isComplete;) ({ isComplete } = await sweepStep(system));
    const reached = await checkpointOf(stream, name, await live());
    expect(reached === 5 || reminders.some((hint) => (hint as { stream: string }).stream === stream)).toBe(true);
  });

  it('compares events that only the build has with their log', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    await bringUp(stream);
    await add(tallyId, 10);
    await system.catchUp(archive(), [{ stream, wanted: 2 }]);
    // Neither the archive nor the live slot has noticed the restore.
    await restoreLog(stream, 1);
    const id = await order({ acceptsDifferences: true });
    await work(name, id);
    expect((await buildOf(database, name, id))?.state).toBe('swapped');
    expect(await boardOf(tallyId, await live())).toMatchObject({ sum: 11 });
    expect(await refusedOf(stream)).toMatchObject({ cause: 'log-restored', is_open: 1 });
  });
});

describe('a stale pointer in another isolate', () => {
  it('never makes a version count as applied that only the build has', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    await bringUp(stream);
    const pointers = pointerCache();
    await pointers.get(database, name);
    await work(name, await order({ acceptsDifferences: true }));
    await add(tallyId, 2);
    await system.catchUp(archive(), [{ stream, wanted: 2 }]);
    const id = await order({ acceptsDifferences: true });
    let seen = { applied: false, has: -1 };
    const { steps } = stepsHere(async (step, run) => {
      const result = await run();
      if (step.startsWith('replay') && seen.has < 0) {
        const caught = await catchUp({ ...system, pointers, report: () => undefined }, tallyBoard, [
          { stream, wanted: 2 },
        ]);
        seen = { applied: isApplied(caught, stream, 2), has: await checkpointOf(stream, name, await live()) };
      }
      return result;
    });
    await work(name, id, steps);
    // Applied means applied to the live slot: then a message is acknowledged, and `Prefer: wait` is honoured.
    expect(seen.applied && seen.has < 2).toBe(false);
  });
});

describe('a rollback whose answer was lost', () => {
  it('still counts as done', async () => {
    const former = await live();
    await work(name, await order({ acceptsDifferences: true }));
    const faulty = faultyDatabase(database, {
      afterBatch(number) {
        if (number === 1) throw new Error('D1_ERROR: Network connection lost.');
      },
    });
    expect(await rollBack(faulty.database, name)).toMatchObject({ outcome: 'changed' });
    expect(await live()).toBe(former);
  });
});

describe('two starts at the same time', () => {
  it('tell the second caller that a build is running, wherever they meet', async () => {
    let queries = 0;
    const faulty = faultyDatabase(database, {
      async beforeQuery() {
        queries += 1;
        // Query 1 makes the pointer, 2 asks for active builds, 3 reads the pointer.
        if (queries === 3) await order();
      },
    });
    const request = {
      id: crypto.randomUUID(),
      acceptsDifferences: false,
      isTrial: false,
      total: 0,
      at: new Date().toISOString(),
    };
    expect(await startBuild(faulty.database, tallyBoard, request)).toMatchObject({ outcome: 'running' });
  });
});

describe('the first build', () => {
  it('starts in the end, even if the answer to its start was lost', async () => {
    const projection = { ...tallyBoard, name: 'tally-first' };
    let isLost = true;
    const faulty = faultyDatabase(database, {
      afterBatch() {
        if (!isLost) return;
        isLost = false;
        throw new Error('D1_ERROR: Network connection lost.');
      },
    });
    const launched: string[] = [];
    const builds = {
      ...system,
      databaseOf: (group: typeof projection.group) =>
        group === projection.group ? faulty.database : system.databaseOf(group),
      runner: {
        launch: async (_: string, build: string) => void launched.push(build),
        revive: async (_: string, build: string) => {
          launched.push(build);
          return 'goes-on' as const;
        },
        stop: async () => undefined,
      },
    };
    await tendBuilds(builds, [projection]).catch(() => undefined);
    for (let pass = 0; pass < 5; pass += 1) {
      ports.clockOffsetMs += 5 * 60_000;
      await tendBuilds(builds, [projection]);
    }
    expect(launched.length).toBeGreaterThan(0);
  });
});

describe('a build that fails', () => {
  it('is recorded as failed with its error, even if the epoch changes at that moment', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    await add(tallyId, POISON);
    await bringUp(stream);
    broken.handler = true;
    const id = await order();
    let batches = -1;
    const faulty = faultyDatabase(database, {
      async beforeBatch() {
        if (batches >= 0) batches += 1;
        // A skip of another stream's dead letter does the same.
        if (batches === 2)
          await database
            .prepare(`UPDATE projection_pointer SET epoch = epoch + 1 WHERE projection = ?`)
            .bind(name)
            .run();
      },
    });
    const { steps } = stepsHere(async (step, run) => {
      if (step === 'fail') batches = 0;
      return run();
    });
    await work(name, id, steps, {
      databaseOf: (group) => (group === tallyBoard.group ? faulty.database : system.databaseOf(group)),
    });
    expect(await buildOf(database, name, id)).toMatchObject({
      state: 'failed',
      error: { kind: 'Error at Added.change' },
    });
  });
});

describe('tending builds', () => {
  it('in one group goes on while the database of another group is away', async () => {
    const id = await order();
    ports.clockOffsetMs = 5 * 60_000;
    const revived: string[] = [];
    const away = {
      prepare: () => {
        throw new Error('D1_ERROR: overloaded');
      },
    } as unknown as D1Database;
    const elsewhere = archive();
    await tendBuilds(
      {
        ...system,
        databaseOf: (group) => (group === elsewhere.group ? away : database),
        runner: {
          launch: async () => undefined,
          revive: async (_, build) => {
            revived.push(build);
            return 'goes-on';
          },
          stop: async () => undefined,
        },
      },
      [elsewhere, tallyBoard],
    ).catch(() => undefined);
    expect(revived).toEqual([id]);
  });
});

describe('a release while a dead letter is skipped', () => {
  it('never says that there is nothing to release', async () => {
    await work(name, await order({ acceptsDifferences: true }));
    const faulty = faultyDatabase(database, {
      async beforeBatch(number) {
        if (number > 1) return;
        await database.prepare(`UPDATE projection_pointer SET epoch = epoch + 1 WHERE projection = ?`).bind(name).run();
      },
    });
    const isReleased = await release(faulty.database, name);
    expect({ isReleased, moved: (await readPointer(database, name))?.moved.length }).not.toEqual({
      isReleased: false,
      moved: 2,
    });
  });
});

describe('an upcaster that throws', () => {
  it('never logs the data of the event, and makes a dead letter in the end', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 4711);
    const lines: string[] = [];
    const projection = {
      ...tallyBoard,
      follows: {
        tally: {
          Added: [
            (data: unknown) => {
              throw new TypeError(`cannot lift ${JSON.stringify(data)}`);
            },
          ],
          Reset: [],
        },
      },
    } as unknown as typeof tallyBoard;
    for (let tries = 0; tries < 5; tries += 1) {
      await catchUp(
        {
          ...system,
          pointers: pointerCache(),
          registry: { ...system.registry, revisionOf: () => projection },
          report: (_event, details) => void lines.push(JSON.stringify(details)),
        },
        tallyBoard,
        [{ stream, wanted: 1 }],
      );
    }
    expect.soft(lines.filter((line) => line.includes('4711'))).toEqual([]);
    expect.soft(await refusedOf(stream)).toMatchObject({ is_open: 1 });
  });
});

describe('a rollback after a restored log was rebuilt', () => {
  it('never brings the lost history back unnoticed', async () => {
    const { tallyId, stream } = newTally();
    for (const by of [1, 10, 100]) await add(tallyId, by);
    await bringUp(stream);
    await restoreLog(stream, 1);
    await add(tallyId, 5);
    for (let tries = 0; tries < 3; tries += 1) await bringUp(stream);
    await work(name, await order({ acceptsDifferences: true }));
    expect(await boardOf(tallyId, await live())).toMatchObject({ sum: 6 });
    const back = await rollBack(database, name);
    const isShown = (await boardOf(tallyId, await live()))?.sum === 111;
    expect({ outcome: back.outcome, isShown, letter: await refusedOf(stream) }).not.toEqual({
      outcome: 'changed',
      isShown: true,
      letter: null,
    });
  });
});

describe('the sweep, after a restored log was rebuilt', () => {
  it('never keeps sending reminders of versions that no log has', async () => {
    const { tallyId, stream } = newTally();
    for (const by of [1, 10, 100]) await add(tallyId, by);
    await bringUp(stream);
    await restoreLog(stream, 1);
    await add(tallyId, 5);
    for (let tries = 0; tries < 3; tries += 1) await bringUp(stream);
    await work(name, await order({ acceptsDifferences: true }));
    let reminders: { stream: string; toVersion: number; fromVersion: number }[] = [];
    ports.sendHint = async (_env, _group, hint) => void reminders.push(hint);
    system.pointers.drop(name);
    const passes: unknown[] = [];
    for (let pass = 0; pass < 2; pass += 1) {
      reminders = [];
      for (let isComplete = false; !isComplete;) ({ isComplete } = await sweepStep(system));
      const mine = reminders.filter((hint) => hint.stream === stream);
      const retried = mine.length > 0 ? (await deliver(mine)).retryMessages.length : 0;
      passes.push({ sent: mine.length, retried, mine });
    }
    expect(passes.at(-1)).toEqual({ sent: 0, retried: 0, mine: [] });
  });
});

describe('an archive that is added to a database with checkpoints', () => {
  it('becomes live in the end', async () => {
    await env.REPORTING_DB.prepare(`DELETE FROM projection_pointer WHERE projection = 'archive'`).run();
    system.pointers.drop('archive');
    await tendBuilds(system, [archive()]);
    const pointer = await readPointer(env.REPORTING_DB, 'archive');
    await env.REPORTING_DB.prepare(
      `INSERT OR IGNORE INTO projection_pointer (projection, epoch, live_revision, live_slot) VALUES ('archive', 1, 1, 'a')`,
    ).run();
    expect(pointer).toBeDefined();
  });

  it('never lets a first build complete before it is live', async () => {
    const { tallyId, stream } = newTally();
    await add(tallyId, 1);
    await system.catchUp(tallyBoard, [{ stream, wanted: 1 }]);
    // As after the migration that adds a projection and the archive: nothing is live, and nothing is archived.
    await env.REPORTING_DB.prepare(`DELETE FROM projection_pointer WHERE projection = 'archive'`).run();
    await forgetPositions(database, name);
    await database.batch([
      database.prepare(`DELETE FROM projection_pointer WHERE projection = ?`).bind(name),
      database.prepare(`DELETE FROM projection_build WHERE projection = ?`).bind(name),
    ]);
    system.pointers.drop(name);
    const id = await order();
    await work(name, id);
    const state = (await buildOf(database, name, id))?.state;
    const has = await checkpointOf(stream, name, await live());
    await env.REPORTING_DB.prepare(
      `INSERT OR IGNORE INTO projection_pointer (projection, epoch, live_revision, live_slot) VALUES ('archive', 1, 1, 'a')`,
    ).run();
    system.pointers.drop('archive');
    expect({ state, has }).not.toEqual({ state: 'swapped', has: 0 });
  });
});

describe('a joined build that is far behind in one stream', () => {
  it('is completed, however far behind it is', async () => {
    // Scaled down: 103 events in pages of 2. A limit of 50 passes, as builds once had, would end after 100 events.
    const { tallyId, stream } = newTally();
    for (let by = 1; by <= 103; by += 1) await add(tallyId, 1);
    await bringUp(stream);
    const id = await order();
    const { steps } = stepsHere(async (step, run) => {
      const result = await run();
      if (step === 'join') {
        // As if Workers without the build's code had moved the live slot.
        const { slot } = (await buildOf(database, name, id))?.target ?? { slot: 'a' };
        await separateCheckpoints(database);
        await database.batch([
          database
            .prepare(`DELETE FROM checkpoint WHERE projection = ? AND slot = ? AND stream = ?`)
            .bind(name, slot, stream),
          database.prepare(`DELETE FROM tally_board_${slot} WHERE tally_id = ?`).bind(tallyId),
          database.prepare(`DELETE FROM tally_entries_${slot} WHERE tally_id = ?`).bind(tallyId),
          database.prepare(
            `UPDATE tally_totals_${slot} SET additions = additions - 103, sum = sum - 103 WHERE parity = 'odd'`,
          ),
        ]);
      }
      return result;
    });
    await work(name, id, steps, {
      catchUp: (projection, requests, options) => system.catchUp(projection, requests, { ...options, pageSize: 2 }),
    });
    expect(await buildOf(database, name, id)).toMatchObject({ state: 'swapped', error: null });
  });
});
