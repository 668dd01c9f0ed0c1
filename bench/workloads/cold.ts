import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { TIDEMARK } from '../contenders/contenders.ts';
import { atExit } from '../harness/at-exit.ts';
import { loadAll } from '../harness/load.ts';
import { type Server, serve } from '../harness/server.ts';
import { storedObjects } from '../harness/stored-objects.ts';
import { compare } from './compare.ts';
import type { Finding, Workload } from './finding.ts';
import type { Plan } from './plan.ts';
import { CHANGE_PRICE, changePrice, createProducts } from './shop-requests.ts';

const CONNECTIONS = 32;

/** Products to warm the Worker up with, and their events: enough for a snapshot, so that reading one is warm code. */
const OTHERS = 3;
const OTHERS_EVENTS = 110;
const WARM_UP_COMMANDS = 200;

/** A log that has a snapshot (they come every hundred events) goes on for half of the way to the next. */
const FIRST_SNAPSHOT = 100;
const TAIL = 50;

/** By then a request has done what it had left for the background. */
const QUIET_MS = 50;

/** A log of so many events has to be worth its snapshot. */
const LONG = 10_000;

/** Products with logs of one length. In each turn the next of them is found as it is, and the one after it without its snapshot. */
interface Length {
  readonly events: number;
  readonly ids: readonly [string, string];
}

/** How long the first command took, in ms, for each length. */
interface Turn {
  readonly fromSnapshot: readonly number[];
  /** NaN where there is no snapshot to lose. */
  readonly replayed: readonly number[];
}

/** The first command to an aggregate that is not in memory: whether the length of its log matters, and what its snapshot is worth. */
export const cold: Workload<Plan> = {
  name: 'cold',
  async run(plan) {
    // Queues off: projections at work would be in the way of single requests.
    const server = await serve(TIDEMARK, { areQueuesOff: true });
    const filled = mkdtempSync(join(tmpdir(), 'tidemark-bench-filled-'));
    const clean = () => rmSync(filled, { recursive: true, force: true });
    const forget = atExit(clean);
    try {
      const ids = await createProducts(server, OTHERS + 2 * plan.coldEvents.length);
      const others = ids.slice(0, OTHERS);
      await fill(server, others, OTHERS_EVENTS);
      const lengths = plan.coldEvents.map((size, index): Length => {
        const [one, another] = ids.slice(OTHERS + 2 * index) as [string, string];
        return { events: size < FIRST_SNAPSHOT ? size : size + TAIL, ids: [one, another] };
      });
      for (const { ids: both, events } of lengths) await fill(server, both, events);

      const turns: Turn[] = [];
      for (let turn = 0; turn < plan.restarts; turn += 1) {
        await server.restart((storage) => {
          // Every turn begins with the same storage, whatever the one before has added to it.
          if (turn === 0) {
            storedObjects(storage).removeAlarms();
            cpSync(storage, filled, { recursive: true });
          } else {
            rmSync(storage, { recursive: true });
            cpSync(filled, storage, { recursive: true });
          }
          const objects = storedObjects(storage);
          for (const length of lengths.filter(hasSnapshot))
            objects.removeSnapshot(`product-${replayedIn(turn, length)}`);
        });
        turns.push(await measure(server, others, lengths, turn));
      }
      return findingsOf(plan.coldEvents, turns);
    } finally {
      await server.stop();
      clean();
      forget();
    }
  },
};

const hasSnapshot = ({ events }: Length) => events >= FIRST_SNAPSHOT;
const asItIsIn = (turn: number, { ids }: Length) => ids[turn % 2] as string;
const replayedIn = (turn: number, { ids }: Length) => ids[(turn + 1) % 2] as string;

/** Changes prices until each of the products, just created, has so many events. */
async function fill(server: Server, ids: readonly string[], events: number): Promise<void> {
  const pace = { type: 'closed', count: ids.length * (events - 1) } as const;
  await loadAll({ url: server.url, connections: CONNECTIONS, pace, request: CHANGE_PRICE, ids });
}

async function measure(
  server: Server,
  others: readonly string[],
  lengths: readonly Length[],
  turn: number,
): Promise<Turn> {
  const pace = { type: 'closed', count: WARM_UP_COMMANDS } as const;
  await loadAll({ url: server.url, connections: CONNECTIONS, pace, request: CHANGE_PRICE, ids: others });
  // And what is on this side of the socket.
  for (const id of others) await changePrice(server, id);

  const fromSnapshot = lengths.map(() => Number.NaN);
  for (const at of lengths.keys()) {
    const index = (turn + at) % lengths.length;
    fromSnapshot[index] = await firstCommand(server, lengths[index] as Length, asItIsIn);
  }
  // Last, since a long replay leaves garbage and warm code: what that does for anybody, it does for the replays.
  const replayed: number[] = [];
  for (const length of lengths) {
    replayed.push(hasSnapshot(length) ? await firstCommand(server, length, replayedIn) : Number.NaN);
  }
  return { fromSnapshot, replayed };

  async function firstCommand(to: Server, length: Length, choose: typeof asItIsIn): Promise<number> {
    await sleep(QUIET_MS);
    const { tookMs, version } = await changePrice(to, choose(turn, length));
    if (version !== length.events + 1) throw new Error(`a log of ${length.events} events went on at ${version}`);
    return tookMs;
  }
}

function findingsOf(sizes: readonly number[], turns: readonly Turn[]): readonly Finding[] {
  const at = (index: number, way: keyof Turn) => turns.map((turn) => turn[way][index] as number);
  const own = (value: number) => value;
  return sizes.slice(1).flatMap((events, before) => {
    const what = `first command to a cold aggregate of ${events} events, p50`;
    const fromSnapshot = at(before + 1, 'fromSnapshot');
    return [
      compare(
        { what, against: `one of ${sizes[0]} events`, target: { atMost: 1.2 }, unit: 'ms' },
        fromSnapshot,
        at(0, 'fromSnapshot'),
        own,
      ),
      compare(
        {
          what: `the same without its snapshot, ${events} events replayed`,
          against: 'with it',
          ...(events >= LONG && { target: { atLeast: 50 } }),
          unit: 'ms',
        },
        at(before + 1, 'replayed'),
        fromSnapshot,
        own,
      ),
    ];
  });
}
