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

/** A route's part of the OpenAPI document. */
export interface Operation {
  readonly id: string;
  readonly summary: string;
  readonly description: string;
  readonly tag: string;
  readonly params?: z.ZodMiniObject;
  /** The query parameters that the handler reads. Without it, every query parameter is refused. */
  readonly query?: z.ZodMiniObject;
  readonly body?: { readonly schema: z.ZodMiniType; readonly example: unknown; readonly isOptional?: boolean };
  /** Names of the request headers that the route reads. */
  readonly requestHeaders: readonly string[];
  readonly answers: Readonly<Record<number, Answer>>;
  /** Codes of the problems that the route may answer with, beside those of every route. */
  readonly problems: readonly string[];
  /** Who may use the route. */
  readonly access: Access;
}

/** One route: its part of the OpenAPI document, and its handlers. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** In Hono's form: `/seats/:seatId`. */
  readonly path: string;
  readonly operation: Operation;
  /** Middleware first, the handler last. */
  readonly handlers: readonly (MiddlewareHandler<AppEnv> | Handler<AppEnv>)[];
}
