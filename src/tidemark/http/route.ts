import type { Handler, MiddlewareHandler } from 'hono';
import type * as z from 'zod/mini';

import type { Access } from '../access/access.ts';
import type { AppEnv } from './app-env.ts';

/** The answer of a route with one status. */
export interface Answer {
  readonly description: string;
  readonly schema?: z.ZodMiniType;
  readonly example?: unknown;
  /** A second content type that a client can ask for, with an example. */
  readonly alternative?: { readonly contentType: string; readonly example: string };
  /** Names of its headers, beside those of every answer. */
  readonly headers?: readonly string[];
}

/** What the OpenAPI document says of an operation. */
export interface Documentation {
  readonly summary: string;
  readonly description: string;
  readonly tag: string;
  readonly body?: { readonly schema: z.ZodMiniType; readonly example: unknown; readonly isOptional?: boolean };
  /** Names of the request headers that the route reads. */
  readonly requestHeaders: readonly string[];
  readonly answers: Readonly<Record<number, Answer>>;
}

/** What a route is to clients. */
export interface Operation {
  readonly id: string;
  readonly params?: z.ZodMiniObject;
  /** The query parameters that the handler reads. Without it, every query parameter is refused. */
  readonly query?: z.ZodMiniObject;
  /** Codes of the problems that the route may answer with, beside those of every route. */
  readonly problems: readonly string[];
  /** Who may use the route. */
  readonly access: Access;
  /** For the OpenAPI document, which is made before a deployment. Default: what src/tidemark/openapi says of this id, which no Worker carries. */
  readonly documentation?: () => Documentation;
}

/** One route. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** In Hono's form: `/seats/:seatId`. */
  readonly path: string;
  readonly operation: Operation;
  /** Middleware first, the handler last. */
  readonly handlers: readonly (MiddlewareHandler<AppEnv> | Handler<AppEnv>)[];
}
