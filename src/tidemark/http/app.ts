import type { Context } from 'hono';
import { cors } from 'hono/cors';
import { HonoBase } from 'hono/hono-base';
import { TrieRouter } from 'hono/router/trie-router';

import {
  CodeTooOldError,
  OutcomeUnknownError,
  OverloadedError,
  StorageUnavailableError,
  UnansweredError,
} from '../platform/faults.ts';
import { TimeoutError } from '../platform/timeout.ts';
import { log } from '../platform/log.ts';
import { actorText } from '../domain/principal.ts';
import type { AccessTable } from '../access/access.ts';
import { isLocal, refusalsOf } from '../access/access-settings.ts';
import { ANYBODY } from '../access/caller.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Settings } from '../runtime/settings.ts';
import type { AppContext, AppEnv } from './app-env.ts';
import { type AuthenticationOptions, authentication } from './authentication.ts';
import { authorization } from './authorization.ts';
import { isAllowedOrigin, refuseCrossSite } from './cross-site.ts';
import { CORS_ANSWER_HEADERS, CORS_REQUEST_HEADERS, HEADER } from './headers.ts';
import { CODE_RETRY_AFTER_S, STORAGE_RETRY_AFTER_S } from './limits.ts';
import { methodsByPath } from './methods.ts';
import { refuseQuery } from './params.ts';
import { Problem, type ProblemHeads, problemResponse } from './problem.ts';
import { rateLimit } from './rate-limits.ts';
import type { Route } from './route.ts';
import { isForThisMachine } from './this-machine.ts';
import { unreadableParameter } from './text-parameters.ts';

const CORRELATION_ID = /^[A-Za-z0-9._-]{1,128}$/;
// https://www.w3.org/TR/trace-context/#traceparent-header
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** What the HTTP API is made of. */
export interface AppOptions {
  readonly runtimeOf: (env: Settings) => Runtime;
  readonly routes: readonly Route[];
  /** The framework's problem types and the modules' own. */
  readonly problems: ProblemHeads;
  /** The scopes that routes may need, and the roles. */
  readonly access: AccessTable;
  readonly authentication?: AuthenticationOptions | undefined;
}

/** The path that answers whatever the settings are: it says what is wrong with them. */
const HEALTH = '/health';

