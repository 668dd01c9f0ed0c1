/**
 * Clients that write and read as fast as the server answers. Each has its own causal token, and checks every answer against what it has written
 * and seen.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { type Answer, type Api, NoAnswerError } from '../../../../scripts/api-client.ts';
import { expectOk } from './reading.ts';
import { until } from './server.ts';

interface Order {
  readonly id: string;
  /** A word that only this order has, for the search. */
  readonly word: string;
  version: number;
  status: string;
}

/** An order as an answer has it. */
interface Shown {
  readonly orderId: string;
  readonly version: number;
  readonly status: string;
}

interface List {
  readonly items: readonly Shown[];
}

interface Dashboard {
  readonly ordersByStatus: Readonly<Record<string, number>>;
}

/** What happens to an order, step by step; each step with the status that it leads to. */
const LIFE: readonly (readonly [step: string, body: (sku: string) => object, status: string])[] = [
  ['shipment', () => ({ tracking: 'TM-1', carrier: 'Lighthouse Express' }), 'shipped'],
  ['delivery', () => ({}), 'delivered'],
  ['returns', (sku) => ({ items: [{ sku, quantity: 1 }], reason: 'Wrong size' }), 'delivered'],
  ['returns', (sku) => ({ items: [{ sku, quantity: 1 }], reason: 'Wrong colour' }), 'returned'],
];

/** Between two tries while the server is down, in ms. */
const RETRY_EVERY_MS = 250;

export interface Figures {
  readonly seconds: number;
  readonly reads: number;
  readonly writes: number;
  /** Tries that failed while the server was down. */
  readonly retried: number;
  readonly slowestMs: number;
  /** The faults, one sentence each. */
  readonly failures: readonly string[];
}

export interface Traffic {
  /** From now until the returned function is called the server may be down: what fails is tried again. */
  outage(): () => void;
  /** Waits until so many more reads were answered. */
  more(reads: number): Promise<void>;
  stop(): Promise<Figures>;
}

export interface TrafficOptions {
  /** Clients that write, and read what they wrote. */
  readonly writers?: number;
  /** Clients that only read. Half of them have no token: locally there is one copy of each database, which a swap may not turn back. */
  readonly readers?: number;
}

