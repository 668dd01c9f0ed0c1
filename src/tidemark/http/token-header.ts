import {
  type CausalToken,
  EMPTY_TOKEN,
  cutToSize,
  inEpoch,
  withBookmark,
  withoutConfirmed,
  withoutEndedMarks,
} from '../queries/causal-token.ts';
import { type LiveVersion, liveVersions } from '../queries/live-versions.ts';
import { mergeTokens } from '../queries/token-merge.ts';
import { unknownProjections } from '../queries/unknown-projections.ts';
import { type Seen, isAnother } from '../domain/seen.ts';
import { TimeoutError, withTimeout } from '../platform/timeout.ts';
import { log } from '../platform/log.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { AppContext } from './app-env.ts';
import { HEADER } from './headers.ts';
import { CONFIRM_TIMEOUT_MS, MAX_TOKENS, MAX_TOKEN_LENGTH, MAX_TOKEN_STREAMS } from './limits.ts';
import { Problem } from './problem.ts';

/**
 * Merges the tokens of a request; an empty token if it has none. `text` is the header: the client separates several tokens by commas, or sends
 * several headers. Throws a problem for tokens that the server cannot use. The problem carries a token that covers the valid ones. Where the client
 * has to start over, it carries the valid ones unchanged.
 */
export async function takeUp(runtime: Runtime, text: string | undefined): Promise<CausalToken> {
  const texts = (text ?? '').split(',').flatMap((one) => one.trim() || []);
  if (text !== undefined && texts.length === 0) texts.push('');
  const tokens = await Promise.all(texts.slice(0, MAX_TOKENS).map((one) => decode(runtime, one)));
  const valid = tokens.flatMap((token) => token ?? []);
  // A token may know a later restore than this Worker does. Bookmarks from before that restore confirm nothing.
  const epoch = Math.max(runtime.restoreEpoch, ...valid.map((token) => token.epoch ?? 0));
  // First the epoch, then the age: a mark must not end before its epoch is checked.
  const taken = valid.flatMap((token) => inEpoch(token, epoch) ?? []);
  const now = runtime.clock.now();
  const merged = mergeTokens([{ ...EMPTY_TOKEN, epoch }, ...taken.map((token) => withoutEndedMarks(token, now))]);
  const asSent = { [HEADER.causalToken]: texts.filter((_, index) => tokens[index]).join(', ') };
  if (merged.outcome === 'conflict') {
    const { stream, version } = merged;
    const detail = `Two of the tokens have seen different events at version ${version} of ${stream}: one from before a restore, one from after it. Start over without a token.`;
    throw new Problem('causal-token-ahead', detail, { stream, wanted: version }, asSent);
  }
  if (taken.length < valid.length) {
    const which = texts.length > 1 ? 'One of the tokens' : 'The token';
    const detail = `${which} was made before a database was restored, and no longer holds what it has seen there. Start over without it.`;
    throw new Problem('causal-token-ahead', detail, {}, asSent);
  }
  const isEachValid = valid.length === tokens.length;
  if (isEachValid && texts.length <= MAX_TOKENS) return merged.token;
  // With a token, so that a client which always sends the token of its last answer recovers.
  const headers = headersOf(await fit(runtime, merged.token, MAX_TOKEN_STREAMS));
  if (isEachValid) {
    const detail = `${HEADER.causalToken} may hold ${MAX_TOKENS} tokens. The token of this answer covers the first ${MAX_TOKENS}: send it with the remaining ones.`;
    throw new Problem('invalid-causal-token', detail, {}, headers);
  }
  const which =
    texts.length > 1 ? `Token ${tokens.indexOf(undefined) + 1} of ${HEADER.causalToken}` : HEADER.causalToken;
  throw new Problem(
    'invalid-causal-token',
    `${which} is malformed, truncated, or not from this deployment. Continue with the token of this answer, which covers the valid ones. Or send no token, and start over.`,
    {},
    headers,
  );
}

async function decode(runtime: Runtime, text: string): Promise<CausalToken | undefined> {
  return text.length <= MAX_TOKEN_LENGTH ? runtime.tokens().decode(text) : undefined;
}

/** Adds the token to the answer. A token over its size drops confirmed streams first. If it drops others, the answer says so in `X-Causal-Scope`. */
export async function attach(c: AppContext, token: CausalToken, maxStreams: number): Promise<void> {
  const headers = headersOf(await fit(c.var.runtime, token, maxStreams));
  for (const [name, value] of Object.entries(headers)) c.res.headers.set(name, value);
}

interface FittingToken {
  readonly token: CausalToken;
  readonly encoded: string;
}

/** Cuts the token to its size: drops the confirmed streams, and if that is not enough, the oldest ones. */
async function fit(runtime: Runtime, token: CausalToken, maxStreams: number): Promise<FittingToken> {
  const codec = runtime.tokens();
  const now = runtime.clock.now();
  const shortened = token.streams.size > maxStreams ? await shorten(runtime, token) : token;
  let kept = cutToSize(shortened, maxStreams, now);
  let encoded = await codec.encode(kept);
  while (encoded.length > MAX_TOKEN_LENGTH && kept.streams.size > 0) {
    kept = cutToSize(kept, Math.floor(kept.streams.size * 0.9), now);
    encoded = await codec.encode(kept);
  }
  return { token: kept, encoded };
}

function headersOf({ token, encoded }: FittingToken): Record<string, string> {
  return { [HEADER.causalToken]: encoded, ...(token.partialAt !== undefined && { [HEADER.causalScope]: 'partial' }) };
}

/**
 * Drops the streams that every following projection has reached on its primary. The bookmarks of those databases, read after that, replace them.
 * Costs two statements for each database. Drops nothing while a database has a projection that this Worker does not know: a newer Worker may have to
 * wait for the stream there.
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

/** Whether a projection has reached what the client has seen. A stream with a dead letter does not count: its log may have been restored since. */
function confirms(live: LiveVersion | undefined, seen: Seen): boolean {
  if (!live || live.isHeld || live.version < seen.version) return false;
  return live.version > seen.version || !isAnother(seen, live.eventId);
}
