import { createMiddleware } from 'hono/factory';

import type { Settings } from '../runtime/settings.ts';
import type { AppEnv } from './app-env.ts';
import { HEADER } from './headers.ts';
import { Problem } from './problem.ts';

/*
 * Keeps pages of other origins from changing state through a user's browser. Programs that are not browsers send neither `Sec-Fetch-Site` nor
 * `Origin`, and pass.
 */

/** Whether a method is safe (RFC 9110, section 9.2.1). Any page may send a safe request; CORS decides whether it may read the answer. */
export function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
}

/** The words of a variable, separated by spaces. */
function wordsOf(variable = ''): readonly string[] {
  return variable.split(' ').filter((word) => word !== '');
}

/** Whether `CORS_ORIGINS` allows pages of this origin. */
export function isAllowedOrigin(env: Settings, origin: string): boolean {
  const allowed = wordsOf(env.CORS_ORIGINS);
  return allowed.includes('*') || allowed.includes(origin);
}

/**
 * Refuses a request that changes state and comes from a page of another origin. No cookie has to be at stake: the development keys of a local server
 * are known to every page. Browsers from before 2023 send no `Sec-Fetch-Site`. For them, the origin is compared with the host.
 *
 * After Filippo Valsorda, "Cross-Site Request Forgery" (words.filippo.io/csrf), 2025.
 */
export const refuseCrossSite = createMiddleware<AppEnv>(async function crossSite(c, next) {
  if (!isSafe(c.req.method) && isCrossSite(c.req.raw, c.env)) {
    throw new Problem(
      'cross-site',
      `A page of another origin sent ${c.req.method} ${c.req.path}. Send it from a page of this origin, or ask the operator to add the origin to CORS_ORIGINS.`,
    );
  }
  await next();
});

function isCrossSite(request: Request, env: Settings): boolean {
  const origin = request.headers.get(HEADER.origin);
  if (origin !== null && isAllowedOrigin(env, origin)) return false;
  const site = request.headers.get(HEADER.secFetchSite);
  // `none`: the user started the request, for example from a bookmark. `same-site` is refused too: somebody else may run the other subdomain.
  if (site !== null) return site !== 'same-origin' && site !== 'none';
  return origin !== null && hostnameOf(origin) !== hostOf(request);
}

/** `host:port` of an origin; undefined for an opaque origin such as `null`. */
function hostnameOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

/** The `host:port` to which the client sent the request. */
function hostOf(request: Request): string {
  return request.headers.get(HEADER.host) ?? new URL(request.url).host;
}
