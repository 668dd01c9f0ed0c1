import type { Group } from '../group.ts';
import { type Hint, parseHint } from '../message.ts';
import { type StreamId, categoryOf } from '../stream.ts';
import type { CatchUpResult } from './catch-up.ts';
import type { CatchUpRequest } from './catch-up-step.ts';
import type { Projection } from './projection.ts';

/** What the projection worker stands on. */
export interface ProjectionWorkerPorts {
  /** The live code's projections of a group. */
  readonly projectionsOf: (group: Group) => readonly Projection[];
  readonly catchUp: (projection: Projection, requests: readonly CatchUpRequest[]) => Promise<CatchUpResult>;
  readonly report: (event: string, details: Record<string, string | number>) => void;
}

/** Seconds before a message is tried again: doubling, so that an outage is not hammered. Past the queue's retries, the delivery check. */
const RETRY_DELAYS_S = [2, 8, 30, 120];

/**
 * Applies a batch of hints to every projection of the group, each by itself, so that one that fails does not hold up its neighbours, and
 * acknowledges message by message: a message is done once every projection that follows its stream has reached it.
 */
export async function consumeHints(
  ports: ProjectionWorkerPorts,
  group: Group,
  messages: readonly Pick<Message, 'body' | 'attempts' | 'ack' | 'retry'>[],
): Promise<void> {
  const { projectionsOf, catchUp, report } = ports;
  const hints = new Map<(typeof messages)[number], Hint>();
  for (const message of messages) {
    const hint = parseHint(message.body);
    if (hint) {
      hints.set(message, hint);
      continue;
    }
    report('consumer.not-a-hint', { group: group.name });
    message.ack();
  }

  const byStream = Map.groupBy(hints.values(), (hint) => hint.stream);
  const reached = await Promise.all(
    projectionsOf(group).map(async (projection) => {
      const requests = requestsFor(projection, byStream);
      return {
        projection,
        versions: requests.length > 0 ? await versionsAfter(projection, requests) : new Map<StreamId, number>(),
      };
    }),
  );

  /** Where the streams stand after the catch-up; those of a projection that failed altogether are missing. */
  async function versionsAfter(
    projection: Projection,
    requests: readonly CatchUpRequest[],
  ): Promise<ReadonlyMap<StreamId, number>> {
    const startedAt = Date.now();
    try {
      const result = await catchUp(projection, requests);
      if (result.outcome === 'building') {
        report('projection.building', { projection: projection.name });
        return new Map();
      }
      for (const { stream, version, standstill } of result.streams.values()) {
        if (standstill)
          report('projection.standstill', { projection: projection.name, stream, version, ...standstill });
      }
      report('projection.batch', {
        projection: projection.name,
        group: group.name,
        streams: requests.length,
        applied: result.applied,
        durationMs: Date.now() - startedAt,
      });
      return new Map([...result.streams.values()].map(({ stream, version }) => [stream, version]));
    } catch (error) {
      report('projection.failed', { projection: projection.name, group: group.name, error: String(error) });
      return new Map();
    }
  }

  for (const [message, hint] of hints) {
    const isDone = reached.every(
      ({ projection, versions }) =>
        !follows(projection, hint.stream) || (versions.get(hint.stream) ?? 0) >= hint.toVersion,
    );
    if (isDone) message.ack();
    else message.retry({ delaySeconds: RETRY_DELAYS_S[Math.min(message.attempts, RETRY_DELAYS_S.length) - 1] ?? 2 });
  }
}

function requestsFor(
  projection: Projection,
  byStream: ReadonlyMap<StreamId, readonly Hint[]>,
): readonly CatchUpRequest[] {
  return [...byStream]
    .filter(([stream]) => follows(projection, stream))
    .map(([stream, hints]) => ({ stream, wanted: Math.max(...hints.map(({ toVersion }) => toVersion)), hints }));
}

/** Whether a projection follows a stream's category. */
export function follows(projection: Projection, stream: StreamId): boolean {
  return Object.hasOwn(projection.follows, categoryOf(stream));
}
