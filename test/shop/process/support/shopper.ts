/**
 * A client in its own process. It places orders, advances them, changes shared prices and reads, one request after the other, as fast as the
 * server answers. It sends a request without an answer again, with the same key, until it gets one. After a kill it also repeats the pending
 * requests of its earlier life. SIGTERM ends it once nothing is pending.
 *
 *     node shopper.ts <url> <name> <seed> <journal> <sku>…
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { type Answer, NoAnswerError, apiClient, retrying } from '../../../../scripts/api-client.ts';
import { chanceOf } from '../../../../scripts/seed/chance.ts';
import { type Answered, type Sent, mend, note, pendingOf, readJournal } from './journal.ts';

/** Between two tries while nothing answers, in ms. */
const PAUSE_MS = 150;

/** What happens to an order after it was placed, step by step. */
const LIFE = ['shipment', 'delivery', 'returns', 'returns'] as const;

interface Order {
  readonly id: string;
  /** Two of each. */
  readonly skus: readonly string[];
  version: number;
  isCancelled: boolean;
}

const [url = '', name = '', seed = '', journal = '', ...skus] = process.argv.slice(2);
const api = apiClient(url);
const chance = chanceOf(`${seed} ${name} ${readJournal(journal).length}`);

const stopping = new AbortController();
process.on('SIGTERM', () => stopping.abort());

let token: string | undefined;
let serial = 0;
const orders = new Map<string, Order>();
/** By product: the version whose price this client has seen. */
const seen: Record<string, number> = {};
const products = new Map<string, string>();

function take(sent: Sent, { status, stream, version, token: latest }: Answered): void {
  serial += 1;
  token = latest ?? token;
  if (status >= 400 || stream === null || version === null) return;
  const id = stream.slice(stream.indexOf('-') + 1);
  if (sent.path.endsWith('/price')) seen[id] = Math.max(version, seen[id] ?? 0);
  else if (sent.path === '/orders') {
    const { items } = sent.body as { items: readonly { sku: string }[] };
    orders.set(id, { id, skus: items.map(({ sku }) => sku), version, isCancelled: false });
  } else {
    const order = orders.get(id);
    if (order) Object.assign(order, { version, isCancelled: sent.path.endsWith('/cancellation') });
  }
}

/** Sends until an answer has an outcome, and writes it into the journal. */
async function settle(sent: Sent, earlierTries = 0): Promise<void> {
  let unanswered = earlierTries;
  for (;;) {
    let answer: Answer<{ code?: string }>;
    try {
      answer = await api.post(sent.path, sent.body, { token, idempotencyKey: sent.key });
    } catch (error) {
      if (!(error instanceof NoAnswerError)) throw error;
      unanswered += 1;
      await sleep(PAUSE_MS);
      continue;
    }
    if (answer.status === 503) {
      unanswered += answer.body.code === 'outcome-unknown' ? 1 : 0;
      await sleep(PAUSE_MS);
      continue;
    }
    const isDone = answer.status < 400;
    const [, subject, pathId] = sent.path.split('/');
    const location = answer.headers.get('Location')?.split('/').at(-1);
    const answered: Answered = {
      kind: 'answered',
      key: sent.key,
      status: answer.status,
      code: answer.body.code ?? null,
      stream: isDone ? `${subject?.replace(/s$/, '')}-${pathId ?? location}` : null,
      version: isDone ? (answer.version ?? null) : null,
      isReplayed: answer.headers.get('Idempotency-Replayed') === 'true',
      unanswered,
      token: answer.token ?? null,
    };
    note(journal, answered);
    take(sent, answered);
    if (!isDone) complain(`POST ${sent.path} was refused with ${answer.status} ${answer.body.code}`);
    return;
  }
}

async function command(path: string, body: object): Promise<void> {
  const sent: Sent = { kind: 'sent', key: `${name}-${serial}`, path, body, seen: { ...seen } };
  note(journal, sent);
  await settle(sent);
}

