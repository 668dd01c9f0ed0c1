import { type Server } from '../harness/server.ts';
import type { Statement } from '../harness/server-protocol.ts';
import { type SqlRow, chunksOf, insertOf } from '../seed/bulk-insert.ts';

/** Writes of one event each in one turn: their rate does not depend on how many there are. */
const SINGLE_WRITES = 500;
const WRITES_A_REQUEST = 100;
/** Of a larger projection only so many rows: the bare database so has the easier task. */
const MOST_ROWS = 100_000;

/** The final rows of the projection, as the bare database takes them. */
export interface FinalRows {
  /** Bodies of requests, each a batch of many rows. */
  readonly bulk: readonly string[];
  /** Bodies of requests, each many batches of one event. */
  readonly single: readonly string[];
  readonly count: number;
  readonly singleCount: number;
}

/** Events per second. */
export interface BareRates {
  readonly bulk: number;
  readonly single: number;
}

/** What the projection has made of all orders, checkpoints included. */
export async function finalRows(tidemark: Server): Promise<FinalRows> {
  const [pointer] = await tidemark.query<{ live_slot: string }>(
    'SERVING_DB',
    `SELECT live_slot FROM projection_pointer WHERE projection = 'order-lookup'`,
  );
  const slot = pointer?.live_slot;
  const orders = await tidemark.query<SqlRow>(
    'SERVING_DB',
    `SELECT * FROM order_lookup_2_${slot} ORDER BY order_id LIMIT ${MOST_ROWS}`,
  );
  const checkpoints = await tidemark.query<SqlRow>(
    'SERVING_DB',
    `SELECT * FROM checkpoint WHERE projection = 'order-lookup' AND slot = '${slot}' ORDER BY stream LIMIT ${MOST_ROWS}`,
  );
  const both = orders.map((order, index) => ({ order, checkpoint: checkpoints[index] as SqlRow }));
  const batchOf = (some: readonly (typeof both)[number][]): readonly Statement[] => [
    insertOf(
      'order_lookup_2_a',
      some.map(({ order }) => order),
    ),
    insertOf(
      'checkpoint',
      some.map(({ checkpoint }) => checkpoint),
    ),
  ];
  const singles = both.slice(0, SINGLE_WRITES).map((one) => batchOf([one]));
  return {
    bulk: chunksOf(both)
      .map((chunk) => JSON.stringify(batchOf(chunk)))
      .toArray(),
    single: chunksOf(singles, WRITES_A_REQUEST)
      .map((chunk) => JSON.stringify(chunk))
      .toArray(),
    count: both.length,
    singleCount: singles.length,
  };
}

/** Puts the rows into the bare database, by many and one by one, each time into empty tables. */
export async function loadBare(bare: Server, { bulk, single, count, singleCount }: FinalRows): Promise<BareRates> {
  return {
    bulk: await rateInto(bare, '/batch', bulk, count),
    single: await rateInto(bare, '/batches', single, singleCount),
  };
}

async function rateInto(bare: Server, path: string, bodies: readonly string[], count: number): Promise<number> {
  await bare.batch('BARE_DB', [{ sql: 'DELETE FROM order_lookup_2_a' }, { sql: 'DELETE FROM checkpoint' }]);
  const startedAt = performance.now();
  for (const body of bodies) {
    const answer = await fetch(`${bare.url}${path}`, { method: 'POST', body });
    if (!answer.ok) throw new Error(`the bare database answered ${path} with ${answer.status}`);
    await answer.text();
  }
  return (count / (performance.now() - startedAt)) * 1_000;
}
