import { setTimeout as sleep } from 'node:timers/promises';

import { type Counted, NOTHING, type Operations } from '../../test/support/operations.ts';
import type { Contender } from '../contenders/contender.ts';
import { serve } from '../harness/server.ts';
import type { Api, Scenario } from './scenarios.ts';
import { CREDENTIAL } from '../harness/credential.ts';

/** The operations of one of many times: of all, and what they would be without the second group of projections. */
export interface Bill {
  readonly scenario: string;
  readonly all: Operations;
  readonly oneReadModel: Operations;
}

/** Counting does not mind being slow, but whoever measures on the same machine would mind being asked often. */
const LOOK_EVERY_MS = 1_000;

/** Does scenarios one after the other on one server, and counts each until nothing happens any more. */
export async function count(
  contender: Contender,
  scenarios: readonly Scenario[],
  hasKeys: boolean,
): Promise<readonly Bill[]> {
  const server = await serve(contender);
  let keys = 0;
  const checked = async (answer: Response) => {
    if (!answer.ok) throw new Error(`${contender.name}: ${answer.status} ${answer.url} ${await answer.text()}`);
    return answer;
  };
  const api: Api = {
    get: async (path, headers = {}) =>
      checked(await fetch(server.url + path, { headers: { ...CREDENTIAL, ...headers } })),
    async post(path, body) {
      keys += 1;
      const headers = { 'content-type': 'application/json', ...(hasKeys && { 'idempotency-key': `key-${keys}` }) };
      return checked(
        await fetch(server.url + path, {
          method: 'POST',
          headers: { ...CREDENTIAL, ...headers },
          body: JSON.stringify(body),
        }),
      );
    },
  };

  /** Everything since the last time, once all is quiet. */
  async function untilQuiet(): Promise<Counted> {
    let sum: Counted = { all: NOTHING, byGroup: {}, isAnythingDue: true };
    for (;;) {
      await sleep(LOOK_EVERY_MS);
      const more: Counted = await (await fetch(`${server.url}/operations-so-far`)).json();
      sum = plus(sum, more);
      // What an alarm or a message has begun goes on for a moment after it.
      if (!more.isAnythingDue && Object.values(more.all).every((number) => number === 0)) return sum;
    }
  }

  try {
    const bills: Bill[] = [];
    for (const { name, times, before, act } of scenarios) {
      if (before) {
        await before(api);
        await untilQuiet();
      }
      await act(api);
      const { all, byGroup } = await untilQuiet();
      const second = byGroup['reporting'] ?? NOTHING;
      bills.push({ scenario: name, all: shareOf(all, times), oneReadModel: shareOf(minus(all, second), times) });
    }
    return bills;
  } finally {
    await server.stop();
  }
}

function plus(one: Counted, other: Counted): Counted {
  const groups = new Set([...Object.keys(one.byGroup), ...Object.keys(other.byGroup)]);
  const byGroup = Object.fromEntries(
    [...groups].map((group) => [
      group,
      combine(one.byGroup[group] ?? NOTHING, other.byGroup[group] ?? NOTHING, (a, b) => a + b),
    ]),
  );
  return { all: combine(one.all, other.all, (a, b) => a + b), byGroup, isAnythingDue: other.isAnythingDue };
}

function minus(one: Operations, other: Operations): Operations {
  return combine(one, other, (a, b) => a - b);
}

function shareOf(operations: Operations, times: number): Operations {
  return combine(operations, operations, (sum) => sum / times);
}

function combine(one: Operations, other: Operations, by: (a: number, b: number) => number): Operations {
  const names = Object.keys(NOTHING) as (keyof Operations)[];
  return Object.fromEntries(names.map((name) => [name, by(one[name], other[name])])) as unknown as Operations;
}
