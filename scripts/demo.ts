/**
 * Shows in a terminal what Tidemark does, on a running server: `npm run demo`, with the URL of another server after it.
 *
 *     npm run demo
 *     npm run demo -- https://tidemark.example.workers.dev --key "$OPERATIONS_KEY"
 *
 * It checks every promise that it prints. It leaves its products and orders on the server, and can run any number of times.
 */
import { randomUUID } from 'node:crypto';
import { parseArgs, styleText } from 'node:util';

import {
  type Answer,
  LOCAL_SERVER,
  type ProblemBody,
  UnexpectedAnswerError,
  apiClient,
  requireServer,
} from './api-client.ts';

interface Money {
  readonly amount: number;
  readonly currency: string;
}

interface Product {
  readonly productId: string;
  readonly name: string;
  readonly sku: string;
  readonly price: Money;
}

interface Order {
  readonly orderId: string;
  readonly status: string;
  readonly total: Money;
  readonly items: readonly {
    readonly sku: string;
    readonly name: string;
    readonly quantity: number;
    readonly unitPrice: Money;
  }[];
}

interface HistoryPage {
  readonly items: readonly { readonly version: number; readonly type: string; readonly recordedAt: string }[];
}

const HELP = `Usage: npm run demo -- [url] [--key <operations key>]

  url     the server, default ${LOCAL_SERVER}
  --key   an API key, a token, or OPERATIONS_KEY of a deployment; default: the variable OPERATIONS_KEY
`;

const { credential, url } = readArguments();
const api = apiClient(url, { credential });
const suffix = randomUUID().slice(0, 8).toUpperCase();
const eur = (amount: number): Money => ({ amount, currency: 'EUR' });

try {
  await requireServer(api);
  await tell();
} catch (error) {
  // A fault of this script shows its stack. A fault of the server is one sentence.
  const { message, stack } = error as Error;
  const isBug = error instanceof TypeError || error instanceof ReferenceError;
  console.error(`\n${styleText('red', '✗', { stream: process.stderr })} ${isBug ? stack : message}`);
  process.exitCode = 1;
}

