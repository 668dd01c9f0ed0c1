import {
  affordsBatch,
  EVENTS_OF_A_PAGE,
  MAX_BATCH_LENGTH,
  MAX_CATCH_UP_MS,
  MAX_LOADED_EVENTS,
  STREAMS_AT_ONCE,
  spendBatch,
  type Budget,
} from './catch-up-limits.ts';
import type { StreamId } from '../domain/stream.ts';
import type { Group } from '../platform/group.ts';
import { sleep } from '../platform/timeout.ts';
import { isInternalError, kindOfD1Error } from '../projections/d1-errors.ts';
import { type BatchOutcome, sendGuardedBatch } from '../projections/guarded-batch.ts';
import { type Pointer, UNBUILT } from '../projections/pointer.ts';
import type { Projection } from '../projections/projection.ts';
import { type CatchUpResult, noteStorage, revisionsOf } from './catch-up.ts';
import { type Page, type PageLimits, type Place, takeFromHand } from './catch-up-page.ts';
import { type Places, type Targets, placesStatements, toPlaces } from './catch-up-places.ts';
import { loadAll } from './catch-up-round.ts';
import { type Step, chunksOf, foldPage, noteTraces, partsOf } from './catch-up-step.ts';
import type { CatchUpContext, CatchUpWork } from './catch-up-work.ts';
import type { CatchUpRequest } from './stream-progress.ts';

/*
 * The projections of a group that stand at the same event of a stream move together: one look at their positions, one read of the log, one guarded
 * batch, and one checkpoint row. This is the usual case, and only that. Whatever is unusual about a projection in a stream (a dead letter, a skip,
 * another position, an event that it cannot take, a restored log) is left to the catch-up of that projection alone, which knows all of these cases.
 */

/** A projection of the group, and what it is asked for. */
export interface Asked {
  readonly projection: Projection;
  readonly requests: readonly CatchUpRequest[];
}

/** What a common catch-up has done for one projection. */
export type Together = Pick<CatchUpResult, 'streams' | 'applied' | 'traces'>;

/** Rounds in a row that may lose against other writers. After that, each projection goes on alone. */
const MAX_LOST_RACES = 3;

/** A projection under way. */
interface Member {
  readonly asked: Asked;
  readonly done: {
    readonly streams: Map<StreamId, { stream: StreamId; version: number }>;
    applied: number;
    traces: CatchUpWork['traces'];
  };
  /** The requests that may still be met together, by stream. */
  readonly open: Map<StreamId, CatchUpRequest>;
}

/** A member with its pointer and its targets. */
interface Pointed {
  readonly member: Member;
  readonly pointer: Pointer;
  readonly targets: Targets;
}

/** The members that move one stream together, each with its step. */
interface JointStep {
  readonly stream: StreamId;
  readonly steps: ReadonlyMap<Pointed, Step>;
  /** The length of all their rows, in characters of JSON. */
  readonly length: number;
}

/**
 * Brings up the streams of several projections of one group together, as far as that works. Returns what it has done for each projection. The caller
 * catches up the rest alone.
 *
 * Throws if the database is away, or takes no writes: then each projection alone would fail too.
 */
export async function catchUpTogether(
  context: CatchUpContext,
  group: Group,
  all: readonly Asked[],
  budget: Budget,
): Promise<ReadonlyMap<Projection, Together>> {
  const members = all.map((asked): Member => ({
    asked,
    done: { streams: new Map(), applied: 0, traces: [] },
    open: new Map(),
  }));
  await noteStorage(context, group, () => takeAll(context, group, members, budget));
  return new Map(members.map(({ asked, done }) => [asked.projection, done]));
}

