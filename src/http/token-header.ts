import {
  type CausalToken,
  EMPTY_TOKEN,
  cutToSize,
  withBookmark,
  withoutConfirmed,
} from '../eventsourcing/read/causal-token.ts';
import { liveVersions } from '../eventsourcing/read/confirm.ts';
import { TimeoutError, withTimeout } from '../eventsourcing/timeout.ts';
import { log } from '../log.ts';
import type { Runtime } from '../runtime.ts';
import type { AppContext } from './app-env.ts';
import { HEADER } from './headers.ts';
import { CONFIRM_TIMEOUT_MS, MAX_TOKEN_LENGTH } from './limits.ts';
import { Problem } from './problem.ts';

/** The token of a request; an empty one where it has none. Throws a problem where it cannot be taken. */
export async function takeUp(runtime: Runtime, text: string | undefined): Promise<CausalToken> {
  const codec = runtime.tokens();
  if (text === undefined) return EMPTY_TOKEN;
  const token = text.length <= MAX_TOKEN_LENGTH ? await codec.decode(text) : undefined;
  if (token) return token;
  const detail = `${HEADER.causalToken} is malformed, cut short, or was not made here.`;
  // With a new token, so that a client which keeps sending what it got last is not shut out for good.
  throw new Problem('invalid-causal-token', detail, {}, { [HEADER.causalToken]: await codec.encode(EMPTY_TOKEN) });
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
 * databases, taken after that, vouch for them. One statement for each database.
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
          const versions = await liveVersions(session, projections, streams);
          return { group, versions, bookmark: session.getBookmark() };
        }),
      ),
      CONFIRM_TIMEOUT_MS,
    );
    const reached = new Map(
      answers.flatMap(({ versions }) =>
        // What a dead letter holds may be of a log that has been restored since.
        versions.flatMap(({ projection, stream, version, isHeld }) =>
          isHeld ? [] : [[`${projection}/${stream}`, version] as const],
        ),
      ),
    );
    const confirmed = [...token.streams].flatMap(([stream, { version }]) =>
      registry.projectionsFollowing(stream).every(({ name }) => (reached.get(`${name}/${stream}`) ?? 0) >= version)
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
