import type { Group } from '../platform/group.ts';
import { type Hint, type HintMessage, packMessages, parseMessage } from '../write/message.ts';
import { type StreamId, categoryOf } from '../domain/stream.ts';
import { StorageUnavailableError } from '../platform/faults.ts';
import { withTimeout } from '../platform/timeout.ts';
import { type CatchUpResult, catchUp } from './catch-up.ts';
import type { CatchUpContext } from './catch-up-work.ts';
import { type Together, catchUpTogether } from './catch-up-together.ts';
import { type Budget, newBudget } from './catch-up-limits.ts';
import type { Projection } from '../projections/projection.ts';
import type { SystemContext } from '../projections/system-context.ts';
import { type CatchUpRequest, type StreamProgress, isUncompared } from './stream-progress.ts';

/** The part of the system that the projection worker uses. */
export interface ProjectionWorkerContext extends CatchUpContext, Pick<SystemContext, 'send'> {
  /** Starts the first build of a projection that has none. Never throws. */
  readonly ensureBuilt: (projection: string) => Promise<void>;
}

type QueueMessage = Pick<Message, 'body' | 'attempts' | 'ack' | 'retry'>;

interface Received {
  readonly message: QueueMessage;
  readonly content: HintMessage;
}

/**
 * Seconds before each retry of a message. They grow, so that retries do not burden a database that is away. After the queue's last retry, the
 * delivery check takes over.
 */
const RETRY_DELAYS_S = [2, 8, 30];

/** Seconds before a retry of a message that waits for an operator: the tables refuse every stream, or the storage is full or switched off. */
const SLOW_RETRY_DELAY_S = 300;

/** Time, in ms, that a batch waits at most for its messages to other groups. */
const FORWARD_TIMEOUT_MS = 2_000;

/**
 * Applies a batch of messages to each projection of the group separately, so that a failing projection does not hold up the others. Acknowledges a
 * message once every projection that follows its streams has reached the message's versions. Meanwhile, passes on to the other groups what the
 * objects sent.
 */
export async function consumeHints(
  context: ProjectionWorkerContext,
  group: Group,
  messages: readonly QueueMessage[],
): Promise<void> {
  const { report } = context;
  const received = messages.flatMap((message): readonly Received[] => {
    const content = parseMessage(message.body);
    if (content) return [{ message, content }];
    report('consumer.not-a-hint', { group: group.name });
    message.ack();
    return [];
  });

  const byStream = Map.groupBy(
    received.flatMap(({ content }) => content.hints),
    (hint) => hint.stream,
  );
  const budget = newBudget();
  const [reached] = await Promise.all([
    reachAll(context, group, byStream, budget),
    tellOthers(context, group, received),
  ]);

  for (const { message, content } of received) {
    const lagging = content.hints.flatMap(({ stream, toVersion }) =>
      reached.flatMap(({ projection, reach }) =>
        follows(projection, stream) && (reach.versions.get(stream) ?? 0) < toVersion ? [reach.isSlow(stream)] : [],
      ),
    );
    if (lagging.length === 0) message.ack();
    else message.retry({ delaySeconds: delayFor(message.attempts, lagging.every(Boolean)) });
  }
}

function delayFor(attempts: number, isSlow: boolean): number {
  if (isSlow) return SLOW_RETRY_DELAY_S;
  return RETRY_DELAYS_S[Math.min(attempts, RETRY_DELAYS_S.length) - 1] ?? 2;
}

/** How far a projection has brought streams. */
interface Reach {
  readonly versions: ReadonlyMap<StreamId, number>;
  /** Whether the stream stays behind until an operator acts. */
  readonly isSlow: (stream: StreamId) => boolean;
}

const NOWHERE: Reach = { versions: new Map(), isSlow: () => false };
const NOWHERE_FOR_LONG: Reach = { versions: new Map(), isSlow: () => true };

/** Catches up all projections of the group: first together, and then each alone in what is left. */
async function reachAll(
  context: ProjectionWorkerContext,
  group: Group,
  byStream: ReadonlyMap<StreamId, readonly Hint[]>,
  budget: Budget,
): Promise<readonly { readonly projection: Projection; readonly reach: Reach }[]> {
  const asked = context.registry
    .projectionsOf(group)
    .map((projection) => ({ projection, requests: requestsFor(projection, byStream) }))
    .filter(({ requests }) => requests.length > 0);
  // Each projection reports by itself that the database is away.
  const together =
    asked.length > 1
      ? catchUpTogether(context, group, asked, budget)
      : Promise.resolve(new Map<Projection, Together>());
  return Promise.all(
    asked.map(async ({ projection, requests }) => ({
      projection,
      reach: await reachAfter(context, projection, requests, budget, together),
    })),
  );
}

