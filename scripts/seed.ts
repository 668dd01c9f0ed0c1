/**
 * Fills a server with realistic data: `npm run seed -- --orders 500`.
 *
 * The same seed number gives the same data and the same idempotency keys. So the same command line continues an interrupted run without doubling
 * anything, and a higher `--orders` adds to it.
 */
import { closeSync, openSync, writeSync } from 'node:fs';

import { type Answer, UnexpectedAnswerError, apiClient, atOnce, requireServer, retrying } from './api-client.ts';
import { askedOrExit } from './command-line.ts';
import { showProgress } from './progress.ts';
import { HELP, readArguments } from './seed/arguments.ts';
import { type Chapter, type PlannedOrder, type PlannedProduct, countWrites, planSeason } from './seed/season.ts';

const options = askedOrExit(HELP, readArguments);
const api = apiClient(options.url, { credential: options.credential });
const season = planSeason(options);
const journal = options.journal === undefined ? undefined : openOrExit(options.journal);

const total = countWrites(season);
const startedAt = performance.now();
const durations: number[] = [];
const ended = new Map<string, number>();
let orders = 0;
let replayed = 0;
let retries = 0;
const progress = showProgress('{value}/{total} writes, {orders} orders, {rate}/s, {left} left, {retries} retries');

process.once('SIGINT', () => {
  progress.stop();
  console.error('Stopped. The same command line continues from here.');
  process.exit(130);
});

try {
  await requireServer(api);
  progress.start(total, figures());
  await run();
  progress.stop();
  summarize();
} catch (error) {
  progress.stop();
  console.error(explain(error));
  process.exitCode = 1;
} finally {
  if (journal !== undefined) closeSync(journal);
}
// After a failure, other commands may still be under way.
process.exit();

async function run(): Promise<void> {
  const productIds = new Map<string, string>();

  async function create(product: PlannedProduct, token?: string): Promise<string | undefined> {
    const created = await send<{ productId: string }>('/products', product, token);
    productIds.set(product.body.sku, created.body.productId);
    return created.token;
  }

  /** Returns a token that has seen every new price: an order with it pays no older price. */
  async function changePrices({ prices }: Chapter): Promise<string | undefined> {
    let token: string | undefined;
    for (const price of prices)
      token = (await send(`/products/${productIds.get(price.sku)}/price`, price, token)).token;
    return token;
  }

  async function follow(order: PlannedOrder, pricesSeen: string | undefined): Promise<void> {
    // The order follows at once. With the token, the shop knows the product.
    const seen = order.launches ? await create(order.launches, pricesSeen) : pricesSeen;
    const placed = await send<{ orderId: string }>('/orders', order, seen);
    let { token } = placed;
    for (const step of order.steps)
      token = (await send(`/orders/${placed.body.orderId}/${step.step}`, step, token)).token;
    const last = order.steps.at(-1)?.step ?? 'placed';
    ended.set(last, (ended.get(last) ?? 0) + 1);
    orders += 1;
  }

  await atOnce(options.concurrency, season.stock, (product) => create(product));
  for (const chapter of season.chapters) {
    const pricesSeen = await changePrices(chapter);
    await atOnce(options.concurrency, chapter.orders, (order) => follow(order, pricesSeen));
  }
  await atOnce(options.concurrency, season.unsold, (product) => create(product));
}

/** Sends one command until it is acknowledged. */
async function send<Body>(
  path: string,
  { idempotencyKey, body }: { readonly idempotencyKey: string; readonly body: object },
  token: string | undefined,
): Promise<Answer<Body>> {
  const answer = await retrying(() => api.post<Body>(path, body, { token, idempotencyKey }), {
    onRetry: () => {
      retries += 1;
    },
  });
  if ((answer.status !== 200 && answer.status !== 201) || answer.version === undefined)
    throw new UnexpectedAnswerError(answer);

  const { productId, orderId } = answer.body as { productId?: string; orderId?: string };
  const stream = orderId === undefined ? `product-${productId}` : `order-${orderId}`;
  const isReplayed = answer.headers.get('Idempotency-Replayed') === 'true';
  const line = { stream, version: answer.version, idempotencyKey, isReplayed };
  if (journal !== undefined) writeSync(journal, `${JSON.stringify(line)}\n`);
  if (isReplayed) replayed += 1;
  durations.push(answer.durationMs);
  progress.update(durations.length, figures());
  return answer;
}

function figures() {
  return { orders, retries, rate: Math.round((durations.length * 1_000) / (performance.now() - startedAt)) };
}

function summarize(): void {
  const seconds = (performance.now() - startedAt) / 1_000;
  const writes = durations.length;
  const prices = season.chapters.reduce((sum, chapter) => sum + chapter.prices.length, 0);
  const sorted = durations.toSorted((one, other) => one - other);
  const quantile = (share: number) => Math.round(sorted[Math.floor(share * (sorted.length - 1))] ?? 0);
  const names = {
    placed: 'placed',
    shipment: 'shipped',
    delivery: 'delivered',
    returns: 'with returns',
    cancellation: 'cancelled',
  };
  const fates = Object.entries(names).map(([last, name]) => `${ended.get(last) ?? 0} ${name}`);
  console.log(
    [
      `${orders} orders (${fates.join(', ')}), ${options.products} products, ${prices} price changes: seed ${options.seed} at ${api.url}`,
      `${writes} writes in ${seconds.toFixed(1)} s: ${(writes / seconds).toFixed(0)} writes/s, ${(orders / seconds).toFixed(0)} orders/s, ` +
        `median ${quantile(0.5)} ms, 95 % within ${quantile(0.95)} ms`,
      ...(replayed > 0 ? [`${replayed} of these writes existed already, and were not applied again`] : []),
      ...(retries > 0 ? [`${retries} retries`] : []),
    ].join('\n'),
  );
}

function explain(error: unknown): string {
  if (!(error instanceof UnexpectedAnswerError)) return (error as Error).message;
  const isOtherData = [409, 412, 422].includes(error.answer.status);
  const advice = isOtherData
    ? `\nThis server holds other data than seed ${options.seed} makes. Choose another --seed.`
    : '';
  return `${error.message}${advice}`;
}

function openOrExit(file: string): number {
  try {
    return openSync(file, 'a');
  } catch (error) {
    return exitWithUsage(`--journal: "${file}" cannot be written (${(error as Error).message}).`);
  }
}

function exitWithUsage(message: string): never {
  console.error(`${message}\n\n${HELP}`);
  return process.exit(2);
}
