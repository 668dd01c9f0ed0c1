import * as z from 'zod/mini';

import type { Guarded } from '../access/access.ts';
import type { SelectQuery } from '../queries/guarded-query.ts';
import type { Projection, Tables } from '../projections/projection.ts';
import { requireOwnCustomer } from './authorization.ts';
import type { AppContext } from './app-env.ts';
import { type FormerQuery, causal } from './causal.ts';
import { type Position, type PositionKinds, TWO_TEXTS, fromCursor, pageText, toPage } from './cursor.ts';
import { HEADER } from './headers.ts';
import { parseQuery } from './params.ts';
import { READ_PROBLEMS } from './query-route.ts';
import type { Route } from './route.ts';
import { JSON_TEXT, PAGE_QUERY, pageOf } from './schemas.ts';

/** The options of `listRoute`. */
export interface ListRoute<
  Filter extends z.core.$ZodShape,
  InSlot extends Tables,
  Row,
  At extends Position = readonly [string, string],
> {
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly description: string;
  readonly tag: string;
  readonly access: Guarded;
  /** With `whose: 'customer'`: the filter for the customer. A caller of one customer gets only what belongs to that customer. */
  readonly owner?: keyof Filter & string;
  /** The schemas of the query parameters that filter, by name. */
  readonly filter: Filter;
  readonly reads: Projection<InSlot>;
  /** Queries `take` rows after a position: a page and one row more, which tells whether another page follows. */
  readonly query: (
    filter: z.output<z.ZodMiniObject<Filter>>,
    after: NoInfer<At> | undefined,
    take: number,
  ) => (tables: InSlot) => SelectQuery<Row>;
  /** The same query for earlier revisions of the projection, for as long as one of them may be live. Default: none. */
  readonly formerly?: (
    filter: z.output<z.ZodMiniObject<Filter>>,
    after: NoInfer<At> | undefined,
    take: number,
  ) => readonly FormerQuery<Row>[];
  /** Makes an item of a row: an object, or its JSON text. Default: the text that a `readModel` holds. */
  readonly view?: (row: Row) => object | string;
  /** The sort key of a row, which becomes its cursor. */
  readonly positionOf: (row: Row) => At;
  /** The type of each part of a position. Default: two texts. */
  readonly positionKinds?: PositionKinds;
  readonly item: z.ZodMiniType;
  readonly itemExample: unknown;
}

/**
 * Declares the route of a list: `GET <path>`, with `limit` (1 to 100, default 20) and an opaque `cursor` beside its filters. A read waits until the
 * read model has applied what the client's token has seen. Answers 400 `invalid-field` and `invalid-cursor`, and the problems of every causal read.
 *
 *     export const seatsByChange = listRoute({
 *       path: '/seats-by-change',
 *       id: 'listSeatsByChange',
 *       summary: 'Seats, the latest change last',
 *       description: 'Page by page, of one place if it is given.',
 *       tag: 'seats',
 *       access: { scope: 'seats:read', whose: 'staff' },
 *       filter: { place: z.optional(text(20)) },
 *       reads: seatMap,
 *       query: ({ place }, after, take) => ({ row }) =>
 *         queryBuilder
 *           .select()
 *           .from(row)
 *           .where(
 *             and(
 *               place === undefined ? undefined : eq(row.place, place),
 *               after && sql`(${row.updatedAt}, ${row.seatId}) > (${after[0]}, ${after[1]})`,
 *             ),
 *           )
 *           .orderBy(row.updatedAt, row.seatId)
 *           .limit(take),
 *       view: (row) => row,
 *       positionOf: ({ updatedAt, seatId }) => [updatedAt, seatId],
 *       item: seats.schema,
 *       itemExample: seats.example,
 *     });
 */
export function listRoute<
  Filter extends z.core.$ZodShape,
  InSlot extends Tables,
  Row,
  const At extends Position = readonly [string, string],
>(route: ListRoute<Filter, InSlot, Row, At>): Route {
  // Otherwise customers would see what belongs to others.
  if (route.access.whose === 'customer' && (route.owner === undefined || !Object.hasOwn(route.filter, route.owner)))
    throw new Error(
      `the list ${route.path} is for customers, so it needs a filter for the customer: name it as \`owner\``,
    );
  const query = z.strictObject({ ...route.filter, ...PAGE_QUERY });
  return {
    method: 'GET',
    path: route.path,
    operation: {
      id: route.id,
      query,
      access: route.access,
      problems: ['invalid-cursor', ...READ_PROBLEMS],
      documentation: () => ({
        summary: route.summary,
        description: route.description,
        tag: route.tag,
        requestHeaders: [HEADER.causalToken],
        answers: {
          200: {
            description: 'One page. `nextCursor` is null on the last.',
            schema: pageOf(route.item),
            example: { items: [route.itemExample], nextCursor: null },
            headers: [HEADER.causalIncomplete],
          },
        },
      }),
    },
    handlers: [
      causal({ reads: [route.reads] }),
      async (c) => {
        const given = parseQuery(c, query) as z.output<z.ZodMiniObject<Filter>> & { limit: number; cursor?: string };
        const asked = ofOwnCustomer(c, route.access, route.owner, given);
        const after = fromCursor(route.id, asked.cursor, route.positionKinds ?? TWO_TEXTS) as At | undefined;
        const take = asked.limit + 1;
        const formerly = route.formerly?.(asked, after, take);
        const rows = await c.var.causal.readMany(route.reads, route.query(asked, after, take), formerly);
        const page = toPage(route.id, rows, asked.limit, route.view ?? resourceIn, route.positionOf);
        return c.body(pageText(page), 200, JSON_TEXT);
      },
    ],
  };
}

/** What a caller asks for, limited to its customer. */
function ofOwnCustomer<Asked extends object>(
  c: AppContext,
  { whose }: Guarded,
  owner: string | undefined,
  asked: Asked,
): Asked {
  const { customerId } = c.var.caller;
  if (whose !== 'customer' || customerId === undefined || owner === undefined) return asked;
  const named = (asked as Readonly<Record<string, unknown>>)[owner];
  if (named !== undefined) requireOwnCustomer(c, named);
  return { ...asked, [owner]: customerId };
}

/** The text in a row of a `readModel`. */
export function resourceIn(row: unknown): string {
  return (row as { readonly resource: string }).resource;
}