/** Catches up the streams, and returns how far they are. If the projection's catch-up fails as a whole, no stream counts as reached. */
async function reachAfter(
  context: ProjectionWorkerContext,
  projection: Projection,
  requests: readonly CatchUpRequest[],
  budget: Budget,
  together: Promise<ReadonlyMap<Projection, Together>>,
): Promise<Reach> {
  const { ensureBuilt, report } = context;
  const startedAt = Date.now();
  try {
    const before = (await together).get(projection);
    const left = requests.filter((request) => !isReached(before, request));
    const result = joined(before, left.length > 0 ? await catchUp(context, projection, left, { budget }) : undefined);
    if (result.outcome === 'building') await ensureBuilt(projection.name);
    const [only, ...others] = requests;
    report(result.outcome === 'done' ? 'projection.batch' : 'projection.building', {
      projection: projection.name,
      group: projection.group.name,
      ...(only && others.length === 0 && { stream: only.stream }),
      streams: requests.length,
      applied: result.applied,
      durationMs: Date.now() - startedAt,
      correlationIds: distinct(result.traces.map(({ correlationId }) => correlationId)),
      causationIds: distinct(result.traces.map(({ causationId }) => causationId)),
    });
    return {
      versions: new Map([...result.streams.values()].map((progress) => [progress.stream, doneUpTo(progress)])),
      isSlow: (stream) => result.streams.get(stream)?.standstill?.cause === 'projection-fault',
    };
  } catch (error) {
    report('projection.failed', {
      projection: projection.name,
      group: projection.group.name,
      error: String(error),
    });
    return error instanceof StorageUnavailableError ? NOWHERE_FOR_LONG : NOWHERE;
  }
}

function isReached(before: Together | undefined, { stream, wanted }: CatchUpRequest): boolean {
  const at = before?.streams.get(stream);
  return at !== undefined && wanted !== 'head' && at.version >= wanted;
}

/** What a projection has done together with others, and then alone. */
function joined(together: Together | undefined, alone: CatchUpResult | undefined): CatchUpResult {
  const { outcome = 'done', streams = [], applied = 0, traces = [] } = alone ?? {};
  return {
    outcome,
    streams: new Map([...(together?.streams ?? []), ...streams]),
    applied: (together?.applied ?? 0) + applied,
    traces: [...(together?.traces ?? []), ...traces],
  };
}

/** The version up to which messages about a stream are done. */
function doneUpTo({ version, standstill }: StreamProgress): number {
  // A dead letter and the events behind it wait for an operator. No message can bring the stream further.
  if (standstill?.isDeadLetter) return Number.POSITIVE_INFINITY;
  // A restored log that is no dead letter yet: the version belongs to the lost history. A log that was not compared: the version may belong to one.
  return standstill && (standstill.cause === 'log-restored' || isUncompared(standstill)) ? 0 : version;
}

function distinct(ids: readonly string[]): string {
  return [...new Set(ids)].join(' ');
}

/**
 * Passes on to the other groups what the objects sent to this one, so that an event costs one message instead of one for each group. This is only an
 * optimisation: the delivery check reminds a group that gets no message. So a message is passed on only at its first attempt, and the wait is short.
 */
async function tellOthers(
  { registry, send, report }: ProjectionWorkerContext,
  group: Group,
  received: readonly Received[],
): Promise<void> {
  const fresh = received
    .filter(({ message, content }) => content.sender === 'relay' && message.attempts === 1)
    .flatMap(({ content }) => content.hints);
  const forGroup = new Map<Group, Hint[]>();
  for (const hint of fresh) {
    const [first, ...others] = registry.groupsOf(hint.stream) ?? [];
    if (first !== group) continue;
    for (const other of others) forGroup.set(other, [...(forGroup.get(other) ?? []), hint]);
  }
  const sends = [...forGroup].flatMap(([other, hints]) =>
    packMessages(hints, 'group').map((message) => send(other, message)),
  );
  try {
    await withTimeout(Promise.all(sends), FORWARD_TIMEOUT_MS);
  } catch (error) {
    report('consumer.others-not-told', { group: group.name, error: String(error) });
  }
}

/** What hints ask of a projection. */
export function requestsFor(
  projection: Projection,
  byStream: ReadonlyMap<StreamId, readonly Hint[]>,
): readonly CatchUpRequest[] {
  return [...byStream]
    .filter(([stream]) => follows(projection, stream))
    .map(([stream, hints]) => ({
      stream,
      wanted: Math.max(...hints.map(({ toVersion }) => toVersion)),
      hints,
      isRecheck: hints.some(({ isRecheck }) => isRecheck === true),
    }));
}

/** Whether a projection follows a stream's category. */
export function follows(projection: Projection, stream: StreamId): boolean {
  return Object.hasOwn(projection.follows, categoryOf(stream));
}
