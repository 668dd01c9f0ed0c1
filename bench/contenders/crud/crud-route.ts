import { actorText } from '../../../src/tidemark/domain/principal.ts';
import { type DrizzleD1Database, drizzle } from 'drizzle-orm/d1';
import type { Context } from 'hono';
import type * as z from 'zod';

import type { AppEnv } from '../../../src/tidemark/http/app-env.ts';
import { HEADER } from '../../../src/tidemark/http/headers.ts';
import { Problem } from '../../../src/tidemark/http/problem.ts';
import { etagOf, idempotencyKey } from '../../../src/tidemark/http/request-headers.ts';
import type { Operation, Route } from '../../../src/tidemark/http/route.ts';
import { log } from '../../../src/tidemark/platform/log.ts';
import { type Promises, promisesOf } from './promises.ts';

export interface CrudEnv {
  readonly CRUD_DB: D1Database;
  /** `kept`: each write leaves an audit row, and a row for its idempotency key if it has one. */
  readonly PROMISES?: string;
}

export type Database = DrizzleD1Database & { $client: D1Database };

function envOf(c: Context<AppEnv>): CrudEnv {
  return c.env as unknown as CrudEnv;
}

const databases = new WeakMap<CrudEnv, Database>();

export function databaseOf(c: Context<AppEnv>): Database {
  const env = envOf(c);
  const database = databases.get(env) ?? drizzle(env.CRUD_DB);
  databases.set(env, database);
  return database;
}

/**
 * The route of Tidemark with this id, answered by `handle`: path, parameters, body and query have the very same schemas, so that both
 * contenders check the same.
 */
export function sameRoute(
  routes: readonly Route[],
  id: string,
  handle: (c: Context<AppEnv>, operation: Operation) => Promise<Response>,
): Route {
  const route = routes.find(({ operation }) => operation.id === id);
  if (!route) throw new Error(`there is no route ${id}`);
  const answer = (c: Context<AppEnv>) => handle(c, route.operation);
  return { ...route, handlers: [route.method === 'POST' ? logged(id, answer) : answer] };
}

/** A line of the log for each write, as Tidemark has one for each command: it is a good part of what a write costs. */
function logged(type: string, answer: (c: Context<AppEnv>) => Promise<Response>) {
  return async (c: Context<AppEnv>): Promise<Response> => {
    const { clock } = c.var.runtime;
    const startedAt = clock.now();
    let outcome = 'failed';
    try {
      const response = await answer(c);
      outcome = 'applied';
      return response;
    } finally {
      const { path } = c.req;
      log('write', { type, path, outcome, durationMs: clock.now() - startedAt, correlationId: c.var.correlationId });
    }
  };
}

/** The schema of an operation's body or query, typed by whoever knows the operation. */
export function bodySchema<Value>({ documentation }: Operation): z.ZodType<Value> {
  const body = documentation?.().body;
  if (!body) throw new Error('the operation has no body');
  return body.schema as z.ZodType<Value>;
}

/** What a write has to keep beyond its rows; nothing where the promises are not kept. */
export function writePromises(c: Context<AppEnv>, bytes: Uint8Array): Promise<Promises | undefined> {
  return promisesOf(envOf(c).PROMISES === 'kept', {
    actor: actorText(c.var.caller),
    correlationId: c.var.correlationId,
    route: `${c.req.method} ${c.req.path}`,
    key: idempotencyKey(c),
    bytes,
    now: c.var.runtime.clock.now(),
  });
}

/** The answer to a write: the id and the version, in the body and in headers. */
export function written(c: Context<AppEnv>, idName: string, id: string, version: number, location?: string): Response {
  c.header(HEADER.version, String(version));
  c.header(HEADER.etag, etagOf(version));
  if (location !== undefined) c.header(HEADER.location, location);
  return c.json({ [idName]: id, version }, location === undefined ? 200 : 201);
}

export function notFound(noun: string): Problem {
  return new Problem('not-found', `There is no such ${noun}.`);
}