async function read<Body>(path: string): Promise<Answer<Body>> {
  const answer = await retrying(() => api.get<Body>(path, { token }), { maxPauseMs: PAUSE_MS });
  token = answer.token ?? token;
  if (answer.status !== 200) complain(`GET ${path} was answered with ${answer.status}`);
  return answer;
}

function complain(text: string): void {
  note(journal, { kind: 'complaint', text: `${name}: ${text}` });
}

async function place(): Promise<void> {
  const chosen = [...new Set([chance.oneOf(skus), chance.oneOf(skus)])];
  const items = chosen.map((sku) => ({ sku, quantity: 2 }));
  await command('/orders', {
    customerId: name,
    customerName: `Ada ${name}`,
    region: chance.oneOf(['EU', 'UK']),
    items,
  });
}

async function advance(order: Order): Promise<void> {
  const path = `/orders/${order.id}`;
  if (order.version === 1 && chance.number() < 0.2)
    return command(`${path}/cancellation`, { reason: 'Changed my mind' });
  const step = LIFE[order.version - 1] ?? 'returns';
  if (step === 'shipment')
    return command(`${path}/shipment`, { tracking: `T-${order.version}`, carrier: 'Lighthouse' });
  if (step === 'delivery') return command(`${path}/delivery`, {});
  const items = order.skus.map((sku) => ({ sku, quantity: 1 }));
  return command(`${path}/returns`, { items, reason: 'Too many' });
}

async function changePrice(): Promise<void> {
  const sku = chance.oneOf(skus);
  const id = products.get(sku);
  const amount = 100 + Math.floor(chance.number() * 900);
  if (id !== undefined) await command(`/products/${id}/price`, { price: { amount, currency: 'EUR' }, reason: 'Tide' });
}

/** No other client writes these orders, so this client knows their expected state exactly. */
async function lookAtOrder(order: Order): Promise<void> {
  const { version } = await read(`/orders/${order.id}`);
  if (version !== order.version)
    complain(`${order.id} was shown at version ${version}, after it was written at ${order.version}`);
}

async function lookAtList(): Promise<void> {
  const { body } = await read<{ items: readonly { orderId: string; version: number }[] }>(
    `/orders?customerId=${name}&limit=20`,
  );
  const newest = [...orders.values()].slice(-5);
  for (const { id, version } of newest) {
    const shown = body.items.find(({ orderId }) => orderId === id)?.version;
    if (shown !== version) complain(`the list has ${id} at version ${shown}, after it was written at ${version}`);
  }
}

async function lookAtProduct(): Promise<void> {
  const id = products.get(chance.oneOf(skus)) ?? '';
  const { version = 0 } = await read(`/products/${id}`);
  if (version < (seen[id] ?? 0)) complain(`product ${id} was shown at version ${version}, after ${seen[id]}`);
  seen[id] = Math.max(version, seen[id] ?? 0);
}

/** One thing that a client does. */
async function act(): Promise<void> {
  const open = [...orders.values()]
    .slice(-15)
    .filter(({ version, isCancelled }) => !isCancelled && version <= LIFE.length);
  const order = open.length > 0 ? chance.oneOf(open) : undefined;
  if (!order) return place();
  return chance.weighted<() => Promise<void>>([
    [30, place],
    [40, () => advance(order)],
    [10, changePrice],
    [10, () => lookAtOrder(order)],
    [5, lookAtList],
    [5, lookAtProduct],
  ])();
}

// What an earlier life of this client has left.
mend(journal);
const before = readJournal(journal);
const answers = new Map(before.flatMap((line) => (line.kind === 'answered' ? [[line.key, line] as const] : [])));
for (const line of before) {
  const answered = line.kind === 'sent' ? answers.get(line.key) : undefined;
  if (line.kind === 'sent' && answered) take(line, answered);
}
for (const sku of skus) {
  const { body } = await read<{ items: readonly { productId: string }[] }>(`/products?sku=${encodeURIComponent(sku)}`);
  products.set(sku, body.items[0]?.productId ?? '');
}
for (const sent of pendingOf(before)) await settle(sent, 1);

while (!stopping.signal.aborted) await act();
