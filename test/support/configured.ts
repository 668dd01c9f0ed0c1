import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';

import type { Env } from '../../src/bindings.ts';
import worker from '../worker.ts';
import { type Headers, asOperator } from './api.ts';

const ORIGIN = 'https://tidemark.test';

/** Sends a request to a deployment with other bindings and variables. Default: of the same Worker. */
async function send(
  bindings: Partial<Env>,
  url: string,
  init: RequestInit,
  deployed: ExportedHandler<Env> = worker,
): Promise<Response> {
  const request = new Request(url, init) as Parameters<NonNullable<typeof worker.fetch>>[0];
  const context = createExecutionContext();
  const answer = await deployed.fetch?.(request, { ...env, ...bindings }, context);
  await waitOnExecutionContext(context);
  return answer as Response;
}

/** Asks a deployment with other bindings and variables. Default: of the same Worker. */
export function ask(
  bindings: Partial<Env>,
  path: string,
  headers: Headers = {},
  origin: string = ORIGIN,
  deployed: ExportedHandler<Env> = worker,
): Promise<Response> {
  return send(bindings, `${origin}${path}`, { headers: { ...asOperator, ...headers } }, deployed);
}

/** Sends a command to a deployment of the same Worker with other bindings and variables. */
export function postTo(bindings: Partial<Env>, path: string, body: unknown, headers: Headers = {}): Promise<Response> {
  return send(bindings, `${ORIGIN}${path}`, {
    method: 'POST',
    headers: { ...asOperator, 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}

/** A deployment that still finds the idempotency keys from before authentication. */
export const WITH_KEYS_OF_NOBODY: Partial<Env> = { IDEMPOTENCY_SCOPE: 'both' };
