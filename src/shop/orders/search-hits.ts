import { type SQL, sql } from 'drizzle-orm';

/** The number of newest matches that are ranked. To rank all of them, the query would read all of them. */
const RANKED = 1_000;

interface Ranking {
  /** The name of the table. Its full text index is named after it. */
  readonly table: string;
  /** The search, as an FTS5 expression. */
  readonly expression: string;
  /** The weight of a match, by column of the index. */
  readonly weights: string;
  /** Selects the `id` of each document, its `order_id`, and the time when it was `placed`. */
  readonly documents: SQL;
  readonly skip: number;
  readonly take: number;
}

/** The subquery `hit`: the ids of matching orders among the documents with the highest numbers, best first. */
export function bestHits({ table, expression, weights, documents, skip, take }: Ranking): SQL {
  const index = sql.identifier(`${table}_index`);
  return sql`(
      SELECT document.order_id, found.score, document.placed
      FROM (
        SELECT rowid AS id, bm25(${index}, ${sql.raw(weights)}) AS score
        FROM ${index}
        WHERE ${index} MATCH ${expression}
        ORDER BY rowid DESC
        LIMIT ${RANKED}
      ) AS found
      CROSS JOIN (${documents}) AS document ON document.id = found.id
      ORDER BY found.score, document.placed DESC, document.order_id
      LIMIT ${take} OFFSET ${skip}
    ) AS hit`;
}
