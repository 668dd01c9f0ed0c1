import type { Group } from '../group.ts';
import { REPLAYED_AT_ONCE, type ReplayPage, replayPage } from './archive.ts';
import { type BuildError, activeBuild, noteProgress } from './build.ts';
import { type Side, nextGap, streamsIn } from './build-gap.ts';
import type { CatchUpOptions, CatchUpResult } from './catch-up.ts';
import type { Budget } from './catch-up-limits.ts';
import { STEP_PAGES, beginStep, doneOf } from './build-pages.ts';
import { type CatchUpRequest, isUncompared } from './stream-progress.ts';
import { type ComparisonProgress, compareSlots } from './comparison.ts';
import { countHeld } from './dead-letter.ts';
import { type Throttle, adaptiveThrottle } from './throttle.ts';
import { UNBUILT, isSameTarget } from './pointer.ts';
import { endBuild, noteCleared, tryJoin, trySwap } from './build-transitions.ts';
import { restoredIn } from './restored-logs.ts';
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

/** Characters of rows: a page is to be one batch, since each has to be waited for; the throttle decides its size. */
const LENGTH_AT_ONCE = 3_000_000;

/** The parts of a build's work, each of which may be done again, and by two at the same time. */
export function buildWork(ports: RebuildPorts, name: string, id: string) {
  const { databaseOf, archive, revisionsOf, catchUp, now, report, buildGraceMs, pagesAStep = STEP_PAGES } = ports;
  const group = revisionsOf(name)[0]?.group;
  if (!group) throw new Error(`this Worker has no code for ${name}`);
  const database = databaseOf(group);
  const archiveDatabase = databaseOf(archive.group);
  const at = () => new Date(now()).toISOString();

  const yielding = adaptiveThrottle(now);
  /** Between two pages of long work it also says that it goes on. */
  const throttle: Throttle = { take: yielding.take, rest: () => restAfter({}) };

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
    budget: Budget,
  ): Promise<CatchUpResult | undefined> {
    const result = await catchUp(projection, requests, {
      pointer,
      budget,
      maxBatchLength: LENGTH_AT_ONCE,
      ...(!hasJoined && { build: build.target }),
    });
    if (result.outcome === 'superseded') return undefined;
    for (const { stream, version, standstill, refusal } of result.streams.values()) {
      if (!standstill || standstill.isDeadLetter || standstill.isLeft) continue;
      // Of what is live it is counted, and the build waits for what comes of that.
      if (hasJoined && refusal) continue;
      // Live tables that refuse every stream are what it is to take the place of.
      if (hasJoined && pointer.live.revision !== UNBUILT && standstill.cause === 'projection-fault') continue;
      if (refusal) {
        const { kind } = refusal;
        throw new BuildFailed({ message: standstill.reason, stream, version: refusal.version, kind });
      }
      const message = `${stream} does not go beyond ${version}: ${standstill.reason}`;
      if (standstill.cause === 'unreadable-event') throw new BuildFailed({ message, stream, version: version + 1 });
      throw new Error(message);
    }
    return result;
  }

  async function closeGap(from: Pass, side: Side): Promise<Pass> {
    const step = beginStep(now, pagesAStep);
    let { after, found } = from;
    while (step.beginPage()) {
      const active = await current();
      const { projection, pointer, build } = active;
      const gap = { databaseOf, archive, projection, pointer, build: build.target };
      const { last, requests } = await nextGap(gap, side, after);
      if (requests.length > 0) {
        const brought = await bringUp(active, requests, step.budget);
        if (!brought) continue;
        // Of a stream of which only its log knows how far it goes, one that did not move was not behind.
        found += requests.filter(
          ({ stream, wanted, reached }) => wanted !== 'head' || (brought.streams.get(stream)?.version ?? 0) > reached,
        ).length;
        const done = doneOf(requests, brought);
        if (done < requests.length) {
          step.assertFurther(done > 0 || brought.applied > 0);
          return { after: requests[done - 1]?.stream ?? after, found, isDone: false };
        }
      }
      await throttle.rest();
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
      const step = beginStep(now, pagesAStep);
      let { after, found } = from;
      while (step.beginPage()) {
        const { projection, pointer, build } = await current();
        // Comparing is what a trial is for. Any other build is spared a read of every log.
        if (!build.isTrial || pointer.live.revision === UNBUILT) return { after, found, isDone: true };
        const { last, streams } = await streamsIn(database, name, pointer.live, after);
        const requests = streams.map((stream) => ({ stream, wanted: 'head' as const, isRecheck: true }));
        const { budget } = step;
        const results = [await catchUp(projection, requests, { budget }), await catchUp(archive, requests, { budget })];
        for (const result of results) found += restoredOf(result);
        const done = Math.min(...results.map((result) => doneOf(requests, result)));
        if (done < requests.length) {
          step.assertFurther(done > 0 || results.some(({ applied }) => applied > 0));
          return { after: streams[done - 1] ?? after, found, isDone: false };
        }
        await throttle.rest();
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
          const options = { throttle, maxChunks: pagesAStep };
          outcomes.add(await clearSlot(database, revision, build.target.slot, pointer, options));
          if (outcomes.has('more')) return false;
        }
        if (outcomes.has('epoch-changed')) continue;
        if ((await noteCleared(database, build, pointer, at())) === 'changed') return true;
      }
    },

    async replay(from: Replayed): Promise<Replayed> {
      const step = beginStep(now, pagesAStep);
      let { position, replayed } = from;
      while (step.beginPage()) {
        const active = await current();
        const page = await replayPage(archiveDatabase, archive, active.projection, position, {
          maxEvents: throttle.take(REPLAYED_AT_ONCE),
        });
        if (!page)
          throw new BuildFailed({ message: 'the archive is not live, so nobody knows what there is to build from' });
        if (page.last === undefined) return { position, replayed, isDone: true };
        if (page.events.length > 0) {
          const requests = toRequests(page);
          const brought = await bringUp(active, requests, step.budget);
          if (!brought) continue;
          if (doneOf(requests, brought) < requests.length) {
            step.assertFurther(brought.applied > 0);
            return { position, replayed, isDone: false };
          }
        }
        position = page.last;
        replayed += page.events.length;
        await restAfter({ replayed });
      }
      return { position, replayed, isDone: false };
    },

    async join(): Promise<void> {
      for (;;) {
        const { build, pointer } = await current();
        if ((await tryJoin(database, build, pointer)) === 'changed') return;
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
        { throttle, maxPages: pagesAStep },
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

    /** `behind`: what is live has moved on without the build, so the gap has to be closed first. */
    async swap(): Promise<'swapped' | 'behind'> {
      for (;;) {
        const active = await current();
        const restored = await restoredIn(database, name);
        const outcome = await trySwap(database, active.build, active.pointer, at());
        if (outcome === 'behind') return outcome;
        if (outcome !== 'changed') continue;
        report('build.swapped', { projection: name, build: id, ...active.build.target });
        // Their messages were acknowledged while they were held, so nobody else would take them up.
        // The swap stands, whatever becomes of this: the sweep finds what is left.
        try {
          await catchUp(
            active.projection,
            restored.map((stream) => ({ stream, wanted: 'head' as const })),
          );
        } catch (error) {
          report('build.restored-behind', { projection: name, build: id, error: String(error) });
        }
        return 'swapped';
      }
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
      await endBuild(database, name, id, { state: 'failed', at: at(), error: why });
    },
  };
}

/** How many streams stopped since their log was restored. Throws where a log could not be compared: the step is tried again. */
function restoredOf(result: CatchUpResult): number {
  const standstills = [...result.streams.values()].flatMap(({ stream, standstill }) =>
    standstill ? [{ stream, ...standstill }] : [],
  );
  const unread = standstills.find((standstill) => isUncompared(standstill) && !standstill.isLeft);
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