export async function startTraffic(api: Api, { writers = 6, readers = 2 }: TrafficOptions = {}): Promise<Traffic> {
  const run = randomUUID().slice(0, 8);
  const sku = `TRAFFIC-${run}`;
  const price = { amount: 250, currency: 'EUR' };
  expectOk(await api.post('/products', { name: 'Signal flag', price, category: 'traffic', sku }));

  const startedAt = performance.now();
  const failures: string[] = [];
  const outages: { from: number; to: number }[] = [];
  let [reads, writes, retried, slowestMs] = [0, 0, 0, 0];
  const stopping = new AbortController();

  /** Sends until there is an answer with success; undefined when there was none although the server was up. */
  async function send<Body>(name: string, act: () => Promise<Answer<Body>>): Promise<Answer<Body> | undefined> {
    for (;;) {
      const sentAt = performance.now();
      let trouble: string;
      try {
        const answer = await act();
        slowestMs = Math.max(slowestMs, answer.durationMs);
        if (answer.status === 200 || answer.status === 201) return answer;
        trouble = `${name}: ${answer.status} ${JSON.stringify(answer.body)}`;
      } catch (error) {
        if (!(error instanceof NoAnswerError)) throw error;
        trouble = error.message;
      }
      const isExcused = outages.some(({ from, to }) => from < performance.now() && sentAt < to);
      if (!isExcused) {
        failures.push(trouble);
        return undefined;
      }
      retried += 1;
      await sleep(RETRY_EVERY_MS);
    }
  }

  /** One client's session: its token, and the versions that it must never see less of. */
  function session({ hasToken = true } = {}) {
    let token: string | undefined;
    let ordersCounted = 0;

    /** `judge` takes the body in its form, and returns what is wrong with it. */
    async function ask(path: string, judge: (body: never) => string | undefined): Promise<void> {
      const answer = await send(`GET ${path}`, () => api.get<never>(path, { token }));
      reads += 1;
      if (!answer) return;
      if (hasToken) ({ token } = answer);
      const complaint = judge(answer.body);
      if (complaint !== undefined) failures.push(`GET ${path}: ${complaint}`);
    }

    return {
      ask,
      /** `atLeast` orders more than at the last look. */
      lookAtDashboard: (atLeast = 0) =>
        ask('/dashboard', ({ ordersByStatus }: Dashboard) => {
          const counted = Object.values(ordersByStatus).reduce((sum, number) => sum + number, 0);
          const expected = ordersCounted + atLeast;
          ordersCounted = counted;
          return counted < expected ? `${counted} orders, after ${expected} were seen or placed` : undefined;
        }),
      async command(path: string, body: object): Promise<Answer<{ orderId: string }> | undefined> {
        const idempotencyKey = randomUUID();
        const answer = await send(`POST ${path}`, () =>
          api.post<{ orderId: string }>(path, body, { token, idempotencyKey }),
        );
        writes += 1;
        if (answer) ({ token } = answer);
        return answer;
      },
    };
  }

  async function writer(index: number): Promise<void> {
    const { ask, lookAtDashboard, command } = session();
    const customerId = `traffic-${run}-${index}`;
    const own: Order[] = [];
    const known = new Map<string, Order>();

    async function place(): Promise<Order | undefined> {
      const word = `w${run}x${index}x${own.length}x`;
      const items = [{ sku, quantity: 2 }];
      const placed = await command('/orders', { customerId, customerName: `Ada ${word}`, items });
      if (placed?.version === undefined) return undefined;
      const order = { id: placed.body.orderId, word, version: placed.version, status: 'placed' };
      own.push(order);
      known.set(order.id, order);
      return order;
    }

    async function advance(order: Order): Promise<void> {
      const [step, body, status] = LIFE[order.version - 1] ?? [];
      if (step === undefined || body === undefined || status === undefined) return;
      const done = await command(`/orders/${order.id}/${step}`, body(sku));
      if (done?.version !== undefined) Object.assign(order, { version: done.version, status });
    }

    /** No other client writes these orders, so this client knows their expected state exactly. */
    const judge = (shown: Shown | undefined, order: Order | undefined): string | undefined =>
      order && (shown?.version !== order.version || shown.status !== order.status)
        ? `${shown ? `${shown.orderId} at version ${shown.version}, ${shown.status}` : 'nothing'}, ` +
          `after ${order.id} was written at version ${order.version}, ${order.status}`
        : undefined;

    while (!stopping.signal.aborted) {
      const open = own.slice(-20).filter(({ version }) => version <= LIFE.length);
      const chosen = open.length >= 3 && Math.random() < 0.6 ? anyOf(open) : undefined;
      const order = chosen ?? (await place());
      if (!order) continue;
      if (chosen) await advance(chosen);

      await ask(`/orders/${order.id}`, (shown: Shown) => judge(shown, order));
      await ask(`/orders/search?q=${order.word}`, ({ items }: List) =>
        items.length === 1 ? judge(items[0], order) : `${items.length} hits`,
      );
      await lookAtDashboard(chosen ? 0 : 1);
      await ask(`/orders?customerId=${customerId}&limit=20`, ({ items }: List) =>
        items.length === Math.min(own.length, 20)
          ? items
              .map((shown: Shown) => judge(shown, known.get(shown.orderId)))
              .find((complaint) => complaint !== undefined)
          : `${items.length} of ${own.length} orders`,
      );
      const old = anyOf(own);
      if (old) await ask(`/orders/${old.id}`, (shown: Shown) => judge(shown, old));
    }
  }

  async function reader(index: number): Promise<void> {
    const { ask, lookAtDashboard } = session({ hasToken: index % 2 === 0 });
    const seen = new Map<string, number>();

    function judge({ orderId, version }: Shown): string | undefined {
      const before = seen.get(orderId) ?? 0;
      seen.set(orderId, Math.max(version, before));
      return version < before ? `${orderId} at version ${version}, after ${before} was seen` : undefined;
    }

    while (!stopping.signal.aborted) {
      await ask(`/orders?status=${anyOf(['placed', 'shipped', 'delivered', 'returned'])}`, ({ items }: List) =>
        items.map(judge).find((complaint) => complaint !== undefined),
      );
      const id = anyOf([...seen.keys()]);
      if (id !== undefined) await ask(`/orders/${id}`, judge);
      await ask('/orders/search?q=ada', ({ items }: List) => (items.length === 0 ? 'no hit' : undefined));
      await lookAtDashboard();
    }
  }

  const clients = Promise.all([
    ...Array.from({ length: writers }, (_, index) => writer(index)),
    ...Array.from({ length: readers }, (_, index) => reader(index)),
  ]);
  return {
    outage() {
      const outage = { from: performance.now(), to: Infinity };
      outages.push(outage);
      return () => {
        outage.to = performance.now();
      };
    },
    async more(count) {
      const wanted = reads + count;
      await until(`${count} more reads are answered`, 120_000, () => reads >= wanted);
    },
    async stop() {
      stopping.abort();
      await clients;
      return { seconds: (performance.now() - startedAt) / 1_000, reads, writes, retried, slowestMs, failures };
    },
  };
}

function anyOf<Item>(items: readonly Item[]): Item | undefined {
  return items[Math.floor(Math.random() * items.length)];
}
