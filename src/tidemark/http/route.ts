import type { Handler, MiddlewareHandler } from 'hono';
import type * as z from 'zod/mini';

import type { AppEnv } from './app-env.ts';

/** What a route answers with one status. */
export interface Answer {
  readonly description: string;
  readonly schema?: z.ZodMiniType;
  readonly example?: unknown;
  /** Another content type in which it comes when it is asked for, with an example. */
  readonly alternative?: { readonly contentType: string; readonly example: string };
  /** Names of headers that it carries beside those that every answer has. */
  readonly headers?: readonly string[];
}

/** A route's part of the OpenAPI document. */
export interface Operation {
  readonly id: string;
  readonly summary: string;
  readonly description: string;
  readonly tag: string;
  readonly params?: z.ZodMiniObject;
  /** The query parameters that its handler reads. Without it the route takes none, and any is refused. */
  readonly query?: z.ZodMiniObject;
  readonly body?: { readonly schema: z.ZodMiniType; readonly example: unknown; readonly isOptional?: boolean };
  /** Names of request headers that it takes up. */
  readonly requestHeaders: readonly string[];
  readonly answers: Readonly<Record<number, Answer>>;
  /** Codes of the problems that it may answer with, beside those that every route may. */
  readonly problems: readonly string[];
  /** Asks for the operations key. */
  readonly isOperations?: boolean;
}

/** One route: what it is in the contract, and what it does. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** In Hono's form: `/seats/:seatId`. */
  readonly path: string;
  readonly operation: Operation;
  /** Middleware first, the handler last. */
  readonly handlers: readonly (MiddlewareHandler<AppEnv> | Handler<AppEnv>)[];
}