/** Makes the HTTP API: the routes, and the middleware that they share. */
export function createApp(parts: AppOptions): HonoBase<AppEnv> {
  const { runtimeOf, routes, problems, access } = parts;
  refuseContradictions(routes, problems, access);
  // RegExpRouter, Hono's first choice, refuses `/seats/search` beside `/seats/:seatId`, so Hono falls back to this router anyway. The router
  // of `hono/tiny` ignores a slash at the end of a path.
  const app = new HonoBase<AppEnv>({ router: new TrieRouter() });
  const methodsOf = methodsByPath(routes);

  app.use(async function everywhere(c, next) {
    const traceparent = c.req.header(HEADER.traceparent);
    const given = c.req.header(HEADER.correlationId);
    const runtime = runtimeOf(c.env);
    const requestId = runtime.clock.newId();
    const traceId = TRACEPARENT.exec(traceparent ?? '')?.[1];
    const correlationId = given !== undefined && CORRELATION_ID.test(given) ? given : (traceId ?? requestId);
    c.set('runtime', runtime);
    c.set('requestId', requestId);
    c.set('correlationId', correlationId);
    c.set('caller', ANYBODY);
    await next();
    c.res.headers.set(HEADER.correlationId, correlationId);
    if (traceId !== undefined && traceparent !== undefined) c.res.headers.set(HEADER.traceparent, traceparent);
    c.res.headers.set(HEADER.cacheControl, 'private, no-store');
    c.res.headers.set(HEADER.contentTypeOptions, 'nosniff');
  });
  const isConfigured = configurationCheck();
  app.use(async function configured(c, next) {
    if (c.req.path !== HEALTH && !isConfigured(c))
      throw new Problem('not-configured', `The deployment lacks a setting: GET ${HEALTH} says which.`);
    await next();
  });
  app.use(async function options(c, next) {
    if (c.req.method === 'OPTIONS') {
      const methods = methodsOf(c.req.path);
      if (methods.length === 0) return c.notFound();
      c.header(HEADER.allow, allowOf(methods));
    }
    return next();
  });
  const crossOrigin = cors({
    origin: (origin, c: AppContext) => (isAllowedOrigin(c.env, origin) ? origin : null),
    allowMethods: (_origin, c) => [...methodsOf(c.req.path)],
    allowHeaders: CORS_REQUEST_HEADERS,
    exposeHeaders: CORS_ANSWER_HEADERS,
    maxAge: 86_400,
  });
  app.use(async function fromAnotherOrigin(c, next) {
    if (c.req.header(HEADER.origin) !== undefined || c.req.method === 'OPTIONS') return crossOrigin(c, next);
    // Only browsers send an origin. Hono copies the answer twice to add the CORS headers, so other clients skip this.
    await next();
    c.res.headers.append(HEADER.vary, 'Origin');
  });
  app.use(refuseCrossSite);
  app.use(rateLimit('address'));
  const authenticate = authentication(access, parts.authentication);
  const limitCaller = rateLimit('caller');
  for (const { method, path, operation, handlers } of routes) {
    // Right before the handler, so that a refusal has the headers that the middleware adds.
    const checked = operation.query ? handlers : [...handlers.slice(0, -1), refuseQuery, ...handlers.slice(-1)];
    const guards = operation.access === 'open' ? [] : [authenticate, limitCaller, authorization(operation.access)];
    app.on(method, [path], ...guards, ...checked);
  }

  app.notFound((c) => {
    const methods = methodsOf(c.req.path);
    const problem =
      methods.length === 0
        ? new Problem('not-found', `There is no route ${c.req.path}. Use one of those in /openapi.json.`)
        : new Problem(
            'method-not-allowed',
            `${c.req.path} does not support ${c.req.method}. Use one of ${allowOf(methods)}.`,
            {},
            { [HEADER.allow]: allowOf(methods) },
          );
    return problemResponse(problems, problem, instanceOf(c));
  });
  app.onError((error, c) => {
    const problem = toProblem(error, c);
    if (problem.code === 'unauthorized' || problem.code === 'forbidden') logRefusal(problem, c);
    return problemResponse(problems, problem, instanceOf(c));
  });
  return app;
}

/** Fails when the Worker is loaded, where a client would otherwise get a 500, a refusal of every request, or the answer of another route. */
function refuseContradictions(routes: readonly Route[], problems: ProblemHeads, { scopes }: AccessTable): void {
  const ids = new Set<string>();
  const earlier: Route[] = [];
  for (const route of routes) {
    const { method, path, operation } = route;
    const hiding = earlier.find((other) => hides(other, route));
    if (hiding) {
      const another = hiding.path === path ? '' : ', or put the former before the latter';
      throw new Error(
        `${nameOf(route)} never answers, since ${nameOf(hiding)} comes first and answers its requests. Give one of them another path${another}`,
      );
    }
    earlier.push(route);
    if (ids.has(operation.id)) throw new Error(`two routes have the operation id "${operation.id}"`);
    ids.add(operation.id);
    refuseUnguarded(route, scopes);
    for (const code of operation.problems) {
      if (!Object.hasOwn(problems, code))
        throw new Error(`${method} ${path} may answer with "${code}", which no module declares as a problem`);
    }
    const unreadable = unreadableParameter(operation.params) ?? unreadableParameter(operation.query);
    if (unreadable !== undefined)
      throw new Error(
        `${method} ${path} refuses every value of "${unreadable}", since a URL holds only text. ` +
          'Give the parameter a schema that reads text: `integerParameter` for an integer',
      );
  }
}

/** Whether the settings let a deployment serve a request. It looks at them once. */
function configurationCheck(): (c: AppContext) => boolean {
  const known = new WeakMap<Settings, Map<boolean, boolean>>();
  return ({ env, req }) => {
    const isHere = isLocal(env) && isForThisMachine(req.raw);
    const answers = known.get(env) ?? new Map<boolean, boolean>();
    known.set(env, answers);
    const answer = answers.get(isHere) ?? refusalsOf(env, isHere).length === 0;
    answers.set(isHere, answer);
    return answer;
  };
}

