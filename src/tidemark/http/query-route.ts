import type * as z from 'zod/mini';

import type { Access } from '../access/access.ts';
import type { Projection } from '../projections/projection.ts';
import type { AppContext } from './app-env.ts';
import { causal } from './causal.ts';
import { HEADER } from './headers.ts';
import { parseParams, parseQuery } from './params.ts';
import type { Answer, Route } from './route.ts';

/** Codes of the problems that any causal read may answer with. */
export const READ_PROBLEMS = [
  'invalid-causal-token',
  'causal-token-ahead',
  'projection-behind',
  'projection-building',
  'overloaded',
  'storage-unavailable',
] as const;

/** The options of `queryRoute`. */
export interface QueryRoute<Params extends z.ZodMiniObject, Query extends z.ZodMiniObject> {
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly description: string;
  readonly tag: string;
  readonly params?: Params;
  readonly query?: Query;
  /** The read models that `handle` reads. Reading another one throws. */
  readonly reads: readonly Projection[];
  readonly answer: Answer;
  /** Codes of problems beyond those that any causal read may answer with. */
  readonly problems?: readonly string[];
  /** Who may use the route. With `whose: 'customer'`, `handle` looks at `c.var.caller.customerId`. */
  readonly access: Access;
  readonly handle: (
    c: AppContext,
    asked: { readonly params: z.output<Params>; readonly query: z.output<Query> },
  ) => Promise<Response>;
}

/**
 * Declares a `GET` route that answers from read models in a shape of its own, where neither a resource nor a plain list fits. `handle` reads through
 * `c.var.causal`, so every read waits until the read model has applied what the client's token has seen. Answers 400 `invalid-id` and `invalid-field`
 * for parameters that their schemas refuse, and the problems of every causal read.
 *
 *     export const occupancy = queryRoute({
 *       path: '/occupancy',
 *       id: 'getOccupancy',
 *       summary: 'Count the reserved seats',
 *       description: 'Counts the seats that have a guest.',
 *       tag: 'seats',
 *       access: { scope: 'seats:read', whose: 'staff' },
 *       reads: [seatMap],
 *       answer: { description: 'The count.', schema: z.strictObject({ reserved: z.int() }), example: { reserved: 120 } },
 *       async handle(c) {
 *         const [counted] = await c.var.causal.readMany(seatMap, ({ row }) =>
 *           queryBuilder.select({ reserved: count() }).from(row).where(eq(row.status, 'reserved')),
 *         );
 *         return c.json({ reserved: counted?.reserved ?? 0 });
 *       },
 *     });
 */
export function queryRoute<Params extends z.ZodMiniObject, Query extends z.ZodMiniObject>(
  route: QueryRoute<Params, Query>,
): Route {
  const { path, id, summary, description, tag, params, query, reads, answer, problems = [], access, handle } = route;
  return {
    method: 'GET',
    path,
    operation: {
      id,
      ...(params && { params }),
      ...(query && { query }),
      problems: [...READ_PROBLEMS, ...(params ? ['invalid-id'] : []), ...problems],
      access,
      documentation: () => ({
        summary,
        description,
        tag,
        requestHeaders: [HEADER.causalToken],
        answers: { 200: { ...answer, headers: [...(answer.headers ?? []), HEADER.causalIncomplete] } },
      }),
    },
    handlers: [
      causal({ reads }),
      async (c) => {
        return handle(c, {
          params: parseParams(c, params),
          query: (query ? parseQuery(c, query) : {}) as z.output<Query>,
        });
      },
    ],
  };
}
