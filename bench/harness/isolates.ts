import { readFileSync } from 'node:fs';

import { Miniflare, convertV4MiniflareOptions } from 'miniflare';

import { bundledWorker } from '../contenders/bundled-worker.ts';
import type { Contender } from '../contenders/contender.ts';

/** Isolates that have not yet loaded the Worker of their contender: the first request has them do it, as `wrangler check startup` does. */
export interface Isolates {
  /** Where the n-th isolate of a contender answers. It has been asked for nothing yet, but the way to it is warm. */
  urlOf(contender: Contender, n: number): Promise<string>;
  stop(): Promise<void>;
}

/** Starts so many for each contender, in one process and with no storage behind them. */
export async function isolates(contenders: readonly Contender[], count: number): Promise<Isolates> {
  const nameOf = (contender: Contender, n: number) => `${contender.name}-${n}`;
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: '127.0.0.1',
      port: 0,
      cf: false,
      handleStructuredLogs: () => undefined,
      workers: contenders.flatMap((contender) => {
        const { module, workerOptions } = bundledWorker(contender);
        const contents = readFileSync(module.file, 'utf8');
        const { compatibilityDate, compatibilityFlags } = workerOptions as {
          compatibilityDate: string;
          compatibilityFlags?: string[];
        };
        const entry = `
          export default {
            async fetch(request, env, ctx) {
              if (new URL(request.url).pathname === '/loads-nothing') return new Response();
              const { default: worker } = await import('./${module.path}');
              return worker.fetch(request, env, ctx);
            },
          };`;
        return Array.from({ length: count }, (_, n) => ({
          name: nameOf(contender, n),
          compatibilityDate,
          compatibilityFlags: compatibilityFlags ?? [],
          bindings: contender.bindings,
          modules: [
            { type: 'ESModule' as const, path: 'entry.js', contents: entry },
            { type: 'ESModule' as const, path: module.path, contents },
          ],
          unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
        }));
      }),
    }),
  );
  await miniflare.ready;
  return {
    async urlOf(contender, n) {
      const { origin } = await miniflare.unsafeGetDirectURL(nameOf(contender, n));
      await (await fetch(`${origin}/loads-nothing`)).arrayBuffer();
      return origin;
    },
    stop: () => miniflare.dispose(),
  };
}
