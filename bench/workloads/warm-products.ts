import { TIDEMARK } from '../contenders/contenders.ts';
import { drained } from '../harness/drained.ts';
import { loadAll } from '../harness/load.ts';
import { warmUp } from '../harness/plateau.ts';
import type { Server } from '../harness/server.ts';
import type { LoadResult, RequestTemplate } from '../load/load-protocol.ts';
import type { Plan } from './plan.ts';
import { createProducts } from './products.ts';

const PRODUCTS = 100;
const CONNECTIONS = 32;

/** A contender with its products, and how many events it has taken so far. */
export interface Shop {
  readonly server: Server;
  readonly ids: readonly string[];
  events: number;
}

export async function openShop(server: Server): Promise<Shop> {
  const ids = await createProducts(server, PRODUCTS);
  return { server, ids, events: ids.length };
}

export interface Turn extends LoadResult {
  /** Per second, up to the moment when every read model had everything. */
  readonly drainedPerSecond: number;
  /** CPU time of the server for each command up to then, in ms. */
  readonly cpuMs: number;
}

/** One turn of a contender: prices of its products change, in a closed loop. Only Tidemark's read models are behind its answers. */
export async function changePrices(shop: Shop, request: RequestTemplate, plan: Plan): Promise<Turn> {
  const { server, ids } = shop;
  const hasReadModelsBehind = server.name === TIDEMARK.name;
  const job = { url: server.url, connections: CONNECTIONS, request, ids };
  shop.events += await warmUp({ ...job, firstNumber: shop.events }, { maxPieces: plan.warmUpPieces });
  if (hasReadModelsBehind) await drained(server, { product: shop.events });
  const cpuBefore = server.cpuMs();
  const result = await loadAll({ ...job, firstNumber: shop.events, pace: { type: 'closed', count: plan.commands } });
  shop.events += result.count;
  const endedAt = result.startedAt + result.durationMs;
  const drainedAt = hasReadModelsBehind ? await drained(server, { product: shop.events }) : endedAt;
  return {
    ...result,
    drainedPerSecond: (result.count / (Math.max(drainedAt, endedAt) - result.startedAt)) * 1_000,
    cpuMs: ((server.cpuMs() ?? Number.NaN) - (cpuBefore ?? Number.NaN)) / result.count,
  };
}
