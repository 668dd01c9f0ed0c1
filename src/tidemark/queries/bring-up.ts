import { OverloadedError, StorageUnavailableError } from '../platform/faults.ts';
import { UNSEEN, isAnother } from '../domain/seen.ts';
import { TimeoutError, withTimeout } from '../platform/timeout.ts';
import type { CatchUpResult } from '../catch-up/catch-up.ts';
import type { Aggregates } from '../write/aggregates.ts';
import type { BatchRead } from '../catch-up/catch-up-work.ts';
import type { Unanswered } from './causal-read.ts';
import type { GuardedAnswer, Queries } from './guarded-query.ts';
import { type Reader, msLeft, pause, toPrimary } from './reader.ts';
import type { Unmet } from './standing.ts';
import { type CatchUpRequest, isUncompared } from '../catch-up/stream-progress.ts';

/**
 * Runs the catch-up for streams that are behind what the client has seen, within the reader's time. Returns the answer that was read in its last
 * batch. Undefined if the reader has to look again.
 */
export async function bringUp<Q extends Queries>(
  reader: Reader<Q>,
  unmet: readonly [Unmet, ...Unmet[]],
  round: number,
): Promise<GuardedAnswer<Q> | Unanswered | undefined> {
  const { aggregates, report } = reader.context;
  try {
    const asked = await withTimeout(Promise.all(unmet.map((one) => toRequest(aggregates, one))), msLeft(reader));
    const ahead = asked.find((one) => 'outcome' in one);
    if (ahead) return ahead;
    const requests = asked.filter((one) => !('outcome' in one));
    const { result, answer } = await withTimeout(catchUpAndRead(reader, requests), msLeft(reader));
    const end = result && endOf(reader, requests, result);
    if (end === 'to-pause') await pause(reader, round);
    else if (end) return end;
    if (answer) return answer;
  } catch (error) {
    // This lasts until an operator makes room, so waiting does not help.
    if (error instanceof StorageUnavailableError) throw error;
    if (error instanceof OverloadedError) {
      const [{ stream, seen, at }] = unmet;
      return { outcome: 'behind', stream, wanted: seen.version, has: at.version, isOverloaded: true };
    }
    if (!(error instanceof TimeoutError)) {
      report('causal-read.catch-up-failed', { projection: reader.projection.name, error: String(error) });
      await pause(reader, round);
    }
  }
  toPrimary(reader);
  return undefined;
}

/**
 * The catch-up's request for a stream. If the projection has another event than the client, the log decides. Either the token is refused, or the
 * catch-up reads the log too and finds that the projection has a lost history.
 */
async function toRequest(
  { load }: Pick<Aggregates, 'load'>,
  { stream, seen, at, reason }: Unmet,
): Promise<CatchUpRequest | Extract<Unanswered, { outcome: 'token-ahead' }>> {
  if (reason !== 'another') return { stream, wanted: seen.version, seenAt: at.version };
  const { events, head } = await load(stream, seen.version, 1);
  const [event] = events;
  if (!event || isAnother(seen, event.id)) return { outcome: 'token-ahead', stream, wanted: seen.version, head };
  return { stream, wanted: seen.version, isRecheck: true };
}

/**
 * Runs the catch-up for the streams that no other request of this isolate brings up, and reads in its batch. Waits for the others. Has no answer if
 * other requests bring up all of them.
 */
async function catchUpAndRead<Q extends Queries>(reader: Reader<Q>, requests: readonly CatchUpRequest[]) {
  const { context, projection, budget, queryUnder } = reader;
  let result: CatchUpResult | undefined;
  let answer: GuardedAnswer<Q> | undefined;
  const batchRead: BatchRead = {
    session: toPrimary(reader),
    queryUnder,
    found(last) {
      answer = last as GuardedAnswer<Q>;
    },
  };
  const byKey = new Map(requests.map((request) => [`${projection.name}/${request.stream}`, request]));
  await context.flights.run([...byKey.keys()], async (led) => {
    const own = led.flatMap((key) => byKey.get(key) ?? []);
    result = await context.catchUp(projection, own, { batchRead, budget });
  });
  return { result, answer };
}

/** Why the read has no answer after the catch-up. `to-pause`: a transient failure. Undefined: nothing prevents the answer. */
function endOf(
  { stream: only, wanted: seen, incomplete }: Reader<Queries>,
  requests: readonly CatchUpRequest[],
  { outcome, streams }: CatchUpResult,
): Unanswered | 'to-pause' | undefined {
  if (outcome === 'building') return { outcome };
  const rechecked = new Set(requests.flatMap(({ stream, isRecheck }) => (isRecheck ? [stream] : [])));
  let isToPause = false;
  for (const { stream, version: has, head, standstill } of streams.values()) {
    const { version: wanted } = seen.get(stream) ?? UNSEEN;
    if (head !== undefined && wanted > head) return { outcome: 'token-ahead', stream, wanted, head };
    if (!standstill) continue;
    const { cause } = standstill;
    const isInDoubt = cause === 'log-restored' || (rechecked.has(stream) && isUncompared(standstill));
    if (has >= wanted && !isInDoubt) continue;
    if (cause === 'overloaded' || cause === 'projection-fault')
      return { outcome: 'behind', stream, wanted, has, isOverloaded: cause === 'overloaded' };
    if (cause === 'poison' || cause === 'log-restored') {
      if (only) return { outcome: 'dead-letter', stream, wanted, has };
      incomplete.add(stream);
    } else {
      isToPause = true;
    }
  }
  return isToPause ? 'to-pause' : undefined;
}
