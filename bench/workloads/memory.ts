import { productIdOf } from '../../src/shop/products/product.ts';
import { CEILINGS, TIDEMARK } from '../contenders/contenders.ts';
import { freePort } from '../harness/free-port.ts';
import { loadAll } from '../harness/load.ts';
import { type Memory, type Server, serve } from '../harness/server.ts';
import { storedObjects } from '../harness/stored-objects.ts';
import { byTurns, inTurns } from '../harness/turns.ts';
import { bareInsert } from './bare-insert.ts';
import { compare } from './compare.ts';
import type { Finding, Workload } from './finding.ts';
import type { Plan } from './plan.ts';
import { CHANGE_PRICE, CREATE_PRODUCT, changePrice } from './shop-requests.ts';

const CONNECTIONS = 16;
const KIB = 1_024;

/** Logs of each length that are read in one turn, at most. They are those of products that were created before. */
const MOST_LOGS = 10;

/** What an aggregate takes for as long as it is in memory, against a bare object; and whether that depends on the length of its log. */
export const memory: Workload<Plan> = {
  name: 'memory',
  async run(plan) {
    const servers = [await serveKept(TIDEMARK), await serveKept({ ...CEILINGS, migrations: {} })] as const;
    const [tidemark] = servers;
    try {
      // The first turn is the warm-up: code is compiled in it.
      const [ours = [], theirs = []] = await inTurns(servers, plan.turns + 1, async (server, turn) =>
        perObject(server, plan.objects, async () => {
          await loadAll({
            url: server.url,
            connections: CONNECTIONS,
            pace: { type: 'closed', count: plan.objects },
            request: server === tidemark ? CREATE_PRODUCT : bareInsert('kept-{{n}}'),
            firstNumber: turn * plan.objects,
          });
        }),
      );
      const [, ...aggregates] = ours;
      const [, ...objects] = theirs;
      return [
        compare(
          { what: 'heap of an aggregate in memory', against: 'a bare object', unit: 'KiB' },
          aggregates,
          objects,
          heap,
        ),
        compare(
          { what: 'the same, resident in the process', against: 'a bare object', unit: 'KiB' },
          aggregates,
          objects,
          ({ resident }) => resident / KIB,
        ),
        await overLength(plan, tidemark),
      ];
    } finally {
      for (const server of servers) await server.stop();
    }
  },
};

const heap = (memoryOfOne: Memory) => memoryOfOne.heap / KIB;

async function serveKept(contender: typeof TIDEMARK): Promise<Server> {
  // Projections at work would be in the heap as well, and objects leave it ten seconds after their last request.
  return serve(contender, { areQueuesOff: true, areObjectsKept: true, inspectorPort: await freePort() });
}

/** What memory has grown by, for each of so many objects, when they have been woken. */
async function perObject(server: Server, objects: number, wake: () => Promise<void>): Promise<Memory> {
  const before = await server.memory();
  await wake();
  const after = await server.memory();
  return { heap: (after.heap - before.heap) / objects, resident: (after.resident - before.resident) / objects };
}

/** Products that have been created get logs of both lengths, and are then found cold. */
async function overLength(plan: Plan, server: Server): Promise<Finding> {
  const [short, long] = [plan.coldEvents[0], plan.coldEvents.at(-1)] as [number, number];
  const logs = Math.min(MOST_LOGS, Math.floor(plan.objects / 2));
  const ids = Array.from({ length: (plan.turns + 1) * 2 * logs }, (_, n) => productIdOf(`BENCH-${n}`));
  const changeAll = (some: readonly string[]) =>
    loadAll({
      url: server.url,
      connections: CONNECTIONS,
      pace: { type: 'closed', count: some.length },
      request: CHANGE_PRICE,
      ids: some,
    });
  // A change that can be repeated.
  await changeAll(ids);
  await server.restart((storage) => {
    const objects = storedObjects(storage);
    objects.removeAlarms();
    objects.lengthen(new Map(ids.map((id, n) => [`product-${id}`, n % 2 === 0 ? short : long])));
  });

  const [ofShort = [], ofLong = []] = await byTurns([0, 1], plan.turns + 1, (odd, turn) => {
    const inTurn = ids.slice(turn * 2 * logs, (turn + 1) * 2 * logs);
    const some = inTurn.filter((_, n) => n % 2 === odd);
    return perObject(server, logs, async () => void (await changeAll(some)));
  });
  const { version } = await changePrice(server, ids.at(-1) as string);
  if (version !== long + 2) throw new Error(`a log of ${long} events, changed once, went on at ${version}`);
  return compare(
    { what: `heap of an aggregate of ${long} events, all read`, against: `one of ${short} events`, unit: 'KiB' },
    ofLong.slice(1),
    ofShort.slice(1),
    heap,
  );
}
