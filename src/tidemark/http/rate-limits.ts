import type { MiddlewareHandler } from 'hono';
import { createMiddleware } from 'hono/factory';

import { actorText } from '../domain/principal.ts';
import type { AppContext, AppEnv } from './app-env.ts';
import { HEADER } from './headers.ts';
import { Problem } from './problem.ts';
import { log } from '../platform/log.ts';
import { isLocal } from '../access/access-settings.ts';
import type { Settings } from '../runtime/settings.ts';

/** How many requests a client may send in a period. */
export interface RateLimitPolicy {
  /** The binding in wrangler.toml, which has the same numbers: a test compares them. */
  readonly binding: 'ADDRESS_RATE_LIMIT' | 'CALLER_RATE_LIMIT';
  readonly limit: number;
  /** In seconds. The platform knows 10 and 60. */
  readonly periodS: 10 | 60;
}

/**
 * Every limit of requests. The platform counts for each of its locations by itself, and only nearly. A limit by address comes before the credential is
 * checked, so guessing has a limit too; it is higher, since many callers may share an address.
 */
export const RATE_LIMITS = {
  address: { binding: 'ADDRESS_RATE_LIMIT', limit: 3_000, periodS: 10 },
  caller: { binding: 'CALLER_RATE_LIMIT', limit: 1_000, periodS: 10 },
} as const satisfies Record<string, RateLimitPolicy>;

/**
 * Answers 429 `rate-limited` to clients over a limit, before anything that costs more. A server without the binding, and a local server, has no limit.
 */
export function rateLimit(name: keyof typeof RATE_LIMITS): MiddlewareHandler<AppEnv> {
  const { binding, limit, periodS } = RATE_LIMITS[name];
  const keyOf = name === 'address' ? addressOf : (c: AppContext) => actorText(c.var.caller);
  return createMiddleware<AppEnv>(async function limitRate(c, next) {
    if (await isWithin(c.env, binding, keyOf(c))) return next();
    throw new Problem(
      'rate-limited',
      `At most ${limit} requests in ${periodS} s for each ${name}. Retry after ${periodS} s.`,
      {},
      // https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/. How many requests remain is not known, so no header says it.
      { [HEADER.retryAfter]: String(periodS), [HEADER.rateLimitPolicy]: `"${name}";q=${limit};w=${periodS}` },
    );
  });
}

async function isWithin(env: Settings, binding: RateLimitPolicy['binding'], key: string): Promise<boolean> {
  const limiter = env[binding];
  if (!limiter || isLocal(env)) return true;
  try {
    return (await limiter.limit({ key })).success;
  } catch (error) {
    // The limit protects the system. Without its answer, the system serves.
    log('rate-limit.failed', { binding, error: String(error) });
    return true;
  }
}

/** The client's address. An IPv6 network of 64 bits counts as one client, since each has as many addresses as it likes. */
function addressOf(c: AppContext): string {
  const address = c.req.header(HEADER.connectingIp) ?? 'unknown';
  if (!address.includes(':')) return address;
  return `${expanded(address).slice(0, 4).join(':')}::/64`;
}

/** The eight groups of an IPv6 address. */
function expanded(address: string): readonly string[] {
  const [before = '', after] = address.split('::');
  const first = before === '' ? [] : before.split(':');
  const last = after === undefined || after === '' ? [] : after.split(':');
  return [...first, ...Array.from({ length: 8 - first.length - last.length }, () => '0'), ...last];
}
