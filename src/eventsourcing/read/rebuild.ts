import type { StoredEvent } from '../event.ts';
import type { Group } from '../group.ts';
import type { StreamId } from '../stream.ts';
import { archivedEvents, archivedHeads } from './archive.ts';
import { type BuildError, activeBuild, noteProgress } from './build.ts';
import type { CatchUpOptions, CatchUpResult } from './catch-up.ts';
import type { CatchUpRequest } from './catch-up-step.ts';
import { compareSlots } from './comparison.ts';
import { letOthers } from './let-others.ts';
import { type Target, UNBUILT, isSameTarget, readPointer } from './pointer.ts';
import {
  BUT_FOR_RESTORED_LOGS,
  abandon,
  join as joinPointer,
  noteCleared,
  restoredIn,
  swap as swapPointer,
} from './pointer-change.ts';
import type { Projection } from './projection.ts';
import { clearSlot } from './slot-clearing.ts';

/** What a build stands on. */
export interface RebuildPorts {
  readonly databaseOf: (group: Group) => D1Database;
  /** The archive, from which a build replays. */
  readonly archive: Projection;
  /** Every revision of a projection that this Worker has code for. */
  readonly revisionsOf: (name: string) => readonly Projection[];
  readonly catchUp: (
    projection: Projection,
    requests: readonly CatchUpRequest[],
    options?: CatchUpOptions,
  ) => Promise<CatchUpResult>;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly report: (event: string, details: Record<string, string | number>) => void;
  /** How long a consumer of the Worker before this one may live, in ms: it moves what is live and knows nothing of a new revision. */
  readonly buildGraceMs: number;
}

/** Durable steps: what a step returned is remembered, and a step that threw is tried again. The platform's Workflows are such. */
export interface BuildSteps {
  do<Result>(name: string, work: () => Promise<Result>): Promise<Result>;
  sleep(name: string, ms: number): Promise<void>;
}

/** The build was ended by somebody else: cancelled, or failed in a consumer's batch. There is nothing left to do. */
class BuildOver extends Error {
  override readonly name = 'BuildOver';
}

/** The build cannot be finished, however often it is tried. */
class BuildFailed extends Error {
  override readonly name = 'BuildFailed';
  readonly why: BuildError;

  constructor(why: BuildError) {
    super(why.message);
    this.why = why;
  }
}

/** How a step ended. Values, since errors lose their class on the way through a durable step. */
type StepOutcome<Result> =
  | { readonly outcome: 'done'; readonly result: Result }
  | { readonly outcome: 'over' }
  | { readonly outcome: 'failed'; readonly why: BuildError };

/** How far a replay is. */
interface Replayed {
  /** In the archive. */
  readonly position: number;
  /** Events. */
  readonly replayed: number;
  readonly isDone: boolean;
}

/** How far a pass over the streams is. */
interface Pass {
  /** The last stream that was looked at. */
  readonly after: string;
  /** Streams that had to be brought up. */
  readonly found: number;
  readonly isDone: boolean;
}

/** Which of the two has to be brought up to the other. */
type Side = 'build' | 'live';

/** Events of the archive that are read at once. */
const PAGE_EVENTS = 500;
/** Streams that are brought up at once. */
const PAGE_STREAMS = 200;
/** A step is a checkpoint of its own: not so short that there are thousands, not so long that a crash costs much. */
const STEP_MS = 15_000;
/** An invocation may send a database 1,000 statements; a page takes about 15. */
const STEP_PAGES = 40;
const NAP_MS = 15_000;
/** Before the join live moves on all the time: past so many passes the rest is left for after it. */
const PASSES_BEFORE_JOIN = 3;
/** What is live may be unable to take an event that the build has taken. Then they differ, and that is told. */
const PASSES_OVER_LIVE = 2;
/** After it nothing falls behind again, unless somebody moves what is live alone. */
const PASSES_AFTER_JOIN = 50;

/**
 * Makes a second copy of a projection beside the live one, and swaps the two (decision 9):
 *
 * 1. clears the slot, which nobody reads or moves;
 * 2. replays the archive into it, page by page, then from the logs what the archive does not have yet;
 * 3. joins: from now on every guarded batch moves both, so that the build cannot fall behind again;
 * 4. closes the gap that is left, on both sides, since the archive may have been ahead of what is live; for a new revision once more when
 *    no Worker without its code can be alive;
 * 5. compares the two row by row, and swaps them by one guarded change of the pointer, or waits for somebody's consent.
 *
 * Every step may be run again, by two at the same time too: what it writes is guarded by checkpoints and by the epoch. What is the
 * build's own trouble is written down beside it and not thrown.
 */
