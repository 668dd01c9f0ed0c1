import type { Group } from '../group.ts';
import type { StreamId } from '../stream.ts';
import { REPLAYED_AT_ONCE, type ReplayPage, replayPage } from './archive.ts';
import { type BuildError, activeBuild, noteProgress } from './build.ts';
import { type Side, nextGap, streamsIn } from './build-gap.ts';
import type { CatchUpOptions, CatchUpResult } from './catch-up.ts';
import { type CatchUpRequest, type StreamProgress, isUncompared } from './stream-progress.ts';
import { type ComparisonProgress, compareSlots } from './comparison.ts';
import { countHeld } from './dead-letter.ts';
import { type Pace, yieldingPace } from './pace.ts';
import { UNBUILT, isSameTarget } from './pointer.ts';
import { abandon, join as joinPointer, noteCleared, restoredIn, swap as swapPointer } from './pointer-change.ts';
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
  /** How many pages one step does at most. Default: as many as an invocation may. */
  readonly pagesAStep?: number;
}

/** The build was ended by somebody else: cancelled, or failed in a consumer's batch. There is nothing left to do. */
export class BuildOver extends Error {
  override readonly name = 'BuildOver';
}

/** The build cannot be finished, however often it is tried. */
export class BuildFailed extends Error {
  override readonly name = 'BuildFailed';
  readonly why: BuildError;

  constructor(why: BuildError) {
    super(why.message);
    this.why = why;
  }
}

/** How far a replay is. */
export interface Replayed {
  /** In the archive. */
  readonly position: number;
  /** Events. */
  readonly replayed: number;
  readonly isDone: boolean;
}

/** How far a pass over the streams is. */
export interface Pass {
  /** The last stream that was looked at. */
  readonly after: string;
  /** Streams that had to be brought up. */
  readonly found: number;
  readonly isDone: boolean;
}

export const NEW_PASS: Pass = { after: '', found: 0, isDone: false };

/** What a comparison led to, or how far it is. */
export type Verdict = 'swap' | 'wait' | ComparisonProgress;

/** A step is a checkpoint of its own: not so short that there are thousands, not so long that a crash costs much. */
const STEP_MS = 15_000;
/** An invocation may send a database 1,000 statements; a page takes about 15. */
const STEP_PAGES = 40;
/** Characters of rows: a page is to be one batch, since each has to be waited for; its size is a matter of the pace. */
const LENGTH_AT_ONCE = 3_000_000;
/** How often a swap is tried while what is live moves on without the build. */
const SWAP_TRIES = 50;