async function tell(): Promise<void> {
  say(`${paint('bold', 'Tidemark')} at ${api.url}`);

  chapter('Two products');
  const lamp = await createProduct('Storm lamp', eur(4_900), 'lighting');
  const chart = await createProduct('Harbour chart', eur(1_250), 'almanacs', lamp.token);
  note('The ids follow from the SKUs, so SKUs are unique without a registry.');

  chapter('An order, read at once');
  const items = [
    { sku: lamp.body.sku, quantity: 1 },
    { sku: chart.body.sku, quantity: 2 },
  ];
  const placed = await api.post<Order>(
    '/orders',
    { customerId: `c-${suffix}`, customerName: 'Ada Lovelace', items },
    { token: chart.token },
  );
  expectStatus(placed, 201);
  const { orderId } = placed.body;
  const path = `/orders/${orderId}`;
  done('placed', `order ${orderId} at version ${placed.version}`, placed);

  // In parallel: the read with the token brings the read model up to date, and the other read must not profit from that.
  const [plain, read] = await Promise.all([api.get<Order>(path), api.get<Order>(path, { token: placed.token })]);
  expectStatus(read, 200);
  promise(
    read.version === placed.version,
    `the read with the token shows version ${placed.version}, not ${read.version}`,
  );
  promise(read.body.total.amount === 7_400, `the order's total is ${money(eur(7_400))}, not ${money(read.body.total)}`);
  done('with token', `version ${read.version}, ${read.body.status}, ${money(read.body.total)}`, read);
  tellPlainRead(plain);

  chapter('A shipment that waits for the read models');
  const shipment = { tracking: `TM-${suffix}`, carrier: 'Lighthouse Express' };
  const shipped = await api.post<Order>(`${path}/shipment`, shipment, {
    token: read.token,
    headers: { Prefer: 'wait=5' },
  });
  expectStatus(shipped, 200);
  done('shipped', `version ${shipped.version}, with \`Prefer: wait=5\``, shipped);
  await tellWait(path, shipped);

  chapter('A price changes, and the order keeps its price');
  const price = await api.post(
    `/products/${lamp.body.productId}/price`,
    { price: eur(5_400), reason: 'Autumn' },
    { token: shipped.token },
  );
  expectStatus(price, 200);
  const lampNow = await api.get<Product>(`/products/${lamp.body.productId}`, { token: price.token });
  expectStatus(lampNow, 200);
  promise(
    lampNow.body.price.amount === 5_400,
    `the storm lamp costs ${money(eur(5_400))} now, not ${money(lampNow.body.price)}`,
  );
  done('product', `${lampNow.body.name} costs ${money(lampNow.body.price)} now (was ${money(eur(4_900))})`, lampNow);
  const kept = await api.get<Order>(path, { token: lampNow.token });
  expectStatus(kept, 200);
  const keptPrice = unitPriceOf(kept.body, lamp.body.sku);
  promise(
    keptPrice?.amount === 4_900,
    `the order keeps the price ${money(eur(4_900))} for the storm lamp, not ${money(keptPrice)}`,
  );
  done('order', `still has it at ${money(keptPrice)}, total ${money(kept.body.total)}`, kept);

  chapter('A command sent twice, applied once');
  const again = {
    customerId: `c-${suffix}`,
    customerName: 'Grace Hopper',
    items: [{ sku: lamp.body.sku, quantity: 1 }],
  };
  const command = { token: kept.token, idempotencyKey: `demo-${suffix}`, headers: { Prefer: 'return=representation' } };
  const first = await api.post<Order>('/orders', again, command);
  expectStatus(first, 201);
  promise(
    unitPriceOf(first.body, lamp.body.sku)?.amount === 5_400,
    'an order placed after the price change has the new price',
  );
  done('first', `order ${first.body.orderId}, the lamp at ${money(unitPriceOf(first.body, lamp.body.sku))}`, first);
  const second = await api.post<Order>('/orders', again, command);
  expectStatus(second, 201);
  promise(second.body.orderId === first.body.orderId, 'the same Idempotency-Key gives the same order');
  promise(second.headers.get('Idempotency-Replayed') === 'true', 'the second answer says that it is a replay');
  done('second', 'the same order: Idempotency-Replayed: true', second);
  const other = await api.post<ProblemBody>('/orders', { ...again, customerName: 'Someone Else' }, command);
  expectStatus(other, 422, 'key-reused');
  done('other body', `the same key is refused: 422 ${other.body.code}`, other);

  chapter('A command for an old version, refused');
  const stale = await api.post<ProblemBody>(
    `${path}/delivery`,
    {},
    { token: kept.token, headers: { 'If-Match': '"1"' } },
  );
  expectStatus(stale, 412, 'version-mismatch');
  promise(stale.body['currentVersion'] === shipped.version, `the 412 names the current version ${shipped.version}`);
  done('If-Match "1"', `412 ${stale.body.code}: the current version is ${String(stale.body['currentVersion'])}`, stale);
  const etag = shipped.headers.get('ETag') ?? '';
  const delivered = await api.post(`${path}/delivery`, {}, { token: kept.token, headers: { 'If-Match': etag } });
  expectStatus(delivered, 200);
  done(`If-Match ${etag}`, `delivered, version ${delivered.version}`, delivered);

  chapter('The events, from the log');
  const wasTold =
    (await tellStream(`product-${lamp.body.productId}`, 'Storm lamp', ['ProductCreated', 'PriceUpdated'])) &&
    (await tellStream(`product-${chart.body.productId}`, 'Harbour chart', ['ProductCreated'])) &&
    (await tellStream(`order-${orderId}`, 'Ada’s order', ['OrderPlaced', 'OrderShipped', 'OrderDelivered'])) &&
    (await tellStream(`order-${first.body.orderId}`, 'Grace’s order', ['OrderPlaced']));

  say(`\n${paint('green', '✓')} Every promise was kept.${wasTold ? '' : ' The event histories were not shown.'}`);
}

async function createProduct(name: string, price: Money, category: string, token?: string): Promise<Answer<Product>> {
  const sku = `DEMO-${name.split(' ')[0]?.toUpperCase()}-${suffix}`;
  const options = { token, headers: { Prefer: 'return=representation' } };
  const created = await api.post<Product>('/products', { name, price, category, sku }, options);
  expectStatus(created, 201);
  done('created', `${name}, ${sku}, ${money(created.body.price)}`, created);
  return created;
}