/** A route that nobody has thought about must not be open. */
function refuseUnguarded(route: Route, scopes: AccessTable['scopes']): void {
  // A plain object may lack what its type demands.
  const { access } = route.operation as Partial<Route['operation']>;
  if (access === undefined)
    throw new Error(`${nameOf(route)} declares no access: say which scope it needs, and whose resources it serves`);
  if (access !== 'open' && access.scope !== null && !Object.hasOwn(scopes, access.scope))
    throw new Error(`${nameOf(route)} needs the scope "${access.scope}", which no table declares`);
}

/** Whether a route that comes first takes every request of another one. */
function hides(first: Route, other: Route): boolean {
  const segments = first.path.split('/');
  const its = other.path.split('/');
  return (
    first.method === other.method &&
    segments.length === its.length &&
    segments.every((segment, index) => segment === its[index] || /^:\w+$/.test(segment))
  );
}

/** Two routes may have one path and one operation id, so the summary tells them apart. */
function nameOf({ method, path, operation }: Route): string {
  return `${method} ${path} ("${operation.documentation?.().summary ?? operation.id}")`;
}

function allowOf(methods: readonly string[]): string {
  return [...methods, 'OPTIONS'].join(', ');
}

/** The `instance` of a problem, a URI reference (RFC 3986): the path of the request, with invalid characters encoded. */
function instanceOf(c: Context): string {
  const { pathname } = new URL(c.req.url);
  const encoded = pathname.replaceAll(/%(?![0-9A-Fa-f]{2})|[^\w\-.~!$&'()*+,;=:@/%]/g, encodeURIComponent);
  // A URI reference that begins with two slashes names a host.
  return encoded.replace(/^\/\//, '/.//');
}

/** Who guesses credentials, or looks for what it must not do, leaves a trace. */
function logRefusal({ code }: Problem, c: AppContext): void {
  const { correlationId, caller } = c.var;
  log('access.refused', { code, method: c.req.method, path: c.req.path, actor: actorText(caller), correlationId });
}

function toProblem(error: Error, c: AppContext): Problem {
  if (error instanceof Problem) return error;
  // A command without an answer is an `OutcomeUnknownError`. These errors come from a read: of a log, or of the state that a command needs.
  const isUnanswered = error instanceof UnansweredError || error instanceof TimeoutError;
  if (error instanceof OverloadedError || isUnanswered)
    return new Problem('overloaded', 'Nothing was done. Retry later.');
  if (error instanceof StorageUnavailableError) {
    log('storage.unavailable', { correlationId: c.var.correlationId, error: error.message });
    const retryAfter = { [HEADER.retryAfter]: String(STORAGE_RETRY_AFTER_S) };
    return new Problem(
      'storage-unavailable',
      'The storage is full or switched off. Nothing was done. Retry later, with the same Idempotency-Key.',
      {},
      retryAfter,
    );
  }
  if (error instanceof CodeTooOldError) {
    log('code.too-old', { correlationId: c.var.correlationId, error: error.message });
    const retryAfter = { [HEADER.retryAfter]: String(CODE_RETRY_AFTER_S) };
    return new Problem(
      'code-too-old',
      'The running code is too old for this request. Nothing was done. Retry later, with the same Idempotency-Key.',
      {},
      retryAfter,
    );
  }
  if (error instanceof OutcomeUnknownError) {
    const { message, cause } = error;
    log('command.outcome-unknown', { correlationId: c.var.correlationId, error: message, cause: String(cause) });
    return new Problem(
      'outcome-unknown',
      'The command may or may not have been applied. Send it again with the same Idempotency-Key and body, or read what it would have changed.',
    );
  }
  log('internal-error', { correlationId: c.var.correlationId, path: c.req.path, error: String(error.stack ?? error) });
  return new Problem('internal', 'The server failed. Quote the correlation id when you report it.', {
    correlationId: c.var.correlationId,
  });
}
