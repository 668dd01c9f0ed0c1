import { buildInProgress } from '../rebuild/build-requests.ts';
import type { Unanswered } from '../queries/causal-read.ts';
import type { Projection } from '../projections/projection.ts';
import type { StreamId } from '../domain/stream.ts';
import { log } from '../platform/log.ts';
import type { AppContext } from './app-env.ts';
import { Problem } from './problem.ts';

/**
 * The client has seen more of a stream than its log holds, or another event at that version: the log was restored to an earlier time. `head` is
 * the latest version in the log.
 */
export function tokenAhead(stream: StreamId, wanted: number, head: number): Problem {
  const detail =
    wanted > head
      ? `The token has seen version ${wanted} of ${stream}, but the log ends at version ${head}. Start over without a token.`
      : `The token has seen another event at version ${wanted} of ${stream} than the log holds now. Start over without a token.`;
  return new Problem('causal-token-ahead', detail, { stream, wanted, head });
}

/** This Worker has no code for the live revision, or nothing is live. Then the first build starts, unless one is already running. */
export async function building(c: AppContext, { name, group }: Projection): Promise<Problem> {
  const { runtime } = c.var;
  const build = await buildInProgress(runtime, name);
  if (!build) c.executionCtx.waitUntil(runtime.ensureBuilt(name));
  const { replayed = 0, total = 0 } = build ?? {};
  const detail = build
    ? `${name} is being built: ${replayed} of ${total} events. Retry later.`
    : `${name} is about to be built, or this deployment has no code for its live revision. Retry later.`;
  log('causal-read.building', { projection: name, group: group.name, correlationId: c.var.correlationId });
  return new Problem('projection-building', detail, { projection: name, ...(build && { replayed, total }) });
}

/** The problem that answers the client when a causal read brought no rows. */
export function readProblem(projection: Projection, result: Exclude<Unanswered, { outcome: 'building' }>): Problem {
  switch (result.outcome) {
    case 'unavailable':
      return new Problem(
        'overloaded',
        `The database of ${projection.name} does not answer at the moment. Retry later.`,
      );
    case 'token-ahead':
      return tokenAhead(result.stream, result.wanted, result.head);
    case 'dead-letter': {
      const { stream, wanted, has } = result;
      const detail = `${projection.name} stopped at an event after version ${has} of ${stream}. Ask an operator to repair the cause and to replay the dead letter.`;
      return new Problem('projection-dead-letter', detail, { projection: projection.name, stream, wanted, has });
    }
    case 'behind': {
      const { stream, wanted, has } = result;
      if (result.isOverloaded)
        return new Problem('overloaded', `${stream} takes no more requests at the moment. Retry later.`, { stream });
      const detail = `${projection.name} has ${stream} at version ${has}, but the token has seen version ${wanted}. Retry later.`;
      return new Problem('projection-behind', detail, { projection: projection.name, stream, wanted, has });
    }
    default:
      return result satisfies never;
  }
}