function tellPlainRead(plain: Answer<Order>): void {
  promise(
    plain.status === 200 || plain.status === 404,
    `a read without the token gives 200 or 404, not ${plain.status}`,
  );
  if (plain.status === 404) {
    done('without', '404: the read model does not have the order yet', plain);
    note('This is eventual consistency. With the token, the read waits for the order.');
  } else {
    done('without', `version ${plain.version}: the read model had the order already`, plain);
    note('Without the token, nothing promises this. A 404 was possible: this is eventual consistency.');
  }
}

async function tellWait(path: string, shipped: Answer<Order>): Promise<void> {
  if (!shipped.headers.get('Preference-Applied')?.includes('wait=5')) {
    note('The read models took longer than 5 s, so the answer has no Preference-Applied. The write is stored.');
    return;
  }
  const plain = await api.get<Order>(path);
  expectStatus(plain, 200);
  promise(
    plain.body.status === 'shipped',
    `after Preference-Applied: wait=5, every client sees the order shipped, not ${plain.body.status}`,
  );
  done(
    'without',
    `version ${plain.version}, ${plain.body.status}: every client sees it now, with or without the token`,
    plain,
  );
}

/** Shows the events of a stream. Returns false when the deployment refuses the caller. */
async function tellStream(stream: string, name: string, expected: readonly string[]): Promise<boolean> {
  const history = await api.get<HistoryPage>(`/streams/${stream}/events?limit=100`);
  if (history.status === 403) {
    note('The log of a stream needs the scope events:read, which this key does not have.');
    return false;
  }
  expectStatus(history, 200);
  const { items } = history.body;
  say(`  ${name}  ${paint('dim', stream)}`);
  for (const { version, type, recordedAt } of items)
    say(`    ${paint('cyan', String(version))}  ${type.padEnd(15)} ${paint('dim', recordedAt)}`);
  const isComplete =
    items.length === expected.length &&
    items.every(({ type, version }, index) => type === expected[index] && version === index + 1);
  promise(isComplete, `the log of ${stream} is ${expected.join(', ')}`);
  return true;
}

function unitPriceOf(order: Order, sku: string): Money | undefined {
  return order.items.find((item) => item.sku === sku)?.unitPrice;
}

function expectStatus(answer: Answer<unknown>, status: number, code?: string): void {
  if (answer.status !== status) throw new UnexpectedAnswerError(answer);
  const actual = (answer.body as Partial<ProblemBody> | undefined)?.code;
  if (code !== undefined && actual !== code) throw new UnexpectedAnswerError(answer);
}

function promise(isKept: boolean, sentence: string): void {
  if (!isKept) throw new Error(`This promise was not kept: ${sentence}.`);
}

type Style = Parameters<typeof styleText>[0];

/** Adds colours only on a terminal that supports them. */
function paint(style: Style, words: string): string {
  return styleText(style, words, { stream: process.stdout });
}

function say(line: string): void {
  console.log(line);
}

function chapter(title: string): void {
  say(`\n${paint('bold', title)}`);
}

function done(what: string, result: string, { durationMs }: Answer<unknown>): void {
  say(`  ${paint('green', what.padEnd(12))} ${result} ${paint('dim', `(${Math.round(durationMs)} ms)`)}`);
}

function note(words: string): void {
  say(`  ${paint('dim', words)}`);
}

function money(price: Money | undefined): string {
  if (!price) return 'nothing';
  return `${(price.amount / 100).toFixed(2)} ${price.currency}`;
}

function readArguments(): { url: string; credential: string | undefined } {
  try {
    const { positionals, values } = parseArgs({
      allowPositionals: true,
      options: { help: { type: 'boolean', short: 'h' }, key: { type: 'string' } },
    });
    if (values.help) {
      console.log(HELP);
      return process.exit(0);
    }
    const [server = LOCAL_SERVER, ...others] = positionals;
    if (others.length > 0) throw new TypeError(`Pass one URL only, without ${others.join(' ')}.`);
    if (!/^https?:$/.test(URL.parse(server)?.protocol ?? ''))
      throw new TypeError(`${server} is not a URL such as ${LOCAL_SERVER}.`);
    return { url: server, credential: values.key ?? process.env['OPERATIONS_KEY'] };
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${HELP}`);
    return process.exit(2);
  }
}
