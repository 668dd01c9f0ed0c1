/**
 * Shows where the CPU time of a warm Worker goes: `node bench/profile.ts command`, or `read`. It prints the share of each part, and the functions
 * with most time of their own. `--seconds 20` samples for longer.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { build } from './contenders/build.ts';
import { bundledWorker } from './contenders/bundled-worker.ts';
import type { Contender } from './contenders/contender.ts';
import { TIDEMARK } from './contenders/contenders.ts';
import { drained } from './harness/drained.ts';
import { freePort } from './harness/free-port.ts';
import { inspect } from './harness/inspector.ts';
import { loadAll } from './harness/load.ts';
import { type Server, serve } from './harness/server.ts';
import type { RequestTemplate } from './load/load-protocol.ts';
import { toLines } from './table.ts';
import { CHANGE_PRICE, ORDER_IDS, PLACE_ORDER, createProducts } from './workloads/shop-requests.ts';

const PRODUCTS = 100;
const ORDERS = 100;
const CONNECTIONS = 16;
const WARM_UP_MS = 3_000;
const SAMPLE_EVERY_US = 200;
const FUNCTIONS = 25;

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

/** https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile */
interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** In µs. */
  readonly timeDeltas: readonly number[];
}

interface Subject {
  readonly request: RequestTemplate;
  readonly ids: readonly string[];
}

const SUBJECTS: Readonly<Record<string, (server: Server) => Promise<Subject>>> = {
  async command(server) {
    return { request: CHANGE_PRICE, ids: await createProducts(server, PRODUCTS) };
  },
  async read(server) {
    await createProducts(server, PRODUCTS);
    const job = { url: server.url, connections: CONNECTIONS, request: PLACE_ORDER, ids: ORDER_IDS };
    await loadAll({ ...job, pace: { type: 'closed', count: ORDERS } });
    await drained(server, { product: PRODUCTS, order: ORDERS });
    const rows = await server.query<{ stream: string }>(
      'SERVING_DB',
      "SELECT stream FROM checkpoint WHERE stream LIKE 'order-%'",
    );
    return {
      request: { method: 'GET', path: '/orders/{{id}}', status: 200 },
      ids: [...new Set(rows.map(({ stream }) => stream.replace('order-', '')))],
    };
  },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '10' } },
});
const subject = SUBJECTS[positionals[0] ?? ''];
if (!subject) {
  console.error(`node bench/profile.ts ${Object.keys(SUBJECTS).join('|')}`);
  process.exit(2);
}

const readable: Contender = {
  ...TIDEMARK,
  bundle: join(import.meta.dirname, 'dist/tidemark-readable'),
  isReadable: true,
};
await build(readable);
const inspectorPort = await freePort();
const server = await serve(readable, { inspectorPort, batchTimeoutS: 1 });
const job = { url: server.url, connections: CONNECTIONS, ...(await subject(server)) };
const warmUp = await loadAll({ ...job, firstNumber: 0, pace: { type: 'closed', durationMs: WARM_UP_MS } });
const inspector = await inspect(inspectorPort);
await inspector.ask('Profiler.enable');
await inspector.ask('Profiler.setSamplingInterval', { interval: SAMPLE_EVERY_US });
await inspector.ask('Profiler.start');
const cpuBefore = server.cpuMs() ?? Number.NaN;
const result = await loadAll({
  ...job,
  firstNumber: warmUp.count,
  pace: { type: 'closed', durationMs: Number(values.seconds) * 1_000 },
});
const cpuMs = (server.cpuMs() ?? Number.NaN) - cpuBefore;
const { profile } = await inspector.ask<{ profile: Profile }>('Profiler.stop');
await inspector.close();
await server.stop();
print(profile, filesOf(readable));
console.log(
  `\n${result.count} requests, ${Math.round(result.perSecond)} a second, ${(cpuMs / result.count).toFixed(2)} ms of CPU each in the whole process.`,
);
process.exit(0);

/** Finds the file of each line of a bundle: esbuild writes it before the module. */
function filesOf(contender: Contender): (line: number) => string {
  let file = '';
  const files = readFileSync(bundledWorker(contender).module.file, 'utf8')
    .split('\n')
    .map((line) => (file = /^\s*\/\/ \S*?((?:src|node_modules)\/\S+)$/.exec(line)?.[1] ?? file));
  return (line) => files[line] ?? '';
}

function print({ nodes, samples, timeDeltas }: Profile, fileAt: (line: number) => string): void {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const callerOf = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node] as const)));

  /** What the runtime itself implements has no file. */
  const fileOf = ({ callFrame: { url, lineNumber } }: ProfileNode) => (url.endsWith('.js') ? fileAt(lineNumber) : url);

  /** What the runtime does for a part counts as its own. */
  function partOf(node: ProfileNode): string {
    const { functionName } = node.callFrame;
    if (functionName.startsWith('(')) return functionName === '(root)' ? '(native)' : functionName;
    const file = fileOf(node);
    const caller = callerOf.get(node.id);
    if (file === '') return caller ? partOf(caller) : '(native)';
    return /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? file.replace(/\/[^/]+\.ts$/, '');
  }

  function whereOf(node: ProfileNode): string {
    const file = fileOf(node);
    const caller = callerOf.get(node.id);
    if (file !== '' || node.callFrame.functionName.startsWith('(')) return file;
    return caller ? `runtime, for ${caller.callFrame.functionName || '(anonymous)'} ${fileOf(caller)}` : 'runtime';
  }

  const parts = new Map<string, number>();
  const functions = new Map<string, number>();
  let whole = 0;
  for (const [index, id] of samples.entries()) {
    const node = byId.get(id);
    const spent = timeDeltas[index] ?? 0;
    if (!node || node.callFrame.functionName === '(idle)') continue;
    const name = node.callFrame.functionName || '(anonymous)';
    whole += spent;
    add(parts, partOf(node), spent);
    add(functions, `${name} | ${whereOf(node)}`, spent);
  }
  const share = (spent: number) => `${((spent / whole) * 100).toFixed(1)} %`;
  const sorted = (spent: ReadonlyMap<string, number>) => [...spent].toSorted((one, other) => other[1] - one[1]);
  const large = sorted(parts).filter(([, spent]) => spent / whole > 0.002);
  console.log(
    toLines(
      ['part', 'share'],
      large.map(([part, spent]) => [part, share(spent)]),
    ),
  );
  const rows = sorted(functions).slice(0, FUNCTIONS);
  console.log(
    `\n${toLines(
      ['function', 'file', 'share'],
      rows.map(([name, spent]) => [...name.split(' | '), share(spent)]),
    )}`,
  );
}

function add(sums: Map<string, number>, name: string, by: number): void {
  sums.set(name, (sums.get(name) ?? 0) + by);
}