/** Brings up all streams, some at a time. Returns the number of applied moves. */
async function takeAll(
  context: CatchUpContext,
  group: Group,
  members: readonly Member[],
  budget: Budget,
): Promise<number> {
  const { clock, databaseOf } = context;
  const database = databaseOf(group);
  const until = clock.now() + MAX_CATCH_UP_MS;
  const streams = [...new Set(members.flatMap(({ asked }) => asked.requests.map(({ stream }) => stream)))];
  for (let at = 0; at < streams.length && clock.now() < until; at += STREAMS_AT_ONCE) {
    const some = new Set(streams.slice(at, at + STREAMS_AT_ONCE));
    for (const { asked, open } of members) {
      open.clear();
      // Its sender doubts the log, so the log has to be compared.
      for (const request of asked.requests)
        if (some.has(request.stream) && request.isRecheck !== true) open.set(request.stream, request);
    }
    let lostRaces = 0;
    while (lostRaces <= MAX_LOST_RACES && affordsBatch(budget) && clock.now() < until) {
      const outcome = await runRound(context, database, members, budget);
      if (outcome === 'over') break;
      lostRaces = outcome === 'contested' ? lostRaces + 1 : 0;
      if (outcome === 'contested') await sleep(clock.random() * 10 * 2 ** lostRaces);
    }
  }
  return members.reduce((sum, { done }) => sum + done.applied, 0);
}

/** One page of each stream, in as few batches as fit. `over`: nothing (more) moves together. */
async function runRound(
  context: CatchUpContext,
  database: D1Database,
  members: readonly Member[],
  budget: Budget,
): Promise<'moved' | 'contested' | 'over'> {
  const pointed = await pointersOf(context, database, members);
  // One alone has its own catch-up.
  if (pointed.length < 2) return 'over';
  const looks = await look(database, pointed, budget);
  if (!looks) return 'over';
  for (const [one, { epoch }] of looks)
    if (epoch !== one.pointer.epoch) context.pointers.drop(one.targets.projectionName);
  const sound = [...looks].filter(
    ([{ pointer }, { epoch, fault }]) => epoch === pointer.epoch && fault?.appliedAt !== null,
  );
  const joint = await jointSteps(context, sound, budget);
  let result: 'moved' | 'contested' | 'over' = 'over';
  for (const chunk of chunksOf(joint, MAX_BATCH_LENGTH)) {
    const outcome = await applyChunk(context, database, chunk, budget);
    if (outcome === 'contested') result = 'contested';
    else if (outcome === 'moved' && result === 'over') result = 'moved';
  }
  return result;
}

/** The members with open requests whose live revision this Worker can move. */
async function pointersOf(
  context: CatchUpContext,
  database: D1Database,
  members: readonly Member[],
): Promise<readonly Pointed[]> {
  const found: Pointed[] = [];
  for (const member of members) {
    const { projection } = member.asked;
    if (member.open.size === 0) continue;
    const pointer = await context.pointers.get(database, projection.name);
    if (!pointer || pointer.live.revision === UNBUILT) continue;
    const [lead, ...others] = revisionsOf(context, projection.name, pointer.moved);
    if (lead?.target === pointer.live)
      found.push({ member, pointer, targets: { projectionName: projection.name, lead, others } });
  }
  return found;
}

/** Reads where all of them stand, in one batch. Undefined if some tables refuse that: each projection alone finds out whose. */
async function look(
  database: D1Database,
  pointed: readonly Pointed[],
  budget: Budget,
): Promise<ReadonlyMap<Pointed, Places> | undefined> {
  const statements = pointed.map(({ member, targets }) => placesStatements(database, targets, [...member.open.keys()]));
  const all = statements.flat();
  spendBatch(budget, all.length);
  try {
    const results = await database.batch<Record<string, unknown>>(all);
    let at = 0;
    return new Map(
      pointed.map((one, index) => {
        const count = statements[index]?.length ?? 0;
        const its = results.slice(at, at + count);
        at += count;
        return [one, toPlaces(one.targets, its)];
      }),
    );
  } catch (error) {
    if (isOfTheDatabase(error)) throw error;
    return undefined;
  }
}

/** Whether each projection alone would get the same error. An internal error may be the fault of one projection's tables. */
function isOfTheDatabase(error: unknown): boolean {
  const kind = kindOfD1Error(error);
  return kind === 'storage' || (kind === 'transient' && !isInternalError(error));
}

