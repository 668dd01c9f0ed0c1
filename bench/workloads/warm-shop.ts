import { TIDEMARK } from '../contenders/contenders.ts';
import { drained } from '../harness/drained.ts';
import { loadAll } from '../harness/load.ts';
import { warmUp } from '../harness/plateau.ts';
import type { Server } from '../harness/server.ts';
import type { LoadResult, RequestTemplate } from '../load/load-protocol.ts';
import { compare } from './compare.ts';
import type { Finding } from './finding.ts';
import type { Plan } from './plan.ts';
import { ORDER_IDS, PLACE_ORDER, createProducts } from './shop-requests.ts';

const PRODUCTS = 100;
const CONNECTIONS = 32;

/** A contender with its products, and how many events it has taken so far. */
export interface Shop {
  readonly server: Server;
  readonly productIds: readonly string[];
  readonly events: { product: number; order: number };
}

/** Commands that each append one event to a stream of this category. */
interface Commands {
  readonly category: keyof Shop['events'];
  readonly request: RequestTemplate;
  readonly ids: readonly string[];
  readonly count: number;
}

export interface Turn extends LoadResult {
  /** Per second, up to the moment when every read model had everything. */
  readonly drainedPerSecond: number;
  /** CPU time of the server for each command up to then, in ms. */
  readonly cpuMs: number;
}

async function openShop(server: Server): Promise<Shop> {
  const productIds = await createProducts(server, PRODUCTS);
  return { server, productIds, events: { product: productIds.length, order: 0 } };
}

/** The shops of contenders, each with its products. */
export async function openShops(servers: readonly Server[]): Promise<ReadonlyMap<Server, Shop>> {
  const shops = new Map<Server, Shop>();
  for (const server of servers) shops.set(server, await openShop(server));
  return shops;
}

/** What turns of both sides say: rates of answers, rates up to the drained projections, and CPU time. `what` names each. */
export function compareTurns(
  what: { readonly answered: string; readonly drained: string; readonly cpu: string },
  against: string,
  ours: readonly Turn[] | undefined,
  theirs: readonly Turn[] | undefined,
): readonly Finding[] {
  return [
    compare({ what: what.answered, against, unit: '/s' }, ours, theirs, ({ perSecond }) => perSecond),
    compare({ what: what.drained, against, unit: '/s' }, ours, theirs, ({ drainedPerSecond }) => drainedPerSecond),
    compare({ what: what.cpu, against, unit: 'ms' }, ours, theirs, ({ cpuMs }) => cpuMs),
  ];
}

/** One turn of a contender: prices of its products change. */
export function changePrices(shop: Shop, request: RequestTemplate, plan: Plan): Promise<Turn> {
  return busyTurn(shop, { category: 'product', request, ids: shop.productIds, count: plan.commands }, plan);
}

/** One turn of a contender: orders of three lines are placed. */
export function placeOrders(shop: Shop, plan: Plan): Promise<Turn> {
  return busyTurn(shop, { category: 'order', request: PLACE_ORDER, ids: ORDER_IDS, count: plan.placed }, plan);
}

/** Commands in a closed loop, until what follows them is done as well. Only Tidemark's read models are behind its answers. */
async function busyTurn({ server, events }: Shop, commands: Commands, plan: Plan): Promise<Turn> {
  const { category, request, ids, count } = commands;
  const hasReadModelsBehind = server.name === TIDEMARK.name;
  const job = { url: server.url, connections: CONNECTIONS, request, ids };
  events[category] += await warmUp({ ...job, firstNumber: events[category] }, { maxPieces: plan.warmUpPieces });
  if (hasReadModelsBehind) await drained(server, events);
  const cpuBefore = server.cpuMs();
  const result = await loadAll({ ...job, firstNumber: events[category], pace: { type: 'closed', count } });
  events[category] += result.count;
  const endedAt = result.startedAt + result.durationMs;
  const drainedAt = hasReadModelsBehind ? await drained(server, events) : endedAt;
  return {
    ...result,
    drainedPerSecond: (result.count / (Math.max(drainedAt, endedAt) - result.startedAt)) * 1_000,
    cpuMs: ((server.cpuMs() ?? Number.NaN) - (cpuBefore ?? Number.NaN)) / result.count,
  };
}
