/** The OpenAPI document, as text: the Worker itself answers with it, on Node and without a server. */
import { registerHooks } from 'node:module';

/** Base classes of objects that this never makes. */
const PLATFORM = 'export class DurableObject {}; export class WorkflowEntrypoint {};';

interface Worker {
  fetch(request: Request, env: object, context: object): Promise<Response>;
}

export async function openApiText(): Promise<string> {
  const hooks = registerHooks({
    resolve: (specifier, context, next) =>
      specifier === 'cloudflare:workers' ? { url: 'tidemark:platform', shortCircuit: true } : next(specifier, context),
    load: (url, context, next) =>
      url === 'tidemark:platform' ? { format: 'module', source: PLATFORM, shortCircuit: true } : next(url, context),
  });
  // By its address, since its types are those of Workers and not of Node.
  const { default: worker } = (await import(new URL('../src/index.ts', import.meta.url).href)) as { default: Worker };
  hooks.deregister();
  const answer = await worker.fetch(new Request('https://tidemark.test/openapi.json'), {}, {});
  if (!answer.ok) throw new Error(`GET /openapi.json answered ${answer.status}: ${await answer.text()}`);
  return answer.text();
}
