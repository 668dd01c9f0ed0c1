/** Gets the OpenAPI document as text. The Worker answers with it, on Node and without a server. */
import { registerHooks } from 'node:module';

/** Stands in for the platform's base classes. This script creates none of their objects. */
const PLATFORM = 'export class DurableObject {}; export class WorkflowEntrypoint {};';

/** A local server: a deployment would need secrets. */
const LOCAL = { OPERATIONS_ACCESS: 'open', CAUSAL_TOKEN_KEY: 'local-development-key-do-not-deploy' };

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
  // A dynamic import by URL, since the types of this file are those of Workers, not of Node.
  const { default: worker } = (await import(new URL('../src/index.ts', import.meta.url).href)) as { default: Worker };
  hooks.deregister();
  const answer = await worker.fetch(new Request('http://localhost/openapi.json'), LOCAL, {});
  if (!answer.ok) throw new Error(`GET /openapi.json answered ${answer.status}: ${await answer.text()}`);
  return answer.text();
}