/** The parts of a build's work, each of which may be done again, and by two at the same time. */
export function buildWork(ports: RebuildPorts, name: string, id: string) {
  const { databaseOf, archive, revisionsOf, catchUp, now, report, buildGraceMs, pagesAStep = STEP_PAGES } = ports;
  const group = revisionsOf(name)[0]?.group;
  if (!group) throw new Error(`this Worker has no code for ${name}`);
  const database = databaseOf(group);
  const archiveDatabase = databaseOf(archive.group);
  const at = () => new Date(now()).toISOString();

  const yielding = yieldingPace(now);
  /** Between two pages of long work it also says that it goes on. */
  const pace: Pace = { take: yielding.take, rest: () => restAfter({}) };

  async function restAfter(progress: { readonly replayed?: number }): Promise<void> {
    await yielding.rest(() => noteProgress(database, id, { ...progress, at: at() }));
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

  /** Moves the build; after the join together with what is live. Undefined when the pointer has changed meanwhile. */
  async function bringUp(
    { projection, build, pointer, hasJoined }: Current,
    requests: readonly CatchUpRequest[],
  ): Promise<ReadonlyMap<StreamId, StreamProgress> | undefined> {
    const result = await catchUp(projection, requests, {
      pointer,
      maxBatchLength: LENGTH_AT_ONCE,
      ...(!hasJoined && { build: build.target }),
    });
    if (result.outcome === 'superseded') return undefined;
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
    return result.streams;
  }

  async function closeGap(from: Pass, side: Side): Promise<Pass> {
    const until = now() + STEP_MS;
    let { after, found } = from;
    for (let pages = 0; pages < pagesAStep && (pages === 0 || now() < until); pages += 1) {
      const active = await current();
      const { projection, pointer, build } = active;
      const gap = { databaseOf, archive, projection, pointer, build: build.target };
      const { last, requests } = await nextGap(gap, side, after);
      if (requests.length > 0) {
        const brought = await bringUp(active, requests);
        if (!brought) continue;
        // Of a stream of which only its log knows how far it goes, one that did not move was not behind.
        found += requests.filter(
          ({ stream, wanted, reached }) => wanted !== 'head' || (brought.get(stream)?.version ?? 0) > reached,
        ).length;
      }
      await pace.rest();
      if (last === undefined) return { after, found, isDone: true };
      after = last;
    }
    return { after, found, isDone: false };
  }

  async function wait(): Promise<'wait'> {
    await noteProgress(database, id, { state: 'awaiting-acceptance', at: at() });
    return 'wait';
  }

  return {
    closeGap,

    /**
     * Has every stream that is live compared with its log, in what is live and in the archive: where a log was restored to an earlier time,
     * both stop at a dead letter. A replay of the archive alone would not notice. Only in a trial.
     */
    async compareWithLogs(from: Pass): Promise<Pass> {
      const until = now() + STEP_MS;
      let { after, found } = from;
      for (let pages = 0; pages < pagesAStep && (pages === 0 || now() < until); pages += 1) {
        const { projection, pointer, build } = await current();
        // Comparing is what a trial is for. Any other build is spared a read of every log.
        if (!build.isTrial || pointer.live.revision === UNBUILT) return { after, found, isDone: true };
        const { last, streams } = await streamsIn(database, name, pointer.live, after);
        const requests = streams.map((stream) => ({ stream, wanted: 'head' as const, isRecheck: true }));
        for (const one of [projection, archive]) found += restoredOf(await catchUp(one, requests));
        await pace.rest();
        if (last === undefined) return { after, found, isDone: true };
        after = last;
      }
      return { after, found, isDone: false };
    },

    /** Empties the slot. False: there is more to clear. */
    async clear(): Promise<boolean> {
      for (;;) {
        const { build, pointer, hasJoined } = await current();
        // Begun anew, or overtaken by another who is at this step, as after a timeout.
        if (hasJoined || build.clearedAt !== null) return true;
        const outcomes = new Set<string>();
        for (const revision of revisionsOf(name)) {
          const options = { pace, maxChunks: pagesAStep };
          outcomes.add(await clearSlot(database, revision, build.target.slot, pointer, options));
          if (outcomes.has('more')) return false;
        }
        if (outcomes.has('epoch-changed')) continue;
        if ((await noteCleared(database, build, pointer, at())) === 'changed') return true;
      }
    },

    async replay(from: Replayed): Promise<Replayed> {
      const until = now() + STEP_MS;
      let { position, replayed } = from;
      for (let pages = 0; pages < pagesAStep && (pages === 0 || now() < until); pages += 1) {
        const active = await current();
        const page = await replayPage(archiveDatabase, archive, active.projection, position, {
          maxEvents: pace.take(REPLAYED_AT_ONCE),
        });
        if (!page)
          throw new BuildFailed({ message: 'the archive is not live, so nobody knows what there is to build from' });
        if (page.last === undefined) return { position, replayed, isDone: true };
        if (page.events.length > 0 && !(await bringUp(active, toRequests(page)))) continue;
        position = page.last;
        replayed += page.events.length;
        await restAfter({ replayed });
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

    /** Compares the build with what is live; `from` is where an earlier call left off. */
    async compare(from?: ComparisonProgress): Promise<Verdict> {
      const { build, pointer, projection } = await current();
      if (pointer.live.revision === UNBUILT) return build.isTrial ? wait() : 'swap';
      const live = revisionsOf(name).find(({ revision }) => revision === pointer.live.revision);
      if (!live) throw new Error(`this Worker has no code for revision ${pointer.live.revision} of ${name}`);
      await noteProgress(database, id, { state: 'comparing', at: at() });
      const compared = await compareSlots(
        database,
        { target: pointer.live, projection: live },
        { target: build.target, projection },
        { pace, maxPages: pagesAStep },
        from,
      );
      if (!compared.isDone) return compared.progress;
      const { comparison } = compared;
      // Beyond an open dead letter neither of the two was folded: they may be equal, and both behind the log.
      const held = await countHeld(database, name);
      const restored = (await restoredIn(database, name)).length;
      await noteProgress(database, id, { comparison: JSON.stringify({ ...comparison, held, restored }), at: at() });
      // What the declaration accepts is what its revision brings; of the same revision, nothing may differ.
      const isRevision = build.liveRevision !== build.target.revision;
      const mayDiffer = build.acceptsDifferences || (isRevision && projection.acceptsDifferences === true);
      return !build.isTrial && (comparison.isEqual || mayDiffer) ? 'swap' : wait();
    },

    async swap(): Promise<void> {
      for (let tries = 0; tries < SWAP_TRIES; tries += 1) {
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
        if (outcome === 'behind') for (let pass = NEW_PASS; !pass.isDone;) pass = await closeGap(pass, 'build');
      }
      throw new BuildFailed({
        message: 'what is live keeps moving without it: is there a Worker that has no code for it?',
      });
    },

    /** Writes down what a try met that will be tried again. Never throws: it may well be the database that is away. */
    async noteTrouble(trouble: BuildError): Promise<void> {
      try {
        await noteProgress(database, id, { trouble, at: at() });
      } catch (error) {
        report('build.trouble-not-noted', { projection: name, build: id, error: String(error) });
      }
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
}

/** How many streams stopped since their log was restored. Throws where a log could not be compared: the step is tried again. */
function restoredOf(result: CatchUpResult): number {
  const standstills = [...result.streams.values()].flatMap(({ stream, standstill }) =>
    standstill ? [{ stream, ...standstill }] : [],
  );
  const unread = standstills.find(isUncompared);
  if (unread) throw new Error(`the log of ${unread.stream} could not be compared: ${unread.reason}`);
  return standstills.filter(({ cause }) => cause === 'log-restored').length;
}

/** Archived events as what is to be applied, stream by stream; a stream whose log was restored is taken from that log. */
function toRequests({ events, restored }: ReplayPage): readonly CatchUpRequest[] {
  return [...Map.groupBy(events, ({ stream }) => stream)].map(([stream, archived]) =>
    restored.has(stream)
      ? { stream, wanted: 'head' as const }
      : { stream, wanted: archived.at(-1)?.version ?? 0, archived },
  );
}