/** The next page of each stream, folded for the members that stand at the same event. */
async function jointSteps(
  context: CatchUpContext,
  looks: readonly (readonly [Pointed, Places])[],
  budget: Budget,
): Promise<readonly JointStep[]> {
  const placed = looks.flatMap(([one, { placeOf }]) =>
    [...one.member.open.values()].map((request) => ({ one, place: placeOf(request) })),
  );
  const byStream = Map.groupBy(placed, ({ place }) => place.request.stream);
  const limits = { pageSize: EVENTS_OF_A_PAGE, readSize: Math.max(Math.floor(MAX_LOADED_EVENTS / byStream.size), 1) };
  const sets = [...byStream.values()].flatMap((all) => {
    const set = atOneEvent(all.filter(({ place }) => isPlain(place)));
    for (const { one, place } of all) {
      if (set.some((member) => member.one === one)) continue;
      // It may have been there before the others. If not, its own catch-up takes it.
      if (isReached(takeFromHand(place, limits))) noteReached(one.member, place);
      one.member.open.delete(place.request.stream);
    }
    return set[0] ? [{ place: set[0].place, set }] : [];
  });
  const pages = await pagesOf(
    context,
    sets.map(({ place }) => place),
    limits,
    budget,
  );

  return sets.flatMap(({ place: { request }, set }) => {
    const { stream } = request;
    const page = pages.get(stream);
    if (page === 'later') return [];
    const steps = new Map<Pointed, Step>();
    for (const { one, place } of set) {
      if (page === 'reached') noteReached(one.member, place);
      const step = typeof page === 'object' ? plainStep(foldPage({ ...page, place })) : undefined;
      if (step) steps.set(one, step);
      else one.member.open.delete(stream);
    }
    const length = [...steps.values()].reduce((sum, step) => sum + step.length, 0);
    return steps.size > 0 ? [{ stream, steps, length }] : [];
  });
}

/** Whether a stream is where it was wanted. */
function isReached(taken: ReturnType<typeof takeFromHand>): boolean {
  return taken !== 'needs-log' && taken.kind === 'settled' && !taken.progress.standstill;
}

function noteReached({ done }: Member, { request: { stream }, positions: [{ position }] }: Place): void {
  done.streams.set(stream, { stream, version: position.version });
}

type Placed = { readonly one: Pointed; readonly place: Place };

/** Whether nothing is in the way of a stream in a projection, and all of its targets stand at one event. */
function isPlain({ positions, obstacles }: Place): boolean {
  const [{ position: lead }] = positions;
  return (
    !obstacles.refused &&
    obstacles.skipped.size === 0 &&
    positions.every(({ position }) => position.version === lead.version && position.eventId === lead.eventId)
  );
}

/** The largest set of projections that stand at one event. */
function atOneEvent(placed: readonly Placed[]): readonly Placed[] {
  const sets = Map.groupBy(
    placed,
    ({
      place: {
        positions: [{ position }],
      },
    }) => `${position.version} ${position.eventId}`,
  );
  const [largest = []] = [...sets.values()].toSorted((one, other) => other.length - one.length);
  return largest;
}

/** `reached`: the stream is where it was wanted. `later`: the memory for events is used up, and the next round takes it. */
type NextPage = Page | 'reached' | 'later';

/** The next page of each stream. A stream without an entry is left to the projections alone. */
async function pagesOf(
  context: CatchUpContext,
  places: readonly Place[],
  limits: PageLimits,
  budget: Budget,
): Promise<ReadonlyMap<StreamId, NextPage>> {
  const work: CatchUpWork = { pending: [], progress: new Map(), budget, applied: 0, traces: [] };
  const atHand = places.map((place) => ({ place, taken: takeFromHand(place, limits) }));
  const needing = atHand.flatMap(({ place, taken }) => (taken === 'needs-log' ? [place] : []));
  const { loaded, deferred } = await loadAll({ context, work, over: undefined }, needing, new Map(), limits);
  const pages = new Map<StreamId, NextPage>(deferred.map((stream) => [stream, 'later']));
  for (const taken of [...atHand.flatMap(({ taken: its }) => (its === 'needs-log' ? [] : its)), ...loaded]) {
    if (taken.kind === 'page') pages.set(taken.page.place.request.stream, taken.page);
    else if (isReached(taken)) pages.set(taken.progress.stream, 'reached');
  }
  return pages;
}

