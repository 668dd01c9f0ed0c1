import type { Server } from '../harness/server.ts';
import { loadAll } from '../harness/load.ts';
import type { RequestTemplate } from '../load/load-protocol.ts';

const PLACE_ORDER: RequestTemplate = {
  method: 'POST',
  path: '/orders',
  status: 201,
  body: '{"customerId":"c-{{n}}","customerName":"Ada Lovelace {{n}}","customerSegment":"retail","region":"EU","items":[{"sku":"{{id}}","quantity":2}]}',
};

/** Places orders of one line each, of the first products that `createProducts` has created. */
export async function placeOrders(server: Server, count: number, products: number, firstNumber = 0): Promise<void> {
  await loadAll({
    url: server.url,
    connections: 16,
    pace: { type: 'closed', count },
    request: PLACE_ORDER,
    ids: Array.from({ length: products }, (_, n) => `BENCH-${n}`),
    firstNumber,
  });
}