export async function runBuild(ports: RebuildPorts, name: string, id: string, steps: BuildSteps): Promise<void> {
  const work = buildWork(ports, name, id);

  async function run<Result>(step: string, act: () => Promise<Result>): Promise<Result> {
    const outcome = await steps.do(step, () => settled(act));
    if (outcome.outcome === 'over') throw new BuildOver(step);
    if (outcome.outcome === 'failed') throw new BuildFailed(outcome.why);
    return outcome.result;
  }

  /** Brings up every stream that is further in the other slot (in a first build: in the archive), until a whole pass finds none. */
  async function closeGap(what: string, maxPasses = PASSES_AFTER_JOIN, side: Side = 'build'): Promise<void> {
    for (let number = 1; number <= maxPasses; number += 1) {
      let pass: Pass = { after: '', found: 0, isDone: false };
      for (let part = 1; !pass.isDone; part += 1) {
        const from = pass;
        pass = await run(`${what}: pass ${number}, part ${part}`, () => work.closeGap(from, side));
      }
      if (pass.found === 0) return;
    }
    if (maxPasses === PASSES_AFTER_JOIN) {
      throw new BuildFailed({
        message:
          'another Worker, which has no code for this revision, keeps moving what is live: finish its deployment first',
      });
    }
  }

  try {
    await run('clear the slot', () => work.clear());
    let replay: Replayed = { position: 0, replayed: 0, isDone: false };
    for (let part = 1; !replay.isDone; part += 1) {
      const from = replay;
      replay = await run(`replay the archive, part ${part}`, () => work.replay(from));
    }
    await closeGap('what the archive lacks', PASSES_BEFORE_JOIN);
    await run('join', () => work.join());
    await closeGap('what came before the join');
    await closeGap('what live lacks', PASSES_OVER_LIVE, 'live');
    const graceMs = await run('how long a Worker before this one may live', () => work.graceLeftMs());
    for (let slept = 0; slept < graceMs; slept += NAP_MS) {
      await steps.sleep(`wait, from ${slept} ms on`, Math.min(NAP_MS, graceMs - slept));
      await run(`still waiting after ${slept} ms`, () => work.touch());
    }
    if (graceMs > 0) await closeGap('what a Worker before this one has moved');
    const verdict = await run('compare', () => work.compare());
    if (verdict === 'swap') await run('swap', () => work.swap());
  } catch (error) {
    if (error instanceof BuildOver) return;
    const why = error instanceof BuildFailed ? error.why : { message: String(error) };
    await steps.do('write down why it failed', () => work.fail(why));
  }
}

async function settled<Result>(act: () => Promise<Result>): Promise<StepOutcome<Result>> {
  try {
    return { outcome: 'done', result: await act() };
  } catch (error) {
    if (error instanceof BuildOver) return { outcome: 'over' };
    if (error instanceof BuildFailed) return { outcome: 'failed', why: error.why };
    throw error;
  }
}

/** Makes a build that waits for consent the live one. False when it is none that waits, or not any more. */
export async function acceptBuild(ports: RebuildPorts, name: string, id: string): Promise<boolean> {
  const work = buildWork(ports, name, id);
  const outcome = await settled(() => work.swap());
  return outcome.outcome === 'done';
}