/** The step of a look at which nothing stops. */
function plainStep({ step, failures, progress }: ReturnType<typeof foldPage>): Step | undefined {
  return failures.length > 0 || progress.standstill || progress.isOtherBehind ? undefined : step;
}

/**
 * Applies the steps of some streams in one batch. If the tables refuse it, halves it. If they refuse one stream's step, applies it without the
 * projection that refuses it.
 */
async function applyChunk(
  context: CatchUpContext,
  database: D1Database,
  chunk: readonly JointStep[],
  budget: Budget,
): Promise<'moved' | 'contested' | 'left'> {
  const involved = [...new Set(chunk.flatMap(({ steps }) => [...steps.keys()]))];
  if (!affordsBatch(budget)) return 'left';
  const sent = await send(context, database, chunk, involved, budget);
  if (sent === 'applied') return 'moved';
  if (sent === 'lost-race') return 'contested';
  if (sent === 'refused') {
    // Not the data of one stream: the projections alone find out what it is, without a search through all streams.
    leave(chunk, involved);
    return 'left';
  }
  if (sent === 'epoch-changed') {
    for (const { targets } of involved) context.pointers.drop(targets.projectionName);
    return 'contested';
  }
  if (chunk.length === 1) return applyWithoutOne(context, database, chunk, involved, budget);
  const middle = Math.ceil(chunk.length / 2);
  const outcomes = [
    await applyChunk(context, database, chunk.slice(0, middle), budget),
    await applyChunk(context, database, chunk.slice(middle), budget),
  ];
  return (
    outcomes.find((outcome) => outcome === 'contested') ?? outcomes.find((outcome) => outcome === 'moved') ?? 'left'
  );
}

/** Applies one stream's step in all projections but the one that refuses it. The search is over if two of them do. */
async function applyWithoutOne(
  context: CatchUpContext,
  database: D1Database,
  chunk: readonly JointStep[],
  involved: readonly Pointed[],
  budget: Budget,
): Promise<'moved' | 'left'> {
  // With two projections, one without the other is alone.
  for (const refusing of involved.length > 2 ? involved : []) {
    if (!affordsBatch(budget)) break;
    const rest = involved.filter((one) => one !== refusing);
    if ((await send(context, database, chunk, rest, budget)) !== 'applied') continue;
    leave(chunk, [refusing]);
    return 'moved';
  }
  leave(chunk, involved);
  return 'left';
}

/** Leaves the streams to the catch-ups of some projections alone. */
function leave(chunk: readonly JointStep[], some: readonly Pointed[]): void {
  for (const { stream } of chunk) for (const { member } of some) member.open.delete(stream);
}

/** Sends the steps of some projections. Notes what was applied. */
async function send(
  context: CatchUpContext,
  database: D1Database,
  chunk: readonly JointStep[],
  some: readonly Pointed[],
  budget: Budget,
): Promise<Exclude<BatchOutcome['outcome'], 'refused'> | 'data-refused' | 'refused'> {
  const parts = some.flatMap((one) =>
    partsOf(
      chunk.flatMap(({ steps }) => steps.get(one) ?? []),
      [one.targets.lead, ...one.targets.others],
    ),
  );
  const pointed = some.map(({ targets, pointer }) => ({ projectionName: targets.projectionName, pointer }));
  let sent: BatchOutcome;
  try {
    sent = await sendGuardedBatch(database, pointed, parts, { budget, shares: context.sharesCheckpoints });
  } catch (error) {
    if (isOfTheDatabase(error)) throw error;
    return 'refused';
  }
  if (sent.outcome === 'applied')
    for (const { stream, steps } of chunk) for (const one of some) note(one.member, stream, steps.get(one));
  return sent.outcome === 'refused' && sent.kind === 'data' ? 'data-refused' : sent.outcome;
}

/** Notes an applied step. The stream stays open until it is where it was wanted. */
function note({ done, open }: Member, stream: StreamId, step: Step | undefined): void {
  if (!step) return;
  const { version, head } = step.after;
  done.streams.set(stream, { stream, version });
  done.applied += step.moves.size;
  noteTraces(done.traces, step);
  const wanted = open.get(stream)?.wanted ?? 0;
  if (version >= (wanted === 'head' ? (head ?? 0) : wanted)) open.delete(stream);
}
