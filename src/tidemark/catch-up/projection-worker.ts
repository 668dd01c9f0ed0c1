import type { Group } from '../platform/group.ts';
import { type Hint, type HintMessage, packMessages, parseMessage } from '../write/message.ts';
import { type StreamId, categoryOf } from '../domain/stream.ts';
import { StorageUnavailableError } from '../platform/faults.ts';
import { withTimeout } from '../platform/timeout.ts';
import type { CatchUp } from './catch-up.ts';
import { type Budget, newBudget } from './catch-up-limits.ts';
import type { Projection } from '../projections/projection.ts';
import type { SystemContext } from '../projections/system-context.ts';
import { type CatchUpRequest, type StreamProgress, isUncompared } from './stream-progress.ts';

/** The part of the system that the projection worker works with. */
export interface ProjectionWorkerContext extends Pick<SystemContext, 'registry' | 'send' | 'report'> {
  readonly catchUp: CatchUp;
  /** Starts the first build of a projection that has none. Never throws. */
  readonly ensureBuilt: (projection: string) => Promise<void>;
}

type QueueMessage = Pick<Message, 'body' | 'attempts' | 'ack' | 'retry'>;

interface Received {
  readonly message: QueueMessage;
  readonly content: HintMessage;
}

/** Seconds before a message is tried again: doubling, so that an outage is not hammered. Past the queue's retries, the delivery check. */
const RETRY_DELAYS_S = [2, 8, 30];

/** Seconds before a message is tried again that waits for an operator: the tables refuse every stream, or the storage is full or switched off. */
const SLOW_RETRY_DELAY_S = 300;

/** How long a batch may wait for other groups to be told, in ms. */
const FORWARD_TIMEOUT_MS = 2_000;

/**
 * Applies a batch of messages to every projection of the group, each by itself, so that one that fails does not hold up its neighbours,
 * and acknowledges message by message: one is done once every projection that follows its streams has reached them. Side by side with
 * that, tells the other groups what came from the objects.
 */
export async function consumeHints(
  context: ProjectionWorkerContext,
  group: Group,
  messages: readonly QueueMessage[],
): Promise<void> {
  const { registry, report } = context;
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
    Promise.all(
      registry.projectionsOf(group).map(async (projection) => {
        const requests = requestsFor(projection, byStream);
        const reach = requests.length > 0 ? await reachAfter(context, projection, requests, budget) : NOWHERE;
        return { projection, reach };
      }),
    ),
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

/** Where a projection has brought streams. */
interface Reach {
  readonly versions: ReadonlyMap<StreamId, number>;
  /** Whether what keeps a stream back lasts until an operator acts. */
  readonly isSlow: (stream: StreamId) => boolean;
}

const NOWHERE: Reach = { versions: new Map(), isSlow: () => false };
const NOWHERE_FOR_LONG: Reach = { versions: new Map(), isSlow: () => true };

/** Where the streams stand after the catch-up, for what waits for them; nowhere for a projection that failed altogether. */
async function reachAfter(
  { catchUp, ensureBuilt, report }: ProjectionWorkerContext,
  projection: Projection,
  requests: readonly CatchUpRequest[],
  budget: Budget,
): Promise<Reach> {
  const startedAt = Date.now();
  try {
    const result = await catchUp(projection, requests, { budget });
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

/** Up to which version messages about a stream are done with. */
function doneUpTo({ version, standstill }: StreamProgress): number {
  // A dead letter waits for an operator, and what comes behind it too: no message will bring it further.
  if (standstill?.isDeadLetter) return Number.POSITIVE_INFINITY;
  // Before that, a version of a log that is gone is no version of this one; and of one that was to be compared, and was not, nobody knows.
  return standstill && (standstill.cause === 'log-restored' || isUncompared(standstill)) ? 0 : version;
}

function distinct(ids: readonly string[]): string {
  return [...new Set(ids)].join(' ');
}

/**
 * Passes on what the objects sent to this group, so that an event costs one message and not one for each group. An optimisation only:
 * whoever is not told is found by the delivery check. So a message is passed on at its first attempt alone, and nobody waits for it long.
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

function requestsFor(
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