/** The parts of a build's work, each of which may be done again. */
function buildWork(ports: RebuildPorts, name: string, id: string) {
  const { databaseOf, archive, revisionsOf, catchUp, now, report, buildGraceMs } = ports;
  const group = revisionsOf(name)[0]?.group;
  if (!group) throw new Error(`this Worker has no code for ${name}`);
  const database = databaseOf(group);
  const archiveDatabase = databaseOf(archive.group);
  const at = () => new Date(now()).toISOString();

  /** Between two pages of long work: says that it goes on, and gives others a turn. */
  async function between(): Promise<void> {
    await noteProgress(database, id, { at: at() });
    await letOthers();
  }

  /** The build and the pointer as they are now, and the code for it. */
  async function current() {
    const active = await activeBuild(database, name, id);
    if (!active) throw new BuildOver(id);
    const projection = revisionsOf(name).find(({ revision }) => revision === active.build.target.revision);
    // Thrown, not failed: the Worker that has it may be on its way back.
    if (!projection) throw new Error(`this Worker has no code for revision ${active.build.target.revision} of ${name}`);
    const hasJoined = active.pointer.moved.some((target) => isSameTarget(target, active.build.target));
    return { ...active, projection, hasJoined };
  }

  type Current = Awaited<ReturnType<typeof current>>;

  /** Moves the build; after the join together with what is live. False when the pointer has changed meanwhile. */
  async function bringUp(
    { projection, build, pointer, hasJoined }: Current,
    requests: readonly CatchUpRequest[],
  ): Promise<boolean> {
    const result = await catchUp(projection, requests, {
      pointer,
      ...(!hasJoined && { build: build.target }),
    });
    if (result.outcome === 'superseded') return false;
    for (const { stream, version, standstill, refusal } of result.streams.values()) {
      if (!standstill || standstill.isDeadLetter) continue;
      // Of what is live it is counted, and the build waits for what comes of that.
      if (hasJoined && refusal) continue;
      if (refusal) {
        const { kind } = refusal;
        throw new BuildFailed({ message: standstill.reason, stream, version: refusal.version, kind });
      }
      const message = `${stream} does not go beyond ${version}: ${standstill.reason}`;
      if (standstill.cause === 'unreadable-event') throw new BuildFailed({ message, stream, version: version + 1 });
      throw new Error(message);
    }
    return true;
  }

  /** One page of streams in which one side is behind the other. */
  async function pageOfGap({ build, pointer, projection }: Current, side: Side, after: string) {
    if (pointer.live.revision !== UNBUILT) {
      return behind(database, name, side, pointer.live, build.target, after);
    }
    if (side === 'live') return { last: undefined, requests: [] };
    const heads = await archivedHeads(archiveDatabase, archive, projection, after, PAGE_STREAMS);
    const reached = await versionsIn(database, name, build.target, [...heads.versions.keys()]);
    return {
      last: heads.last,
      requests: [...heads.versions]
        .filter(([stream, version]) => (reached.get(stream) ?? 0) < version)
        .map(([stream, wanted]) => ({ stream, wanted })),
    };
  }

  async function swap(): Promise<void> {
    for (let tries = 0; tries < PASSES_AFTER_JOIN; tries += 1) {
      const active = await current();
      const restored = await restoredIn(database, name);
      const outcome = await swapPointer(database, active.build, active.pointer, at());
      if (outcome === 'changed') {
        report('build.swapped', { projection: name, build: id, ...active.build.target });
        // Their messages were acknowledged while they were held, so nobody else would take them up.
        await catchUp(
          active.projection,
          restored.map((stream) => ({ stream, wanted: 'head' as const })),
        );
        return;
      }
      if (outcome === 'behind') await closeWholeGap();
    }
    throw new BuildFailed({
      message: 'what is live keeps moving without it: is there a Worker that has no code for it?',
    });
  }

  async function closeWholeGap(): Promise<void> {
    let pass: Pass = { after: '', found: 0, isDone: false };
    while (!pass.isDone) pass = await closeGap(pass, 'build');
  }

  async function closeGap(from: Pass, side: Side): Promise<Pass> {
    const until = now() + STEP_MS;
    let { after, found } = from;
    for (let pages = 0; pages < STEP_PAGES && (pages === 0 || now() < until); pages += 1) {
      const active = await current();
      const page = await pageOfGap(active, side, after);
      if (page.requests.length > 0 && !(await bringUp(active, page.requests))) continue;
      found += page.requests.length;
      await between();
      if (page.last === undefined) return { after, found, isDone: true };
      after = page.last;
    }
    return { after, found, isDone: false };
  }

  return {
    closeGap,
    swap,

    async clear(): Promise<void> {
      for (;;) {
        const { build, pointer, hasJoined } = await current();
        // Begun anew, or overtaken by another who is at this step, as after a timeout.
        if (hasJoined || build.clearedAt !== null) return;
        let isCleared = true;
        for (const revision of revisionsOf(name)) {
          isCleared &&= (await clearSlot(database, revision, build.target.slot, pointer, { between })) === 'cleared';
        }
        if (isCleared && (await noteCleared(database, build, pointer, at())) === 'changed') return;
      }
    },

    async replay(from: Replayed): Promise<Replayed> {
      const until = now() + STEP_MS;
      let { position, replayed } = from;
      for (let pages = 0; pages < STEP_PAGES && (pages === 0 || now() < until); pages += 1) {
        const active = await current();
        if (!(await readPointer(archiveDatabase, archive.name))) {
          throw new BuildFailed({ message: 'the archive is not live, so nobody knows what there is to build from' });
        }
        const page = await archivedEvents(archiveDatabase, active.projection, position, PAGE_EVENTS);
        if (page.last === undefined) return { position, replayed, isDone: true };
        // What is archived of these is not what happened any more.
        const restored = new Set(await restoredIn(archiveDatabase, archive.name));
        if (page.events.length > 0 && !(await bringUp(active, toRequests(page.events, restored)))) continue;
        position = page.last;
        replayed += page.events.length;
        await noteProgress(database, id, { replayed, at: at() });
        await letOthers();
      }
      return { position, replayed, isDone: false };
    },

    async join(): Promise<void> {
      for (;;) {
        const { build, pointer } = await current();
        if ((await joinPointer(database, build, pointer)) === 'changed') return;
      }
    },

    async graceLeftMs(): Promise<number> {
      const { build } = await current();
      if (build.liveRevision === build.target.revision) return 0;
      return Math.max(Date.parse(build.startedAt) + buildGraceMs - now(), 0);
    },

    async touch(): Promise<void> {
      await current();
      await noteProgress(database, id, { at: at() });
    },

    async compare(): Promise<'swap' | 'wait'> {
      const { build, pointer, projection } = await current();
      if (pointer.live.revision === UNBUILT) return build.isTrial ? wait() : 'swap';
      const live = revisionsOf(name).find(({ revision }) => revision === pointer.live.revision);
      if (!live) throw new Error(`this Worker has no code for revision ${pointer.live.revision} of ${name}`);
      await noteProgress(database, id, { state: 'comparing', at: at() });
      const comparison = await compareSlots(
        database,
        { target: pointer.live, projection: live },
        { target: build.target, projection },
        { between },
      );
      await noteProgress(database, id, { comparison: JSON.stringify(comparison), at: at() });
      // What the declaration accepts is what its revision brings; of the same revision, nothing may differ.
      const isRevision = build.liveRevision !== build.target.revision;
      const mayDiffer = build.acceptsDifferences || (isRevision && projection.acceptsDifferences === true);
      return !build.isTrial && (comparison.isEqual || mayDiffer) ? 'swap' : wait();
    },

    async fail(why: BuildError): Promise<void> {
      report('build.failed', { projection: name, build: id, ...(why.kind !== undefined && { kind: why.kind }) });
      for (;;) {
        const active = await activeBuild(database, name, id);
        if (!active) return;
        const end = { state: 'failed', at: at(), error: why } as const;
        if ((await abandon(database, active.build, active.pointer, end)) === 'changed') return;
      }
    },
  };

  async function wait(): Promise<'wait'> {
    await noteProgress(database, id, { state: 'awaiting-acceptance', at: at() });
    return 'wait';
  }
}

