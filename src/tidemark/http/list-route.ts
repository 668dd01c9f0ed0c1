import * as z from 'zod/mini';

import type { SelectQuery } from '../queries/guarded-query.ts';
import type { Projection, Tables } from '../projections/projection.ts';
import { type FormerQuery, causal } from './causal.ts';
import { type Position, type PositionKinds, TWO_TEXTS, fromCursor, toPage } from './cursor.ts';
import { HEADER } from './headers.ts';
import { parseQuery } from './params.ts';
import { READ_PROBLEMS } from './query-route.ts';
import type { Route } from './route.ts';
import { PAGE_QUERY, pageOf } from './schemas.ts';

/** A route that answers with a page of a read model's rows. */
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
  /** The query parameters that filter. */
  readonly filter: Filter;
  readonly reads: Projection<InSlot>;
  /** The rows after a position, one more than a page: the one that tells whether there is another page. */
  readonly query: (
    filter: z.output<z.ZodMiniObject<Filter>>,
    after: NoInfer<At> | undefined,
    take: number,
  ) => (tables: InSlot) => SelectQuery<Row>;
  /** How earlier revisions of the projection answer the same, for as long as one of them may be live. */
  readonly formerly?: (
    filter: z.output<z.ZodMiniObject<Filter>>,
    after: NoInfer<At> | undefined,
    take: number,
  ) => readonly FormerQuery<Row>[];
  readonly view: (row: Row) => object;
  /** The sort key of a row. */
  readonly positionOf: (row: Row) => At;
  /** What each part of a position is. Default: two texts. */
  readonly positionKinds?: PositionKinds;
  readonly item: z.ZodMiniType;
  readonly itemExample: unknown;
}

/** Declares a list's route: keyset-paged, with opaque cursors. */
export function listRoute<
  Filter extends z.core.$ZodShape,
  InSlot extends Tables,
  Row,
  const At extends Position = readonly [string, string],
>(route: ListRoute<Filter, InSlot, Row, At>): Route {
  const query = z.strictObject({ ...route.filter, ...PAGE_QUERY });
  return {
    method: 'GET',
    path: route.path,
    operation: {
      id: route.id,
      summary: route.summary,
      description: route.description,
      tag: route.tag,
      query,
      requestHeaders: [HEADER.causalToken],
      answers: {
        200: {
          description: 'One page. `nextCursor` is null on the last.',
          schema: pageOf(route.item),
          example: { items: [route.itemExample], nextCursor: null },
          headers: [HEADER.causalIncomplete],
        },
      },
      problems: ['invalid-cursor', ...READ_PROBLEMS],
    },
    handlers: [
      causal({ reads: [route.reads] }),
      async (c) => {
        const asked = parseQuery(c, query) as z.output<z.ZodMiniObject<Filter>> & { limit: number; cursor?: string };
        const after = fromCursor(route.id, asked.cursor, route.positionKinds ?? TWO_TEXTS) as At | undefined;
        const take = asked.limit + 1;
        const formerly = route.formerly?.(asked, after, take);
        const rows = await c.var.causal.readMany(route.reads, route.query(asked, after, take), formerly);
        return c.json(toPage(route.id, rows, asked.limit, route.view, route.positionOf));
      },
    ],
  };
}
