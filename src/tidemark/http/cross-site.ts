import { createMiddleware } from 'hono/factory';

import type { Env } from '../../bindings.ts';
import type { AppEnv } from './app-env.ts';
import { HEADER } from './headers.ts';
import { Problem } from './problem.ts';

/*
 * What a page of another origin must not do through somebody's browser. Programs that are no browser send neither `Sec-Fetch-Site` nor
 * `Origin`, and pass.
 */

/** Whether a method changes nothing (RFC 9110, section 9.2.1), so that any page may use it: CORS says whether it may read the answer. */
export function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
}

/** The words of a variable; none where it is empty. */
function wordsOf(variable = ''): readonly string[] {
  return variable.split(' ').filter((word) => word !== '');
}

/** Whether the configuration lets pages of this origin in. */
export function isAllowedOrigin(env: Env, origin: string): boolean {
  const allowed = wordsOf(env.CORS_ORIGINS);
  return allowed.includes('*') || allowed.includes(origin);
}

/**
 * Refuses a request that changes state and comes from a page of another origin, also where no cookie is at stake: a local server is open to
 * whoever reaches it. Browsers of before 2023 send no `Sec-Fetch-Site`; of these the origin is compared with the host.
 *
 * After Filippo Valsorda, "Cross-Site Request Forgery" (words.filippo.io/csrf), 2025.
 */
export const refuseCrossSite = createMiddleware<AppEnv>(async function crossSite(c, next) {
  if (c.env.OPERATIONS_ACCESS === 'open') requireLocalHost(c.env, hostOf(c.req.raw));
  if (!isSafe(c.req.method) && isCrossSite(c.req.raw, c.env)) {
    throw new Problem('cross-site', `A page of another origin asked for ${c.req.method} ${c.req.path}.`);
  }
  await next();
});

function isCrossSite(request: Request, env: Env): boolean {
  const origin = request.headers.get(HEADER.origin);
  if (origin !== null && isAllowedOrigin(env, origin)) return false;
  const site = request.headers.get(HEADER.secFetchSite);
  // `none`: the user's own doing, as a bookmark. Another origin of one's own site is refused as well: who runs it is not known.
  if (site !== null) return site !== 'same-origin' && site !== 'none';
  return origin !== null && hostnameOf(origin) !== hostOf(request);
}

/** `host:port` of an origin; undefined where it is opaque, as `null`. */
function hostnameOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

/** `host:port` that the request was sent to. */
function hostOf(request: Request): string {
  return request.headers.get(HEADER.host) ?? new URL(request.url).host;
}

/**
 * A local server is open, so it answers only under names of this machine: a page could have its own name resolved to this address, and would be of
 * the same origin then (DNS rebinding).
 */
function requireLocalHost({ LOCAL_HOSTS = '' }: Env, host: string): void {
  const name = host.replace(/:\d*$/, '').toLowerCase();
  const isLocal = /^(localhost|.+\.localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(name);
  if (isLocal || wordsOf(LOCAL_HOSTS.toLowerCase()).includes(name)) return;
  throw new Problem(
    'cross-site',
    `This local server does not answer as ${name}. LOCAL_HOSTS names the hosts that it may have.`,
  );
}
