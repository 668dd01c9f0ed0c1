import { type SQL, sql } from 'drizzle-orm';

/** How many of the newest matches are ranked. To rank all of them would read all of them. */
const RANKED = 1_000;

interface Ranking {
  /** A table's full text index is named after it. */
  readonly table: string;
  /** What is searched: an expression of FTS5. */
  readonly expression: string;
  /** How much a match counts, by column of the index. */
  readonly weights: string;
  /** Rows with the number of each document, its `order_id`, and when it was `placed`. */
  readonly documents: SQL;
  readonly skip: number;
  readonly take: number;
}

/** `hit`: the ids of orders that match, of the documents with the highest numbers, best first. */
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
