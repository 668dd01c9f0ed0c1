import {
  type CausalToken,
  EMPTY_TOKEN,
  cutToSize,
  inEpoch,
  withBookmark,
  withoutConfirmed,
  withoutEndedMarks,
} from '../eventsourcing/read/causal-token.ts';
import { type LiveVersion, liveVersions } from '../eventsourcing/read/confirm.ts';
import { unknownProjections } from '../eventsourcing/read/unknown-projections.ts';
import { type Seen, isAnother } from '../eventsourcing/seen.ts';
import { TimeoutError, withTimeout } from '../eventsourcing/timeout.ts';
import { log } from '../log.ts';
import type { Runtime } from '../runtime.ts';
import type { AppContext } from './app-env.ts';
import { HEADER } from './headers.ts';
import { CONFIRM_TIMEOUT_MS, MAX_TOKEN_LENGTH } from './limits.ts';
import { Problem } from './problem.ts';

/** The token of a request; an empty one where it has none. Throws a problem where it cannot be taken. */
export async function takeUp(runtime: Runtime, text: string | undefined): Promise<CausalToken> {
  const { restoreEpoch, clock } = runtime;
  const codec = runtime.tokens();
  const empty = { ...EMPTY_TOKEN, epoch: restoreEpoch };
  if (text === undefined) return empty;
  const token = text.length <= MAX_TOKEN_LENGTH ? await codec.decode(text) : undefined;
  if (token) {
    // In this sequence: before its epoch was judged, a mark must not end.
    const taken = inEpoch(token, restoreEpoch);
    if (taken) return withoutEndedMarks(taken, clock.now());
    const detail =
      'The token is of before a database was restored, and has left out what it had seen there. Start over without a token.';
    throw new Problem('causal-token-ahead', detail, {}, { [HEADER.causalToken]: text });
  }
  const detail = `${HEADER.causalToken} is malformed, cut short, or was not made here.`;
  // With a new token, so that a client which keeps sending what it got last is not shut out for good.
  throw new Problem('invalid-causal-token', detail, {}, { [HEADER.causalToken]: await codec.encode(empty) });
}

/** Puts the token into the answer; in its size, without what no longer needs to be said, and never forgetting in silence. */
export async function attach(c: AppContext, token: CausalToken, maxStreams: number): Promise<void> {
  const { runtime } = c.var;
  const codec = runtime.tokens();
  const now = runtime.clock.now();
  const shortened = token.streams.size > maxStreams ? await shorten(runtime, token) : token;
  let kept = cutToSize(shortened, maxStreams, now);
  let encoded = await codec.encode(kept);
  while (encoded.length > MAX_TOKEN_LENGTH && kept.streams.size > 0) {
    kept = cutToSize(kept, Math.floor(kept.streams.size * 0.9), now);
    encoded = await codec.encode(kept);
  }
  c.res.headers.set(HEADER.causalToken, encoded);
  if (kept.partialAt !== undefined) c.res.headers.set(HEADER.causalScope, 'partial');
}

/**
 * Drops the streams that every projection which follows them has reached on its primary. From then on the bookmarks of those
 * databases, taken after that, vouch for them. Two statements for each database. None is dropped while a database has a projection that this
 * Worker does not know: a newer Worker may have to wait for the stream there.
 */
async function shorten(runtime: Runtime, token: CausalToken): Promise<CausalToken> {
  const { registry, databaseOf, clock } = runtime;
  const streams = [...token.streams.keys()];
  try {
    const answers = await withTimeout(
      Promise.all(
        registry.groups.map(async (group) => {
          const projections = registry.projectionsOf(group);
          const session = databaseOf(group).withSession('first-primary');
          const [versions, unknown] = await Promise.all([
            liveVersions(session, projections, streams),
            unknownProjections(session, projections),
          ]);
          if (unknown.length > 0) throw new Error(`this Worker has no code for ${unknown.join(', ')}`);
          return { group, versions, bookmark: session.getBookmark() };
        }),
      ),
      CONFIRM_TIMEOUT_MS,
    );
    const reached = new Map(
      answers.flatMap(({ versions }) => versions.map((live) => [`${live.projection}/${live.stream}`, live] as const)),
    );
    const confirmed = [...token.streams].flatMap(([stream, seen]) =>
      registry.projectionsFollowing(stream).every(({ name }) => confirms(reached.get(`${name}/${stream}`), seen))
        ? [stream]
        : [],
    );
    return answers.reduce(
      (merged, { group, bookmark }) => withBookmark(merged, group.name, bookmark),
      withoutConfirmed(token, confirmed, clock.now()),
    );
  } catch (error) {
    log('token.not-confirmed', { error: error instanceof TimeoutError ? 'timeout' : String(error) });
    return token;
  }
}

/** Whether a projection has reached what was seen. What a dead letter holds may be of a log that has been restored since. */
function confirms(live: LiveVersion | undefined, seen: Seen): boolean {
  if (!live || live.isHeld || live.version < seen.version) return false;
  return live.version > seen.version || !isAnother(seen, live.eventId);
}