/** Archived events as what is to be applied, stream by stream; a stream whose log was restored is taken from that log. */
function toRequests(events: readonly StoredEvent[], restored: ReadonlySet<StreamId>): readonly CatchUpRequest[] {
  return [...Map.groupBy(events, ({ stream }) => stream)].map(([stream, archived]) =>
    restored.has(stream)
      ? { stream, wanted: 'head' as const }
      : { stream, wanted: archived.at(-1)?.version ?? 0, archived },
  );
}

/** A page of the streams in which one side is behind the other, in their order; `last` is undefined on the last page. */
async function behind(database: D1Database, name: string, side: Side, live: Target, build: Target, after: string) {
  const [ahead, late] = side === 'build' ? (['live', 'build'] as const) : (['build', 'live'] as const);
  const slots = { live: live.slot, build: build.slot };
  const { results } = await database
    .prepare(
      `SELECT ${ahead}.stream, ${ahead}.version FROM checkpoint AS ${ahead}
      LEFT JOIN checkpoint AS ${late}
        ON ${late}.projection = ${ahead}.projection AND ${late}.slot = ?3 AND ${late}.stream = ${ahead}.stream
      WHERE ${ahead}.projection = ?1 AND ${ahead}.slot = ?2 AND ${ahead}.stream > ?4
        AND coalesce(${late}.version, 0) < ${ahead}.version
        AND ${BUT_FOR_RESTORED_LOGS}
      ORDER BY ${ahead}.stream LIMIT ${PAGE_STREAMS}`,
    )
    .bind(name, slots[ahead], slots[late], after)
    .all<{ stream: StreamId; version: number }>();
  return {
    last: results.length === PAGE_STREAMS ? results.at(-1)?.stream : undefined,
    requests: results.map(({ stream, version }) => ({ stream, wanted: version })),
  };
}

/** How far a slot has brought some streams. */
async function versionsIn(
  database: D1Database,
  name: string,
  { slot }: Target,
  streams: readonly StreamId[],
): Promise<ReadonlyMap<StreamId, number>> {
  const { results } = await database
    .prepare(
      `SELECT c.stream, c.version FROM json_each(?3) AS wanted
      JOIN checkpoint AS c ON c.projection = ?1 AND c.slot = ?2 AND c.stream = wanted.value`,
    )
    .bind(name, slot, JSON.stringify(streams))
    .all<{ stream: StreamId; version: number }>();
  return new Map(results.map(({ stream, version }) => [stream, version]));
}
